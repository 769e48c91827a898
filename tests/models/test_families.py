"""Every family against the library's own class and processor: same patches, same ids, same positions, same logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
import torch
from torch import Tensor

from tests.models.families import CELL, GLM, NAMES, QUESTION, Loaded, load, spans_of
from tests.models.greedy import greedy
from tests.models.line_families import NAMES as ON_A_LINE
from tests.models.reference import encode, frames_of
from tests.report.counting import counter
from tests.support.checkpoints import random_pixels
from tests.support.clips import write_clip
from tests.support.inside import attention_maps, projected_keys
from tests.support.torchvision_shim import declare_operators, torchvision_or_skip
from vtc_cli.models.contract import Cursor, Span
from vtc_cli.models.device import Placement
from vtc_cli.models.qwen import Qwen
from vtc_cli.models.registry import FAMILIES
from vtc_cli.models.sketch import sketch
from vtc_cli.report import flops
from vtc_cli.report.flops import Forwards

declare_operators()
GAP = 0.5  # seconds between frames


@pytest.fixture(scope="session", params=NAMES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(request.param, tmp_path_factory.mktemp("checkpoint") / request.param)


def test_every_registered_family_of_the_kind_is_tested() -> None:
    registered = {family.name for family in FAMILIES if issubclass(family.load_adapter(), Qwen)}
    assert set(NAMES) == registered - set(ON_A_LINE)  # MiniCPM-V has Qwen's decoder and its own positions


def test_its_record_says_what_was_loaded(family: Loaded) -> None:
    info, row = family.model.info, next(row for row in FAMILIES if row.name == family.name)
    assert info.family == family.name
    assert family.model.runs_layer_policies == ("layers" in row.stages)
    assert info.parameters == sum(value.numel() for value in family.reference.parameters())
    cache = family.cache()
    family.model.forward(family.model.open(Cursor()), cache)
    stored = sum(
        layer.keys.nbytes + layer.values.nbytes
        for layer in cache.layers
        if hasattr(layer, "keys")  # type: ignore[union-attr]
    )
    assert stored == info.kv_bytes_per_token * cache.get_seq_length()


@pytest.mark.parametrize(
    ("count", "rows", "columns", "system"), [(9, 3, 5, None), (14, 4, 2, "Be brief."), (1, 2, 2, None)]
)
def test_no_method_run_equals_the_librarys_one_shot_forward(
    family: Loaded, count: int, rows: int, columns: int, system: str | None
) -> None:
    model, images = family.model, random_pixels(count, rows * CELL, columns * CELL, seed=count)
    units = family.watch(images, GAP)
    spans = spans_of(model, units, system=system)
    ids = family.ids(units, system=system)
    assert torch.equal(torch.cat([span.ids for span in spans]), ids)
    assert torch.equal(torch.cat([span.positions for span in spans], 1), family.positions(ids, units, 2 * GAP))
    expected = family.expected(images, units, ids, 2 * GAP)[-1]
    assert expected.std() > 0.5  # a flat distribution would agree with anything
    first, *middle, last = spans
    for size in (1, 2, 7):
        cache = family.cache()
        for group in [[first], *[middle[i : i + size] for i in range(0, len(middle), size)], [last]]:
            logits = model.forward(Span.join(group), cache)
        assert cache.get_seq_length() == len(ids)
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_decoding_continues_as_the_library_does(family: Loaded) -> None:
    model, images = family.model, random_pixels(4, 3 * CELL, 3 * CELL, seed=5)
    units = family.watch(images, GAP)
    spans, cache = spans_of(model, units), family.cache()
    logits = model.forward(Span.join(spans), cache)
    chosen, logits = greedy(model, cache, logits, spans[-1].cursor, 5)
    ids = torch.cat([*[span.ids for span in spans], torch.tensor(chosen)])
    expected = family.expected(images, units, ids, 2 * GAP)
    assert expected[-6:-1].argmax(-1).tolist() == chosen
    torch.testing.assert_close(logits, expected[-1], atol=1e-4, rtol=0)


def test_units_do_not_depend_on_how_many_are_encoded_together(family: Loaded) -> None:
    images = random_pixels(6, 3 * CELL, 5 * CELL)
    together, alone = family.watch(images), [family.watch(images[2 * i : 2 * i + 2])[0] for i in range(3)]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one.tokens, other.tokens, atol=1e-5, rtol=0)


def test_evicted_entries_equal_masked_ones(family: Loaded) -> None:
    """Rows never appended give the logits of a full prompt in which those rows are masked out, and stand as there."""
    if family.model.info.decoder.recurrent:
        pytest.skip("rows that never come are not rows that are masked, where layers keep a state; see test_hybrid")
    model, units = family.model, family.watch(random_pixels(6, 3 * CELL, 4 * CELL, seed=3))
    keep = torch.tensor([0, 3, 4, 7, 11])
    full, short = Span.join(spans_of(model, units)), Span.join(spans_of(model, units, keep=keep))
    gone = (full.patch >= 0) & ~torch.isin(full.patch, keep.to(torch.int32))
    assert torch.equal(short.positions, full.positions[:, ~gone])
    assert torch.equal(short.ids, full.ids[~gone])
    assert short.cursor == full.cursor
    mask = torch.full((len(full), len(full)), float("-inf")).triu(1)
    mask[:, gone] = float("-inf")
    mask.fill_diagonal_(0)
    deep = {"visual_pos_masks": full.visual[None], "deepstack_visual_embeds": list(full.deep)} if full.deep else {}
    with torch.no_grad():
        hidden = family.reference.model.language_model(
            inputs_embeds=full.embeds[None],
            position_ids=full.positions[:, None],
            attention_mask={"full_attention": mask[None, None]} if not family.tagged else mask[None, None],
            **deep,
        ).last_hidden_state[0, -1]
        expected = family.reference.lm_head(hidden)
    torch.testing.assert_close(model.forward(short, family.cache()), expected, atol=1e-4, rtol=0)
    assert (model.forward(full, family.cache()) - expected).abs().max() > 1e-2  # the dropped rows mattered


def test_captured_attention_is_in_raster_order(family: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the library's own attention maps of a layer that sees whole pictures, put back token by token."""
    model, (rows, columns) = family.model, (3, 5)
    layer = max(set(range(1, 5)) - set(model.info.tower.windowed))
    images = random_pixels(4, rows * CELL, columns * CELL, seed=2)
    geometry = model.geometry((columns * CELL, rows * CELL), rows * columns * CELL**2)
    units = encode(model, frames_of(images), geometry, capture=[layer])
    library, tower = model._library, model._tower
    maps = attention_maps(monkeypatch, tower, tower.blocks[layer - 1].attn)
    encode(model, frames_of(images), geometry)
    tokens = rows * columns
    assert [weights.shape[-1] for weights in maps] == [4 * tokens] * 2
    received = torch.cat([weights[0].mean((0, 1)).view(tokens, 4).mean(-1) for weights in maps])
    if model.info.tower.windowed:
        grid = torch.tensor([[1, 2 * rows, 2 * columns]] * 2)
        index, _ = library.get_vision_window_index(grid, spatial_merge_size=2, window_size=32, patch_size=8)
        assert index.tolist() != sorted(index.tolist())
        raster = torch.empty_like(received)
        raster[index] = received
        received = raster
    for unit, expected in zip(units, received.view(2, tokens), strict=True):
        torch.testing.assert_close(unit.scores[layer], expected, atol=1e-6, rtol=1e-4)


