"""The adapter against the library's own class: same ids, same positions, same logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import DynamicCache

from tests.models.greedy import greedy
from tests.models.reference import encode, frames_of, naive_patches, one_shot, prompt_text
from tests.support.checkpoints import random_pixels, random_qwen3_vl
from vtc_cli.errors import UsageError
from vtc_cli.models.contract import Cursor, Span, Unit
from vtc_cli.models.load import load_model
from vtc_cli.models.qwen3_vl import Qwen3VL
from vtc_cli.video.frame import Frame

QUESTION = "Which colour does the moving square have?"
CELL = 16  # pixels per token side of the random checkpoint


def spans_of(
    model: Qwen3VL, units: list[Unit], question: str = QUESTION, system: str | None = None, keep: Any = None
) -> list[Span]:
    spans = [model.open(Cursor(), system)]
    for unit in units:
        spans.append(model.place(spans[-1].cursor, unit, None if keep is None else keep(unit)))
    spans.append(model.question(spans[-1].cursor, question))
    return spans


def chunked(model: Qwen3VL, spans: list[Span], size: int) -> tuple[torch.Tensor, DynamicCache]:
    """Prefix, then units `size` at a time, then the question; logits of the last row."""
    cache = DynamicCache()
    first, *units, last = spans
    groups = [[first], *[units[i : i + size] for i in range(0, len(units), size)], [last]]
    for group in groups:
        logits = model.forward(Span.join(group), cache)
    return logits, cache


def watch(model: Qwen3VL, images: torch.Tensor, gap: float = 0.7) -> tuple[list[Frame], list[Unit]]:
    frames = frames_of(images, gap)
    size = (images.shape[-1], images.shape[-2])
    return frames, encode(model, frames, model.geometry(size, size[0] * size[1]))


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize(
    ("count", "rows", "columns", "system"), [(9, 3, 5, None), (14, 4, 2, "Be brief."), (1, 2, 2, None)]
)
def test_no_method_run_equals_the_librarys_one_shot_forward(
    model: Qwen3VL, reference: Any, size: int, count: int, rows: int, columns: int, system: str | None
) -> None:
    images = random_pixels(count, rows * CELL, columns * CELL, seed=count)
    frames, units = watch(model, images)
    spans = spans_of(model, units, system=system)
    logits, cache = chunked(model, spans, size)

    text = prompt_text(model.tokenizer, [frame.time for frame in frames], rows * columns, QUESTION, system)
    ids = torch.tensor(model.tokenizer(text, add_special_tokens=False)["input_ids"])
    assert torch.equal(torch.cat([span.ids for span in spans]), ids)
    expected = one_shot(reference, ids, naive_patches(images, 8, 2), (len(units), rows * 2, columns * 2))
    assert cache.get_seq_length() == len(ids)
    torch.testing.assert_close(logits, expected.logits[0, -1], atol=1e-4, rtol=0)
    assert expected.logits[0, -1].std() > 0.5  # a flat distribution would agree with anything


@pytest.mark.parametrize("seed", [1, 2])
def test_equivalence_holds_for_other_weights_and_shapes(tmp_path: Path, seed: int) -> None:
    from transformers import Qwen3VLForConditionalGeneration

    shape = (
        {"merge": 3, "patch": 4, "deepstack": (0, 2, 3), "layers": 5} if seed == 1 else {"deepstack": (), "tie": False}
    )
    folder = random_qwen3_vl(tmp_path / "model", seed=seed, **shape)  # type: ignore[arg-type]
    ours = load_model(str(folder), device="cpu")
    assert isinstance(ours, Qwen3VL)
    theirs = Qwen3VLForConditionalGeneration.from_pretrained(folder).eval()
    patch, merge = ours.preprocessor.patch, ours.preprocessor.merge
    images = random_pixels(5, 3 * patch * merge, 4 * patch * merge, seed=seed)
    frames, units = watch(ours, images)
    spans = spans_of(ours, units)
    text = prompt_text(ours.tokenizer, [frame.time for frame in frames], 12, QUESTION)
    ids = torch.tensor(ours.tokenizer(text)["input_ids"])
    expected = one_shot(theirs, ids, naive_patches(images, patch, merge), (3, 3 * merge, 4 * merge)).logits[0, -1]
    for size in (1, 2, 7):
        torch.testing.assert_close(chunked(ours, spans, size)[0], expected, atol=1e-4, rtol=0)


def test_positions_equal_the_librarys(model: Qwen3VL, reference: Any) -> None:
    _, units = watch(model, random_pixels(7, 2 * CELL, 5 * CELL))
    spans = spans_of(model, units, system="You watch videos.")
    ids = torch.cat([span.ids for span in spans])
    kinds = (ids == reference.config.video_token_id).int() * 2
    expected, deltas = reference.model.get_rope_index(
        ids[None], mm_token_type_ids=kinds[None], video_grid_thw=torch.tensor([[4, 4, 10]])
    )
    assert torch.equal(torch.cat([span.positions for span in spans], dim=1), expected[:, 0])
    assert spans[-1].cursor.next == len(ids) + int(deltas)


def test_decoding_continues_as_the_library_does(model: Qwen3VL, reference: Any) -> None:
    images = random_pixels(4, 3 * CELL, 3 * CELL, seed=5)
    _, units = watch(model, images)
    spans = spans_of(model, units)
    logits, cache = chunked(model, spans, 2)
    chosen, logits = greedy(model, cache, logits, spans[-1].cursor, 5)
    ids = torch.cat([span.ids for span in spans])
    whole = torch.cat([ids, torch.tensor(chosen)])
    expected = one_shot(reference, whole, naive_patches(images, 8, 2), (2, 6, 6)).logits[0]
    assert expected[len(ids) - 1 : -1].argmax(-1).tolist() == chosen
    torch.testing.assert_close(logits, expected[-1], atol=1e-4, rtol=0)


def test_dropped_rows_leave_positions_and_deepstack_of_the_rest_alone(model: Qwen3VL) -> None:
    """Rows never appended give the logits of a full prompt in which those rows are masked out."""
    _, units = watch(model, random_pixels(6, 3 * CELL, 4 * CELL, seed=3))
    keep = torch.tensor([0, 3, 4, 7, 11])
    pruned = spans_of(model, units, keep=lambda unit: keep)
    full = Span.join(spans_of(model, units))
    gone = (full.patch >= 0) & ~torch.isin(full.patch, keep.to(torch.int32))
    short = Span.join(pruned)
    assert torch.equal(short.positions, full.positions[:, ~gone])
    assert torch.equal(short.ids, full.ids[~gone])
    assert torch.equal(short.unit, full.unit[~gone])
    assert pruned[-1].cursor == spans_of(model, units)[-1].cursor

    mask = torch.full((len(full), len(full)), float("-inf")).triu(1)
    mask[:, gone] = float("-inf")
    mask.fill_diagonal_(0)
    with torch.no_grad():
        hidden = model.model.model.language_model(
            inputs_embeds=full.embeds[None],
            position_ids=full.positions[:, None],
            attention_mask=mask[None, None],
            visual_pos_masks=full.visual[None],
            deepstack_visual_embeds=list(full.deep),
        ).last_hidden_state[0, -1]
        expected = model.model.lm_head(hidden)
    torch.testing.assert_close(model.forward(short, DynamicCache()), expected, atol=1e-4, rtol=0)
    everything, _ = chunked(model, spans_of(model, units), 1)
    assert (everything - expected).abs().max() > 1e-2  # the dropped rows mattered


def test_merged_rows_replace_the_kept_ones(model: Qwen3VL) -> None:
    _, units = watch(model, random_pixels(2, 2 * CELL, 3 * CELL))
    keep, merged = torch.tensor([1, 4]), torch.randn(2, model.info.decoder.hidden)
    span = model.place(Cursor(9), units[0], keep, merged)
    assert torch.equal(span.embeds[span.visual], merged)
    assert torch.equal(span.deep[0], units[0].deep[0][keep])
    assert span.patch[span.visual].tolist() == [1, 4]
    with pytest.raises(ValueError, match="merged rows"):
        model.place(Cursor(), units[0], keep, merged[:1])


@pytest.mark.parametrize("keep", [[3, 1], [1, 1], [-1, 2], [0, 6]])
def test_kept_rows_must_be_ascending_and_inside_the_grid(model: Qwen3VL, keep: list[int]) -> None:
    _, units = watch(model, random_pixels(2, 2 * CELL, 3 * CELL))
    with pytest.raises(ValueError, match="ascending raster indices"):
        model.place(Cursor(), units[0], torch.tensor(keep))


def test_units_do_not_depend_on_how_many_are_encoded_together(model: Qwen3VL) -> None:
    frames = frames_of(random_pixels(7, 3 * CELL, 4 * CELL))
    geometry = model.geometry((4 * CELL, 3 * CELL), 12 * CELL**2)
    together = encode(model, frames, geometry)
    alone = [encode(model, frames[2 * i : 2 * i + 2], geometry, first=i)[0] for i in range(4)]
    assert [unit.index for unit in together] == [0, 1, 2, 3]
    assert together[-1].span == (frames[-1].time, frames[-1].time)  # an odd tail repeats its frame
    for a, b in zip(together, alone, strict=True):
        assert (a.index, a.span, a.grid) == (b.index, b.span, b.grid)
        torch.testing.assert_close(a.tokens, b.tokens, atol=1e-5, rtol=0)
        for x, y in zip(a.deep, b.deep, strict=True):
            torch.testing.assert_close(x, y, atol=1e-5, rtol=0)
    assert encode(model, [], geometry) == []


def test_spans_say_which_rows_belong_to_which_unit(model: Qwen3VL) -> None:
    _, units = watch(model, random_pixels(4, 2 * CELL, 3 * CELL))
    spans = spans_of(model, units)
    assert spans[0].unit.eq(-1).all()
    assert spans[-1].unit.eq(-1).all()
    assert spans[2].unit.eq(1).all()
    assert spans[2].patch[spans[2].visual].tolist() == list(range(6))
    assert spans[0].cursor.video == spans[0].cursor.next
    assert (spans[2].cursor.units, spans[-1].cursor.video) == (2, None)


def test_labels_stop_ids_and_text(model: Qwen3VL) -> None:
    ids = model.label_ids(["A", "B", "C"])
    assert [model.text([token]) for token in ids] == ["A", "B", "C"]
    with pytest.raises(UsageError, match="same token"):
        model.label_ids(["A", "B", "A"])
    with pytest.raises(UsageError, match="empty"):
        model.label_ids(["A", ""])
    end = model.tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    assert model.stop_ids == frozenset(end)
    assert model.text([*ids, end[0]]) == "ABC"


def test_query_rows_are_the_questions_input_embeddings(model: Qwen3VL) -> None:
    rows = model.embed_query("red circle")
    ids = torch.tensor(model.tokenizer("red circle")["input_ids"])
    assert torch.equal(rows, model.model.get_input_embeddings().weight[ids])


def test_info_states_what_was_loaded(model: Qwen3VL, folder: Path) -> None:
    info = model.info
    assert info.parameters == sum(value.numel() for value in model.model.parameters())
    assert info.weight_bytes == 4 * info.parameters
    assert info.kv_bytes_per_token == 2 * 4 * 2 * 16 * 4
    assert (info.tower.layers, info.tower.deep, info.tower.patch_inputs) == (4, 2, 3 * 2 * 8 * 8)
    assert (info.frames_per_unit, info.context, info.family) == (2, 262_144, "qwen3-vl")
    _, cache = chunked(model, spans_of(model, []), 1)
    stored = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)  # type: ignore[union-attr]
    assert stored == info.kv_bytes_per_token * cache.get_seq_length()
