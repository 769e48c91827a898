"""Nemotron Omni against its own class: logits, states, what is evicted and taken back, attention of the tower."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import DynamicCache

from tests.models.greedy import greedy
from tests.models.nemotron import HEIGHT, WIDTH, Loaded
from tests.support.checkpoints import random_pixels
from tests.support.inside import attention_maps
from tests.support.masking import all_but_kept_hidden, random_choice
from vtc_cli import MachineError, UsageError, load_model
from vtc_cli.models.contract import Span


@pytest.mark.parametrize("cache", ["library", "slab"])
@pytest.mark.parametrize("frames", [8, 9])
def test_no_method_run_equals_the_librarys_one_shot_forward(nemotron: Loaded, frames: int, cache: str) -> None:
    images, model = random_pixels(frames, HEIGHT, WIDTH, seed=3), nemotron.model
    units = nemotron.watch(images)
    spans, ids = nemotron.spans(units), nemotron.ids(frames, 6)
    assert torch.cat([span.ids for span in spans]).tolist() == ids.tolist()
    expected = nemotron.expected(images, ids)[-1]
    assert expected.std() > 0.5
    first, *middle, last = spans
    for size in (1, 2, 7):
        groups = [[first], *[middle[i : i + size] for i in range(0, len(middle), size)], [last]]
        joined = [Span.join(group) for group in groups]
        if cache == "slab":
            slab = nemotron.slab(joined[:-1])
            slab.expect(last.unit, last.patch, last.positions)
            logits = model.forward(last, slab)
        else:
            own = DynamicCache(config=model.model.config.text_config)
            for span in joined:
                logits = model.forward(span, own)
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_decoding_continues_as_the_library_does_and_is_taken_back(nemotron: Loaded) -> None:
    model, images = nemotron.model, random_pixels(4, HEIGHT, WIDTH, seed=5)
    *before, question = nemotron.spans(nemotron.watch(images))
    slab = nemotron.slab(before)
    mark, answers = slab.snapshot(), []
    for _ in range(2):
        answers.append(greedy(model, slab, model.forward(question, slab), question.cursor, 5))
        assert slab.snapshot() != mark
        slab.rollback(mark)
        assert slab.snapshot() == mark
    assert answers[0][0] == answers[1][0]
    assert torch.equal(answers[0][1], answers[1][1])
    ids = torch.cat([*[span.ids for span in (*before, question)], torch.tensor(answers[0][0])])
    expected = nemotron.expected(images, ids)
    assert expected[-6:-1].argmax(-1).tolist() == answers[0][0]
    torch.testing.assert_close(answers[0][1], expected[-1], atol=1e-4, rtol=0)


def test_evicted_entries_equal_masked_ones(nemotron: Loaded) -> None:
    """Other entries in each layer; the states have seen everything in both runs."""
    model = nemotron.model
    *before, question = nemotron.spans(nemotron.watch(random_pixels(8, HEIGHT, WIDTH, seed=3)))
    slab = nemotron.slab(before)
    held, pinned, rows = slab.held, slab.pinned, len(question)
    kept = random_choice(len(slab.blocks), 2, held - pinned, 12, seed=1)
    slab.compact(kept)
    slab.expect(question.unit, question.patch, question.positions)
    ours = model.forward(question, slab)

    whole = DynamicCache(config=model.model.config.text_config)
    model.forward(Span.join(before), whole)
    with all_but_kept_hidden(model._decoder.layers, {2: kept[0], 5: kept[1]}, pinned, held, rows):
        theirs = model.forward(question, whole)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    assert (model.forward(question, nemotron.slab(before)) - theirs).abs().max() > 1e-2


def test_units_do_not_depend_on_how_many_are_encoded_together(nemotron: Loaded) -> None:
    images = random_pixels(6, HEIGHT, WIDTH)
    for number, unit in enumerate(nemotron.watch(images)):
        alone = nemotron.watch(images[2 * number : 2 * number + 2])[0]
        torch.testing.assert_close(unit.tokens, alone.tokens, atol=1e-5, rtol=0)


def test_captured_attention_is_the_towers_own(nemotron: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    tower, layer = nemotron.model.model.vision_model, 2
    images = random_pixels(4, HEIGHT, WIDTH, seed=2)
    units = nemotron.watch(images, capture=(layer,))
    maps = attention_maps(monkeypatch, tower, tower.encoder.layer[layer - 1].attention)
    nemotron.watch(images)
    received = maps[0].mean((1, 2))[:, 5:]  # two rows of the class and three registers come first
    expected = received.view(2, 2, 2, 3, 2).mean((2, 4)).flatten(1)
    for unit, theirs in zip(units, expected, strict=True):
        torch.testing.assert_close(unit.scores[layer], theirs, atol=1e-6, rtol=1e-4)


def test_wrong_checkpoints_are_refused(nemotron: Loaded, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(nemotron.folder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))

    def fails(kind: type[Exception], match: str, **changes: Any) -> None:
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(kind, match=match):
            load_model(str(folder), device="cpu")

    text = {**config["text_config"], "layers_block_type": ["linear_attention"] * 6}
    fails(UsageError, "has no block with attention", text_config=text)
    fails(UsageError, "merges patches in another way", downsample_ratio=0.25)
    vision = {**config["vision_config"], "patch_size": 4}
    fails(MachineError, "contradicts itself", vision_config=vision)