def test_cached_keys_are_turned_back_to_what_was_projected(family: Loaded) -> None:
    """Whatever the axes do, and however many of a key's columns turn."""
    model, units = family.model, family.watch(random_pixels(4, 3 * CELL, 4 * CELL, seed=6))
    span, dims = Span.join(spans_of(model, units)), model.info.decoder
    full = [layer for number, layer in enumerate(model._decoder.layers) if number not in dims.recurrent]
    cache, rotation = family.cache(), model.rotation()
    with projected_keys(full, dims.kv_heads, dims.head_dim) as projected:
        model.forward(span, cache)
    assert rotation is not None
    assert rotation.axes == 3
    held = [layer.keys[0] for layer in cache.layers if hasattr(layer, "keys")]  # type: ignore[union-attr]
    assert len(held) == len(projected) == dims.cached
    for keys, expected in zip(held, projected, strict=True):
        raw = rotation.unrotate(keys, span.positions[:, None])
        torch.testing.assert_close(raw, expected, atol=1e-5, rtol=1e-5)
        assert (keys - expected).abs().max() > 0.5


def test_a_plan_counts_the_rows_that_come(family: Loaded) -> None:
    """Without the weights: prefix, words around a unit, question."""
    model, units = family.model, family.watch(random_pixels(2, 3 * CELL, 4 * CELL), gap=12.5)
    placement = Placement("cpu", "", "float32", "", "sdpa", "")
    drawn = sketch(family.folder, placement, family.name, model.info.parameters)
    assert drawn.info.decoder == model.info.decoder
    assert drawn.info.tower == model.info.tower
    assert drawn.info.kv_bytes_per_token == model.info.kv_bytes_per_token
    assert drawn.geometry((1280, 720)) == model.geometry((1280, 720))
    first, unit, last = spans_of(model, units)
    assert (drawn.prefix(), drawn.question(QUESTION)) == (len(first), len(last))
    assert drawn.around_unit(*units[0].span) + 12 == len(unit)


def test_counted_compute_equals_the_counter(family: Loaded) -> None:
    """Four by four tokens, which windows of two by two tile. The counter sees experts and recurrences only in part."""
    model, images = family.model, random_pixels(4, 4 * CELL, 4 * CELL)
    geometry = model.geometry((4 * CELL, 4 * CELL), 16 * CELL**2)
    with counter() as measured:
        units = encode(model, frames_of(images), geometry)
    assert measured.get_total_flops() == flops.tower(model.info.tower, Forwards.one(64, 0, logits=0) * 2)
    if family.name in ("qwen3-vl", "qwen2-vl", "qwen2.5-vl", "glm4v"):
        prefix, cache = Span.join([model.open(Cursor()), model.place(Cursor(9, video=9), units[0])]), family.cache()
        with counter() as measured:
            model.forward(prefix, cache)
        assert measured.get_total_flops() == flops.decoder(model.info.decoder, Forwards.one(len(prefix), 0), "square")


