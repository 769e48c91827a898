"""Where rows of an unbroken video stand: the values the models were trained with, as the library had them until 5.2.

Twelve units of 4 x 6 tokens after a prefix of four.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.families import CELL
from tests.models.reference import encode, frames_of
from tests.support.checkpoints import random_pixels
from tests.support.qwen_checkpoints import random_qwen2_5_vl, random_qwen2_vl
from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.contract import Cursor, Unit
from vtc_cli.models.load import load_model
from vtc_cli.models.qwen2_5_vl import Qwen25VL
from vtc_cli.models.qwen2_vl import Qwen2VL

GRID = (4, 6)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Qwen2VL:
    model = load_model(str(random_qwen2_vl(tmp_path_factory.mktemp("checkpoint"))), device="cpu")
    assert isinstance(model, Qwen2VL)
    return model


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Qwen25VL:
    model = load_model(str(random_qwen2_5_vl(tmp_path_factory.mktemp("checkpoint"))), device="cpu")
    assert isinstance(model, Qwen25VL)
    assert model._per_second == 2
    return model


def times_and_next(model: Qwen2VL, starts: list[float]) -> tuple[list[int], int]:
    """Temporal positions of units beginning at `starts`, and where text goes after them."""
    cursor, found = Cursor(4, video=4), []
    for index, start in enumerate(starts):
        unit = Unit(index, (start, start + 0.1), torch.zeros(24, 64), GRID)
        span = model.place(cursor, unit)
        assert span.positions[1:, -1].tolist() == [4 + 3, 4 + 5]
        assert span.positions[0].unique().tolist() == [int(span.positions[0, 0])]
        found.append(int(span.positions[0, 0]))
        cursor = span.cursor
    assert model.question(cursor, "why?").positions[:, 0].tolist() == [cursor.next] * 3
    return found, cursor.next


def test_qwen2_vl_counts_units(second: Qwen2VL) -> None:
    assert times_and_next(second, [1.0 * unit for unit in range(12)]) == (list(range(4, 16)), 16)
    assert times_and_next(second, [30.0 * unit for unit in range(12)]) == (list(range(4, 16)), 16)


def test_qwen2_5_vl_tells_seconds(clocked: Qwen25VL) -> None:
    assert times_and_next(clocked, [1.0 * unit for unit in range(12)]) == (list(range(4, 28, 2)), 27)
    assert times_and_next(clocked, [0.5 * unit for unit in range(12)]) == (list(range(4, 16)), 16)
    # One position for every half second, whole ones only; and clocks that are not exact in binary.
    assert times_and_next(clocked, [0.3 * unit for unit in range(6)])[0] == [4, 4, 5, 5, 6, 7]
    assert times_and_next(clocked, [100.1 + 0.5 * unit for unit in range(12)])[0] == list(range(4, 16))


def test_a_gap_in_time_stays_a_gap(clocked: Qwen25VL) -> None:
    assert times_and_next(clocked, [0.0, 1.0, 61.0]) == ([4, 6, 126], 127)


def test_a_short_video_ends_after_its_width(second: Qwen2VL) -> None:
    assert times_and_next(second, [0.0]) == ([4], 10)


def test_asking_in_between_does_not_break_the_block(clocked: Qwen25VL) -> None:
    """The session goes on from the cursor it had before the question."""
    units = [Unit(index, (1.0 * index, 1.0 * index), torch.zeros(24, 64), GRID) for index in range(3)]
    cursor = clocked.place(clocked.place(Cursor(4, video=4), units[0]).cursor, units[1]).cursor
    asked = clocked.question(cursor, "why?").cursor
    assert (asked.video, asked.began, asked.units) == (None, None, 0)
    assert int(clocked.place(cursor, units[2]).positions[0, 0]) == 8
    again = clocked.place(asked, units[2])
    assert again.positions[:, 0].tolist() == [asked.next] * 3, "after words that stay, a new block begins"


@pytest.mark.parametrize("build", [random_qwen2_vl, random_qwen2_5_vl])
def test_a_flat_configuration_as_published_loads_the_same(build: Any, tmp_path: Path) -> None:
    folder = build(tmp_path / "model")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    text = config.pop("text_config")
    rope = text.pop("rope_parameters")
    legacy = {
        "rope_theta": rope["rope_theta"],
        "rope_scaling": {"type": "mrope", "mrope_section": rope["mrope_section"]},
    }
    before = load_model(str(folder), device="cpu")
    kind = config["vision_config"]["model_type"].removesuffix("_vision")
    config["vision_config"]["model_type"] = kind
    path.write_text(json.dumps({**text, **config, **legacy, "model_type": kind}))
    after = load_model(str(folder), device="cpu")
    assert (after.info.decoder, after.info.tower) == (before.info.decoder, before.info.tower)
    frames = frames_of(random_pixels(2, 3 * CELL, 4 * CELL))
    geometry = before.geometry((4 * CELL, 3 * CELL), 12 * CELL**2)
    tokens = [encode(model, frames, geometry)[0].tokens for model in (before, after)]
    assert torch.equal(*tokens)


def test_sliding_layers_are_refused(tmp_path: Path) -> None:
    folder = random_qwen2_vl(tmp_path / "model")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["text_config"]["layer_types"][1] = "sliding_attention"
    path.write_text(json.dumps(config))
    with pytest.raises(UsageError, match="layers of the kind 'sliding_attention'"):
        load_model(str(folder), device="cpu")


def test_weights_of_other_shapes_are_refused(tmp_path: Path) -> None:
    folder = random_qwen2_vl(tmp_path / "model")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["text_config"]["intermediate_size"] *= 2
    path.write_text(json.dumps(config))
    with pytest.raises(MachineError, match="weights of other shapes"):
        load_model(str(folder), device="cpu")
