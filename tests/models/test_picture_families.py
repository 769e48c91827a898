"""Families with one-frame units against the library's own classes: same ids, same logits, same attention."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.models.greedy import greedy
from tests.models.picture_families import NAMES, Loaded, loaded, logits_in_chunks, spans_of
from tests.report.counting import counter
from tests.support.checkpoints import random_pixels
from tests.support.torchvision_shim import declare_operators
from vtc_cli.errors import UsageError
from vtc_cli.models.contract import Cursor, Prepared, Span
from vtc_cli.models.registry import FAMILIES
from vtc_cli.report.flops import Forwards, tower

declare_operators()
WITH_CLASS_TOKEN = ("internvl", "llava", "llava-next", "llava-next-video")


@pytest.fixture(params=NAMES)
def family(request: pytest.FixtureRequest) -> Loaded:
    return loaded(request.param)


def test_its_record_says_what_was_loaded(family: Loaded) -> None:
    info, row = family.model.info, next(row for row in FAMILIES if row.name == family.name)
    assert info.family == family.name
    assert info.frames_per_unit == 1
    assert family.model.runs_layer_policies == ("layers" in row.stages)
    assert info.parameters == sum(value.numel() for value in family.reference.parameters())
    cache: Any = family.cache()
    family.model.forward(family.model.open(Cursor()), cache)
    stored = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert stored == info.kv_bytes_per_token * cache.get_seq_length()


@pytest.mark.parametrize(("count", "system"), [(9, None), (8, "Be brief."), (1, None)])
def test_no_method_run_equals_the_librarys_one_shot_forward(family: Loaded, count: int, system: str | None) -> None:
    images = random_pixels(count, 50, 70, seed=count)
    units = family.watch(images)
    spans = spans_of(family.model, units, system=system)
    ids = torch.cat([span.ids for span in spans])
    assert ids.tolist() == family.ids(units, system).tolist()
    positions = torch.cat([span.positions for span in spans], 1)
    assert torch.equal(positions, torch.arange(len(ids))[None])
    expected = family.expected(images, ids)[-1]
    assert expected.std() > 0.5  # a flat distribution would agree with anything
    for size in (1, 2, 7):
        torch.testing.assert_close(logits_in_chunks(family, spans, size), expected, atol=1e-4, rtol=0)


def test_decoding_continues_as_the_library_does(family: Loaded) -> None:
    model, images = family.model, random_pixels(3, 50, 70, seed=5)
    spans, cache = spans_of(model, family.watch(images)), family.cache()
    logits = model.forward(Span.join(spans), cache)
    chosen, logits = greedy(model, cache, logits, spans[-1].cursor, 5)
    ids = torch.cat([*[span.ids for span in spans], torch.tensor(chosen)])
    expected = family.expected(images, ids)
    assert expected[-6:-1].argmax(-1).tolist() == chosen
    torch.testing.assert_close(logits, expected[-1], atol=1e-4, rtol=0)


def test_units_do_not_depend_on_how_many_are_encoded_together(family: Loaded) -> None:
    images = random_pixels(3, 50, 70)
    together, alone = family.watch(images), [family.watch(images[i : i + 1])[0] for i in range(3)]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one.tokens, other.tokens, atol=1e-5, rtol=0)


def test_evicted_entries_equal_masked_ones(family: Loaded) -> None:
    """Rows never appended give the logits of a full prompt in which those rows are masked out, and stand as there."""
    model, units = family.model, family.watch(random_pixels(5, 50, 70, seed=3))
    keep = torch.tensor([0, 2])
    full, short = Span.join(spans_of(model, units)), Span.join(spans_of(model, units, keep=keep))
    gone = (full.patch >= 0) & ~torch.isin(full.patch, keep.to(torch.int32))
    assert torch.equal(short.positions, full.positions[:, ~gone])
    assert torch.equal(short.ids, full.ids[~gone])
    assert torch.equal(short.unit, full.unit[~gone])
    assert short.cursor == full.cursor
    mask = torch.full((len(full), len(full)), float("-inf")).triu(1)
    mask[:, gone] = float("-inf")
    mask.fill_diagonal_(0)
    decoder = getattr(family.reference.model, model.DECODER)
    given: Any = mask[None, None]
    if family.reference.config.text_config.model_type == "qwen2":  # asks for one mask per kind of layer
        given = {"full_attention": given}
    with torch.no_grad():
        hidden = decoder(inputs_embeds=full.embeds[None], position_ids=full.positions, attention_mask=given)
        expected = family.reference.lm_head(hidden.last_hidden_state[0, -1])
    torch.testing.assert_close(model.forward(short, family.cache()), expected, atol=1e-4, rtol=0)
    assert (model.forward(full, family.cache()) - expected).abs().max() > 1e-2  # the dropped rows mattered


def test_captured_attention_is_the_towers_own_without_the_class_token(family: Loaded) -> None:
    """Against the attention maps that the library's class returns: mean over heads and queries, tokens from patches."""
    images, layer = random_pixels(2, 50, 70, seed=2), 2
    units = family.watch(images, capture=[1, layer])
    pixels = family.prepared(images).patches
    inner = family.reference.model
    vision = inner.vision_model if family.name == "smolvlm" else inner.vision_tower
    vision.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            maps = vision(pixel_values=pixels, output_attentions=True).attentions[layer - 1]
    finally:
        vision.set_attn_implementation("sdpa")
    columns = maps.mean(1).mean(1)  # [units, T]
    if family.name in WITH_CLASS_TOKEN:
        columns = columns[:, 1:]
    side, merge = round(columns.shape[1] ** 0.5), family.pictures.merge
    assert side * side == columns.shape[1] == family.model.geometry((70, 50)).patches
    if family.name == "llava-onevision":
        pooled = torch.nn.functional.interpolate(columns.view(-1, 1, side, side), size=[3, 3], mode="bilinear")
    else:
        pooled = torch.nn.functional.avg_pool2d(columns.view(-1, 1, side, side), merge)
    for unit, values in zip(units, pooled.flatten(1), strict=True):
        torch.testing.assert_close(unit.scores[layer], values, atol=1e-6, rtol=0)
        assert not torch.allclose(unit.scores[1], values, atol=1e-4)


