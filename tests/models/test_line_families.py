"""Families with one position per row and a tower of their own, against their own classes and processors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.greedy import greedy
from tests.models.line_families import GAP, INPUTS, NAMES, QUESTION, Loaded, loaded
from tests.models.reference import encode, frames_of
from tests.report.counting import counter
from tests.support.checkpoints import random_pixels
from tests.support.inside import attention_maps, projected_keys
from tests.support.torchvision_shim import declare_operators, torchvision_or_skip
from vtc_cli.models.contract import Cursor, Span
from vtc_cli.models.device import Placement
from vtc_cli.models.registry import FAMILIES
from vtc_cli.models.sketch import sketch
from vtc_cli.report import flops
from vtc_cli.report.flops import Forwards

declare_operators()


@pytest.fixture(params=NAMES)
def family(request: pytest.FixtureRequest) -> Loaded:
    return loaded(request.param)


def test_its_record_says_what_was_loaded(family: Loaded) -> None:
    info, row = family.model.info, next(row for row in FAMILIES if row.name == family.name)
    assert info.family == family.name
    assert family.model.runs_layer_policies == ("layers" in row.stages)
    assert info.parameters == sum(value.numel() for value in family.reference.parameters())
    own = family.cache()
    family.model.forward(family.model.open(Cursor()), own)
    held = [layer for layer in own.layers if hasattr(layer, "keys")]
    stored = sum(layer.keys.nbytes + layer.values.nbytes for layer in held)  # type: ignore[union-attr]
    assert stored == info.kv_bytes_per_token * own.get_seq_length()


def test_no_method_run_equals_the_librarys_one_shot_forward(family: Loaded) -> None:
    images, model = random_pixels(9, 32, 48, seed=3), family.model
    units = family.watch(images)
    spans, ids = family.spans(units), family.ids(units)
    assert torch.cat([span.ids for span in spans]).tolist() == ids.tolist()
    assert all(row.tolist() == list(range(len(ids))) for row in torch.cat([span.positions for span in spans], 1))
    expected = family.expected(images, ids)[-1]
    assert expected.std() > 0.5
    first, *middle, last = spans
    for size in (1, 2, 7):
        own = family.cache()
        for group in [[first], *[middle[i : i + size] for i in range(0, len(middle), size)], [last]]:
            logits = model.forward(Span.join(group), own)
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_decoding_continues_as_the_library_does(family: Loaded) -> None:
    model, images = family.model, random_pixels(4, 32, 48, seed=5)
    spans, own = family.spans(family.watch(images)), family.cache()
    logits = model.forward(Span.join(spans), own)
    chosen, logits = greedy(model, own, logits, spans[-1].cursor, 5)
    expected = family.expected(images, torch.cat([*[span.ids for span in spans], torch.tensor(chosen)]))
    assert expected[-6:-1].argmax(-1).tolist() == chosen
    torch.testing.assert_close(logits, expected[-1], atol=1e-4, rtol=0)


def test_units_do_not_depend_on_how_many_are_encoded_together(family: Loaded) -> None:
    images = random_pixels(3, 32, 48)
    for one, picture in zip(family.watch(images), images, strict=True):
        torch.testing.assert_close(one.tokens, family.watch(picture[None])[0].tokens, atol=1e-5, rtol=0)


def test_evicted_entries_equal_masked_ones(family: Loaded) -> None:
    if family.hybrid():
        pytest.skip("rows that never come are not rows that are masked, where layers keep a state; see test_hybrid")
    model, units = family.model, family.watch(random_pixels(4, 32, 48, seed=3))
    keep = torch.arange(0, units[0].grid[0] * units[0].grid[1], 2)
    full, short = Span.join(family.spans(units)), Span.join(family.spans(units, keep))
    gone = (full.patch >= 0) & ~torch.isin(full.patch, keep.to(torch.int32))
    assert torch.equal(short.positions, full.positions[:, ~gone])
    assert short.cursor == full.cursor
    mask = torch.full((len(full), len(full)), float("-inf")).triu(1)
    mask[:, gone] = float("-inf")
    mask.fill_diagonal_(0)
    with torch.no_grad():
        decoder = family.reference.model.language_model
        hidden = decoder(
            inputs_embeds=full.embeds[None], position_ids=full.positions, attention_mask=mask[None, None]
        ).last_hidden_state[0, -1]
        expected = family.reference.lm_head(hidden)
    torch.testing.assert_close(model.forward(short, family.cache()), expected, atol=1e-4, rtol=0)
    assert (model.forward(full, family.cache()) - expected).abs().max() > 1e-2


def test_captured_attention_is_the_towers_own(family: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against attention maps of a layer, as its eager function makes them, put together token by token."""
    if family.name == "perception-lm":
        pytest.skip("the tower is another library's; see the next test but one")
    tower: Any = getattr(family.model, "_vision", None) or family.model._tower  # type: ignore[attr-defined]
    merge = family.model.preprocessor.merge
    images, layer = random_pixels(2, 32, 48, seed=2), 2
    units = family.watch(images, capture=[layer])
    rows, columns = units[0].grid
    maps = attention_maps(monkeypatch, tower, tower.encoder.layers[layer - 1].self_attn)
    family.watch(images)
    assert len(maps) == 2
    for unit, weights in zip(units, maps, strict=True):
        received = weights[0].mean((0, 1))
        if family.name == "video-llama-3":  # a token's patches stand together
            expected = received.view(rows * columns, merge**2).mean(-1)
        else:
            expected = received.view(rows, merge, columns, merge).mean((1, 3)).flatten()
        torch.testing.assert_close(unit.scores[layer], expected, atol=1e-6, rtol=1e-4)


