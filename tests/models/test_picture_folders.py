"""Folders of the families with one-frame units: other text models, what is refused, what a short config means."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.picture_families import NAMES, QUESTION, Loaded, load, loaded, logits_in_chunks, spans_of
from tests.support.checkpoints import random_pixels
from tests.support.picture_checkpoints import random_internvl
from tests.support.torchvision_shim import declare_operators
from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.catalog import facts_of
from vtc_cli.models.device import Placement
from vtc_cli.models.sketch import sketch

declare_operators()


@pytest.fixture(params=NAMES)
def family(request: pytest.FixtureRequest) -> Loaded:
    return loaded(request.param)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("qwen3", {}),
        ("qwen3_moe", {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48}),
        ("llama", {}),
    ],
)
def test_internvl_runs_with_other_text_models(text: str, options: dict[str, Any], tmp_path: Any) -> None:
    other = load("internvl", random_internvl(tmp_path, text=text, **options))
    images = random_pixels(5, 50, 70)
    spans = spans_of(other.model, other.watch(images))
    expected = other.expected(images, torch.cat([span.ids for span in spans]))[-1]
    torch.testing.assert_close(logits_in_chunks(other, spans, 2), expected, atol=1e-4, rtol=0)


def test_facts_of_a_configuration_that_leaves_defaults_out(tmp_path: Path) -> None:
    """As published LLaVA 1.5 folders do: their text model is 7 billion parameters by saying nothing."""
    folder = tmp_path / "model"
    shutil.copytree(loaded("llava").folder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["text_config"] = {"model_type": "llama", "max_position_embeddings": 4096}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    facts = facts_of(folder)
    assert (facts.family, facts.kv_values, facts.context) == ("llava", 2 * 32 * 32 * 128, 4096)
    assert facts.notes.startswith("A video is a series of one-frame pictures")


def test_a_text_model_that_does_not_run_is_refused(tmp_path: Any) -> None:
    folder = random_internvl(tmp_path, text="starcoder2")
    with pytest.raises(UsageError, match="'starcoder2' text model; with this family, these run: llama, "):
        load("internvl", folder)


def test_sliding_windows_are_refused(tmp_path: Any) -> None:
    folder = random_internvl(
        tmp_path, use_sliding_window=True, sliding_window=64, max_window_layers=2, layer_types=None
    )
    with pytest.raises(UsageError, match="'sliding_attention'"):
        load("internvl", folder)


def test_a_mistral_that_slides_is_refused_and_one_that_does_not_runs(tmp_path: Path) -> None:
    folder = random_internvl(tmp_path / "slides", text="mistral", sliding_window=64)
    with pytest.raises(UsageError, match="attends to the last 64 tokens only"):
        load("internvl", folder)
    other = load("internvl", random_internvl(tmp_path / "whole", text="mistral", sliding_window=None))
    images = random_pixels(3, 50, 70)
    spans = spans_of(other.model, other.watch(images))
    expected = other.expected(images, torch.cat([span.ids for span in spans]))[-1]
    torch.testing.assert_close(logits_in_chunks(other, spans, 2), expected, atol=1e-4, rtol=0)


def test_a_folder_that_contradicts_itself_is_refused(family: Loaded, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(family.folder, folder)
    for path in folder.glob("*preprocessor_config.json"):
        said = json.loads(path.read_text(encoding="utf-8"))
        for name in ("size", "crop_size", "max_image_size"):
            if name in said:
                said[name] = dict.fromkeys(said[name], 24)
        path.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(MachineError, match=r"makes pictures of 24 pixels, and the tower in config\.json looks at"):
        load(family.name, folder)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (
            {"vision_feature_select_strategy": "full"},
            "vision_feature_select_strategy='full' with a 'clip_vision_model'",
        ),
        ({"vision_feature_layer": [-2, -5]}, "features of several vision layers"),
    ],
)
def test_features_it_does_not_make_are_refused(wrong: dict[str, Any], what: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(loaded("llava").folder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | wrong), encoding="utf-8")
    with pytest.raises(UsageError, match=what):
        load("llava", folder)


def test_a_plan_counts_the_rows_that_come(family: Loaded) -> None:
    """From the folder alone, without weights: the model's record, and the rows of every part of a prompt."""
    info = family.model.info
    placement = Placement("cpu", info.device_reason, "float32", info.dtype_reason)
    drawn = sketch(family.folder, placement, info.name, info.parameters)
    assert replace(drawn.info, revision=info.revision, weight_bytes=info.weight_bytes) == info
    assert drawn.geometry((70, 50)) == family.model.geometry((70, 50))
    units = family.watch(random_pixels(12, 50, 70), gap=1.0)
    first, *spans, last = spans_of(family.model, units)
    assert drawn.prefix() == len(first)
    assert drawn.question(QUESTION) == len(last)
    for unit, span in list(zip(units, spans, strict=True))[1:]:  # the first may do without a line break
        assert drawn.around_unit(*unit.span) + len(unit.tokens) == len(span)
    assert len(spans[0]) <= drawn.around_unit(*units[0].span) + len(units[0].tokens)