def test_tokens_are_in_raster_order(family: Loaded) -> None:
    """A change in a corner of the picture changes the token of that corner most."""
    grid, side = family.pictures.grid, family.pictures.side
    images = random_pixels(1, side, side).expand(3, -1, -1, -1).clone()
    cell = side // grid
    images[1, :, :cell, -cell:] = 255 - images[1, :, :cell, -cell:]
    images[2, :, -cell:, :cell] = 255 - images[2, :, -cell:, :cell]
    same, right, below = (unit.tokens for unit in family.watch(images))
    assert int((right - same).norm(dim=1).argmax()) == grid - 1
    assert int((below - same).norm(dim=1).argmax()) == grid * (grid - 1)


def test_counted_tower_operations_are_those_it_does(family: Loaded) -> None:
    model, prepared = family.model, family.prepared(random_pixels(2, 50, 70))
    geometry = model.geometry((70, 50))
    with counter() as counted_by_torch:
        model.encode(prepared, geometry)
    counted = tower(model.info.tower, Forwards.one(geometry.patches, 0, logits=0) * 2)
    # A class token is a patch more, which is not counted: of 16 or 25 patches that is much, of 576 it is nothing.
    assert counted <= counted_by_torch.get_total_flops() <= 1.1 * counted


def test_a_budget_of_pixels_below_its_one_size_is_refused(family: Loaded) -> None:
    side = family.pictures.side
    assert family.model.geometry((640, 480), side**2) == family.model.geometry((640, 480))
    with pytest.raises(UsageError, match=f"{side} x {side} pixels only"):
        family.model.geometry((640, 480), side**2 - 1)


def test_control_tokens_in_a_question_stay_text(family: Loaded) -> None:
    model = family.model
    control = set(model.tokenizer.all_special_ids)
    counts = []
    for words in ("hello", "hello<image><video><|im_end|></s><end_of_utterance>"):
        span = model.question(Cursor(), words)
        counts.append(sum(token in control for token in span.ids.tolist()))
        assert not span.visual.any()
    assert counts[0] == counts[1]


def test_a_grey_picture_is_seen() -> None:
    """Where every normalised value is 0: the library's way in takes such a picture for padding."""
    family = loaded("smolvlm")
    images = torch.full((3, 3, 48, 48), 128, dtype=torch.uint8)
    settings = replace(family.pictures, mean=(128 / 255,) * 3)
    patches = settings.patches(list(images), family.model.geometry((48, 48)))
    assert patches.abs().max() < 1e-6
    prepared = Prepared(((0.0, 0.0), (1.0, 1.0), (2.0, 2.0)), torch.zeros_like(patches))
    units = family.model.encode(prepared, family.model.geometry((48, 48)))
    assert len(units) == 3
    assert all(unit.tokens.abs().max() > 0.1 for unit in units)