def test_cached_keys_are_turned_back_to_what_was_projected(family: Loaded) -> None:
    model = family.model
    span, dims = Span.join(family.spans(family.watch(random_pixels(3, 32, 48, seed=6)))), model.info.decoder
    full = [layer for number, layer in enumerate(model._decoder.layers) if number not in dims.recurrent]
    own, rotation = family.cache(), model.rotation()
    with projected_keys(full, dims.kv_heads, dims.head_dim) as projected:
        model.forward(span, own)
    assert rotation is not None
    held: list[Any] = [layer for layer in own.layers if hasattr(layer, "keys")]
    for layer, expected in zip(held, projected, strict=True):
        raw = rotation.unrotate(layer.keys[0], span.positions[:, None])
        torch.testing.assert_close(raw, expected, atol=1e-5, rtol=1e-5)
        assert (layer.keys[0] - expected).abs().max() > 0.5


def test_a_plan_counts_the_rows_that_come(family: Loaded) -> None:
    units = family.watch(random_pixels(2, 32, 48))
    drawn = sketch(
        family.folder, Placement("cpu", "", "float32", "", "sdpa", ""), family.name, family.model.info.parameters
    )
    assert drawn.info.decoder == family.model.info.decoder
    assert drawn.info.tower == family.model.info.tower
    assert drawn.geometry((1280, 720)) == family.model.geometry((1280, 720))
    first, _, second, last = family.spans(units)
    assert (drawn.prefix(), drawn.question(QUESTION)) == (len(first), len(last))
    assert drawn.around_unit(*units[1].span) + len(units[1].tokens) == len(second)


def test_counted_compute_equals_the_counter(family: Loaded) -> None:
    images = random_pixels(2, 32, 48)
    with counter() as measured:
        encode(family.model, frames_of(images), family.geometry(images))
    patches = family.geometry(images).patches
    found, tower = measured.get_total_flops(), family.model.info.tower
    counted = flops.tower(tower, Forwards.one(patches, 0, logits=0) * 2)
    if family.name == "perception-lm":  # the class token is a row more, and not counted
        assert counted < found < flops.tower(tower, Forwards.one(patches + 1, 0, logits=0) * 2)
    else:
        assert found == counted


def test_attention_is_read_before_and_after_the_towers_own_merger(monkeypatch: pytest.MonkeyPatch) -> None:
    family, layer = loaded("minicpm-v-4.6"), 4
    tower, images = family.model._tower, random_pixels(2, 32, 48, seed=2)  # type: ignore[attr-defined]
    units = family.watch(images, capture=[layer])
    maps = attention_maps(monkeypatch, tower, tower.encoder.layers[layer - 1].self_attn)
    family.watch(images)
    for unit, weights in zip(units, maps, strict=True):
        assert weights.shape[-1] == 4 * 6
        expected = weights[0].mean((0, 1)).view(2, 2, 3, 2).mean((1, 3)).flatten()
        torch.testing.assert_close(unit.scores[layer], expected, atol=1e-6, rtol=1e-4)


def test_attention_in_a_tower_of_timm_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    family, layer, maps = loaded("perception-lm"), 2, []
    images = random_pixels(2, 32, 48, seed=2)
    units = family.watch(images, capture=[layer])
    attention = family.model._vision.timm_model.blocks[layer - 1].attn  # type: ignore[attr-defined]
    monkeypatch.setattr(attention, "fused_attn", False)
    hook = attention.attn_drop.register_forward_hook(lambda module, args, output: maps.append(output))
    family.watch(images)
    hook.remove()
    received = maps[0].mean((1, 2))[:, 1:].view(2, 2, 2, 2, 2).mean((2, 4)).flatten(1)
    for unit, expected in zip(units, received, strict=True):
        torch.testing.assert_close(unit.scores[layer], expected, atol=1e-6, rtol=1e-4)