def processor_of(family: Loaded) -> Any:
    """The family's own processor, as the library makes it from the folder."""
    torchvision_or_skip()
    pytest.importorskip("PIL")
    from transformers import AutoTokenizer
    from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
    from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    if family.name in GLM:
        from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
        from transformers.models.glm4v.processing_glm4v import Glm4vProcessor
        from transformers.models.glm4v.video_processing_glm4v import Glm4vVideoProcessor

        return Glm4vProcessor(
            image_processor=Glm4vImageProcessorPil(),
            tokenizer=AutoTokenizer.from_pretrained(family.folder),
            video_processor=Glm4vVideoProcessor.from_pretrained(family.folder),
            chat_template=family.model.tokenizer.chat_template,
        )
    second = {"qwen2-vl": Qwen2VLProcessor, "qwen2.5-vl": Qwen2_5_VLProcessor}.get(family.name)
    videos: Any = Qwen2VLVideoProcessor if second else Qwen3VLVideoProcessor
    return (second or Qwen3VLProcessor)(
        image_processor=Qwen2VLImageProcessorPil(),
        tokenizer=AutoTokenizer.from_pretrained(family.folder),
        video_processor=videos.from_pretrained(family.folder),
        chat_template=family.model.tokenizer.chat_template,
    )


@pytest.mark.parametrize("count", [4, 5])
def test_ids_and_patches_equal_the_processors(family: Loaded, count: int) -> None:
    processor, images, rate = processor_of(family), random_pixels(count, 48, 64, seed=7), 2.5
    user = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
    theirs = processor(
        text=[processor.apply_chat_template([user], add_generation_prompt=True, enable_thinking=False)],
        videos=[images],
        video_metadata=[{"fps": rate, "frames_indices": list(range(count)), "total_num_frames": count}],
        do_sample_frames=False,
        return_tensors="pt",
    )
    units = family.watch(images, 1 / rate)
    spans = spans_of(family.model, units)
    assert torch.cat([span.ids for span in spans]).tolist() == theirs["input_ids"][0].tolist()
    assert theirs["video_grid_thw"].tolist() == [[len(units), 6, 8]]
    assert torch.equal(prepared(family, images), theirs["pixel_values_videos"])
    if "second_per_grid_ts" in theirs:
        seconds = float(theirs["second_per_grid_ts"][0])
        positions = torch.cat([span.positions for span in spans], 1)
        assert torch.equal(positions, family.positions(theirs["input_ids"][0], units, seconds))


def test_frames_of_a_file_give_the_video_processors_patches(family: Loaded, tmp_path: Path) -> None:
    processor = processor_of(family).video_processor
    with av.open(str(write_clip(tmp_path / "clip.mp4", seconds=1.0, size=(180, 100)))) as container:
        pictures = [torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    images, budget = torch.stack(pictures[:4]).permute(0, 3, 1, 2), 20 * CELL**2
    whole = 4 if family.tagged else 1
    limits = {"shortest_edge": 2 * 16 * 16 * whole, "longest_edge": budget * whole}
    theirs = processor(videos=[images], size=limits, do_sample_frames=False, **uncapped(family), return_tensors="pt")
    assert torch.equal(prepared(family, images, budget), theirs["pixel_values_videos"])


@pytest.mark.parametrize("size", [(90, 70), (64, 48), (33, 200), (320, 181), (9, 80), (300, 40)])
def test_resized_patches_equal_the_video_processors(family: Loaded, size: tuple[int, int]) -> None:
    processor, frames, budget = processor_of(family).video_processor, 4, 20 * CELL**2
    whole = 1 if not family.tagged else frames
    limits = {"shortest_edge": 2 * 16 * 16 * whole, "longest_edge": budget * whole}
    images = random_pixels(frames, size[1], size[0])
    theirs = processor(videos=[images], size=limits, do_sample_frames=False, **uncapped(family), return_tensors="pt")
    geometry = family.model.geometry(size, budget)
    rows, columns = geometry.grid
    assert theirs["video_grid_thw"].tolist() == [[2, 2 * rows, 2 * columns]]
    assert torch.equal(prepared(family, images, budget), theirs["pixel_values_videos"])


def uncapped(family: Loaded) -> dict[str, bool]:
    """What keeps a Qwen processor from holding frames of short videos smaller than it was asked to."""
    return {} if family.name in GLM else {"cap_pixels_per_frame": False}


def prepared(family: Loaded, images: Tensor, pixels: int | None = None) -> Tensor:
    height, width = images.shape[-2:]
    geometry = family.model.geometry((width, height), pixels or height * width)
    images = torch.cat([images, images[-1:]]) if len(images) % 2 else images
    return family.model.preprocessor.patches(list(images), geometry)
