"""Finding the object layer: bends of a curve, distances of the tokens a layer looks at, the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from vtc_hiprune.calibration import calibrate, phases, spread

from tests.engine.small_lm import SmallLM, film
from vtc_cli import Frame, Unit
from vtc_cli.models.contract import Geometry, Prepared, TowerDims


def test_bends_are_found() -> None:
    curve = torch.tensor([1.0, 1.1, 1.2, 1.3, 1.8, 2.0, 2.2, 2.4, 2.6, 1.4, 1.4, 1.4, 1.4])
    assert phases(curve) == (4, 9)
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        assert phases(curve + 0.01 * torch.randn(13, generator=generator)) == (4, 9)


def test_a_short_tower_has_no_phases() -> None:
    assert phases(torch.ones(5)) is None
    assert phases(torch.tensor([1.0, 1, 2, 2, 3, 3])) == (2, 4)


def test_spread_is_relative_to_all_tokens() -> None:
    """Twenty tokens on a line: the best 25 % of the first layer are neighbours, of the second the two ends."""
    tokens = torch.arange(20.0)[:, None]
    near, far = torch.zeros(20), torch.zeros(20)
    near[[4, 5, 6, 7, 8]] = torch.arange(5, 0, -1).float()
    far[[0, 19, 1, 18, 2]] = torch.arange(5, 0, -1).float()
    found = spread(tokens, torch.stack([near, far]))
    assert found[0].tolist() == pytest.approx([1 / 7, 1 / 7, 2 / 7])
    assert found[1, 0] == pytest.approx(19 / 7)
    assert bool((found[1] > found[0]).all())
    assert spread(torch.ones(20, 1), torch.rand(2, 20)).tolist() == [[1.0] * 3] * 2


class Phased(SmallLM):
    """Twelve layers: the first four look at neighbours, five more at places far apart, the last three at all alike."""

    def __init__(self, windowed: tuple[int, ...] = ()) -> None:
        super().__init__(grid=(8, 10))
        self.info = replace(self.info, tower=TowerDims(12, 8, 1, 8, 8, 1, 8, windowed=windowed))
        self.asked: set[int] = set()

    def encode(self, prepared: Prepared, geometry: Geometry, first: int = 0, capture: Sequence[int] = ()) -> list[Unit]:
        units = super().encode(prepared, geometry, first)
        self.asked |= set(capture)
        line = torch.linspace(0, 1, 80)
        sight = {"near": -line, "far": (line - 0.5).abs(), "even": torch.arange(80.0) * 37 % 80}
        kinds = ["near"] * 4 + ["far"] * 5 + ["even"] * 3
        return [
            replace(unit, tokens=line[:, None], scores={layer: sight[kinds[layer - 1]] for layer in capture})
            for unit in units
        ]


def test_the_last_layer_of_the_middle_phase_is_chosen() -> None:
    model = Phased()
    found = calibrate(model, [film(3), film(4, 10)])
    assert found.options == {"layer": 9}
    assert found.columns == ("layer", "top 5%", "top 10%", "top 25%", "phase")
    assert [row[-1] for row in found.rows] == ["shallow"] * 4 + ["middle"] * 5 + ["deep"] * 3
    assert model.asked == set(range(1, 13))
    assert "7 units" in found.notes[0]


def test_window_layers_are_left_out_and_too_few_keep_the_default() -> None:
    model = Phased(windowed=tuple(layer for layer in range(1, 13) if layer % 4))
    found = calibrate(model, [film(2)])
    assert model.asked == {4, 8, 12}
    assert found.options == {"layer": 4}
    assert "too few" in found.notes[-1]


def test_without_pictures_there_is_nothing_to_measure() -> None:
    empty: list[list[Frame]] = [[]]
    with pytest.raises(ValueError, match="no pictures"):
        calibrate(Phased(), empty)


def run(*arguments: object, capsys: Any) -> tuple[int, str, str]:
    from vtc_cli.cli.main import run as vtc

    capsys.readouterr()
    code = vtc([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tests.support.checkpoints import random_qwen3_vl

    return random_qwen3_vl(tmp_path_factory.mktemp("checkpoint"), vision_depth=7)


def test_the_command_shows_the_curve_and_what_to_use(capsys: Any, checkpoint: Any, tmp_path: Any) -> None:
    from tests.support.clips import write_clip

    code, out, _ = run("methods", "hiprune", "--calibrate", checkpoint, "--pictures", "3", capsys=capsys)
    assert code == 0
    assert "3 pictures of 1 drawn film\n" in out
    assert "use it with: -m hiprune:layer=" in out
    clip = write_clip(tmp_path / "clip.mp4", seed=1)
    code, out, _ = run(
        "methods", "hiprune++", "--calibrate", checkpoint, "--video", clip, "--pictures", "2", "--json", capsys=capsys
    )
    assert code == 0
    found = json.loads(out)
    assert found["pictures"] == "2 pictures of 1 video"
    assert [row["layer"] for row in found["measured"]] == list(range(1, 8))
    assert found["use"] == f"hiprune++:layer={found['options']['layer']}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["uniform", "--calibrate", "tiny"], "`uniform` has nothing to calibrate"),
        (["--calibrate", "tiny"], "needs the name of a method"),
        (["hiprune", "--pictures", "3"], "belong to --calibrate"),
        (["hiprune", "--calibrate", "tiny", "--pictures", "0"], "at least 1"),
        (["hiprune", "--calibrate", "nothing"], "unknown model 'nothing'"),
        (["hiprun", "--calibrate", "tiny"], "there is no method `hiprun`"),
    ],
)
def test_what_cannot_be_calibrated_is_said(capsys: Any, arguments: list[str], message: str) -> None:
    code, out, err = run("methods", *arguments, capsys=capsys)
    assert (code, out) == (2, "")
    assert message in err