def test_a_video_is_numbered_where_the_picture_processor_says_so(tmp_path: Path) -> None:
    family = loaded("minicpm-v-4.6")
    folder = tmp_path / "model"
    shutil.copytree(family.folder, folder)
    settings = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    for key, rows in (("true", len(family.model.open(Cursor()))), ("false", len(family.model.open(Cursor())) - 3)):
        (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "use_image_id": key == "true"}))
        drawn = sketch(folder, Placement("cpu", "", "float32", "", "sdpa", ""), "copy", 1)
        assert drawn.prefix() == rows


def processor_of(family: Loaded) -> Any:
    """The family's own processor, as the library makes it from the folder."""
    torchvision_or_skip()
    pytest.importorskip("PIL")
    from transformers import AutoTokenizer

    if family.name == "perception-lm":
        from transformers.models.perception_lm.image_processing_perception_lm import PerceptionLMImageProcessor
        from transformers.models.perception_lm.processing_perception_lm import PerceptionLMProcessor
        from transformers.models.perception_lm.video_processing_perception_lm import PerceptionLMVideoProcessor

        tokenizer = AutoTokenizer.from_pretrained(family.folder)
        return PerceptionLMProcessor(
            image_processor=PerceptionLMImageProcessor(),
            tokenizer=tokenizer,
            video_processor=PerceptionLMVideoProcessor.from_pretrained(family.folder),
            chat_template=tokenizer.chat_template,
            patch_size=8,
            pooling_ratio=2,
        )
    if family.name == "minicpm-v-4.6":
        from transformers.models.minicpmv4_6.image_processing_pil_minicpmv4_6 import MiniCPMV4_6ImageProcessorPil
        from transformers.models.minicpmv4_6.processing_minicpmv4_6 import MiniCPMV4_6Processor
        from transformers.models.minicpmv4_6.video_processing_minicpmv4_6 import MiniCPMV4_6VideoProcessor

        tokenizer = AutoTokenizer.from_pretrained(family.folder)
        return MiniCPMV4_6Processor(
            image_processor=MiniCPMV4_6ImageProcessorPil(),
            tokenizer=tokenizer,
            video_processor=MiniCPMV4_6VideoProcessor.from_pretrained(family.folder),
            chat_template=tokenizer.chat_template,
        )
    from transformers.models.video_llama_3.image_processing_pil_video_llama_3 import VideoLlama3ImageProcessorPil
    from transformers.models.video_llama_3.processing_video_llama_3 import VideoLlama3Processor
    from transformers.models.video_llama_3.video_processing_video_llama_3 import VideoLlama3VideoProcessor

    tokenizer = AutoTokenizer.from_pretrained(family.folder)
    return VideoLlama3Processor(
        image_processor=VideoLlama3ImageProcessorPil(),
        tokenizer=tokenizer,
        video_processor=VideoLlama3VideoProcessor.from_pretrained(family.folder),
        chat_template=tokenizer.chat_template,
    )


def limits(family: Loaded, frames: int) -> dict[str, Any]:
    """What makes the processor hold a video of so many frames to the size that is ours for each of them."""
    if family.name == "perception-lm":
        return {}
    if family.name == "minicpm-v-4.6":
        return {"max_slice_nums": 1}  # the overview alone
    return {"size": {"shortest_edge": 256, "longest_edge": frames * family.model.preprocessor.default_pixels}}


@pytest.mark.parametrize("size", [(48, 32), (90, 70), (33, 200), (320, 181)])
def test_ids_and_patches_equal_the_processors(family: Loaded, size: tuple[int, int]) -> None:
    processor, images = processor_of(family), random_pixels(4, size[1], size[0], seed=7)
    user = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
    text = processor.apply_chat_template([user], add_generation_prompt=True, enable_thinking=False)
    theirs = processor(
        text=[text],
        videos=[images],
        video_metadata=[{"fps": 1 / GAP, "frames_indices": list(range(4)), "total_num_frames": 4}],
        do_sample_frames=False,
        return_tensors="pt",
        **limits(family, 4),
    )
    spans = family.spans(family.watch(images))
    assert torch.cat([span.ids for span in spans]).tolist() == theirs["input_ids"][0].tolist()
    ours = INPUTS[family.name](family.patches(images), family.geometry(images))
    for name, values in ours.items():
        assert torch.equal(values, theirs[name]), name
