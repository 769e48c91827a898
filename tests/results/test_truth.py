"""The pruner that knows where everything is, and what its figures say."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmarks.attended import SHARES, attended
from benchmarks.truth import Truth, filled, labels_of, summed
from vtc_cli import Unit, load_model
from vtc_cli.bench.suites.tiny import TinySuite, Wanted


def unit(index: int = 0, rows: int = 2, columns: int = 4) -> Unit:
    tokens = torch.arange(rows * columns, dtype=torch.float32)[:, None].expand(-1, 3).clone()
    return Unit(index, (0.0, 1.0), tokens, (rows, columns), deep=(tokens * 10,))


def known(*kinds: int, **options: float) -> Truth:
    return Truth(labels=lambda unit: torch.tensor(kinds), **options)


def test_things_come_first_then_what_may_be_one_then_any() -> None:
    labels = (0, 3, 0, -100, 1, 0, 0, 0)
    assert known(*labels, tokens=2).keep(unit(), 2).indices.tolist() == [1, 4]
    assert known(*labels, tokens=3).keep(unit(), 3).indices.tolist() == [1, 3, 4]
    kept = [known(*labels).keep(unit(index), 5).indices.tolist() for index in range(20)]
    assert all({1, 3, 4} <= set(some) for some in kept)
    assert len({tuple(some) for some in kept}) > 3  # the rest is drawn, for each unit anew
    assert kept[7] == known(*labels).keep(unit(7), 5).indices.tolist()


def test_filled_up_there_are_as_many_and_those_left_out_are_their_mean() -> None:
    made = unit()
    model = SimpleNamespace(encode=lambda *_: [made])
    pruner = known(1, 1, 0, 0, 0, 0, 0, 0, tokens=2)
    (found,) = filled(model, pruner).encode("prepared", "geometry")  # type: ignore[arg-type]
    assert found.tokens[:, 0].tolist() == [0, 1, *[4.5] * 6]
    assert found.deep[0][:, 0].tolist() == [0, 10, *[45.0] * 6]
    assert model.encode()[0].tokens[:, 0].tolist() == list(range(8))  # the model itself is as it was


def test_labels_are_those_of_the_film_that_is_asked_about() -> None:
    suite = TinySuite(Wanted(seed=11))
    case = next(suite.cases())
    film, size = suite.film(case.id)
    clip = case.open()
    frames = list(clip.frames(1.0))
    assert (clip.info.size, clip.info.duration) == (size[::-1], film.duration)
    clip.close()
    rows, columns = size[0] // 16, size[1] // 16
    labels = labels_of(film, size, frames, 2)
    found = [labels(unit(index, rows, columns)) for index in range((len(frames) + 1) // 2)]
    assert all(len(some) == rows * columns for some in found)
    assert any((some > 0).any() for some in found)
    assert any((some == 0).any() for some in found)


def test_a_row_is_compared_film_by_film() -> None:
    base = [[("colour", True), ("count", True)], [("colour", True)], [("count", False)]]
    row = [[("colour", True), ("count", False)], [("colour", True)], [("count", False)]]
    found = summed("half", row, base)
    assert (found["n"], found["right"]) == (4, 2)
    assert found["difference"] == pytest.approx(-0.25)
    assert found["skills"] == {"colour": [2, 2], "count": [2, 0]}
    assert found["interval"][0] < -0.25 < found["interval"][1]


@torch.no_grad()
def test_attention_of_the_last_layer_gathers_where_something_is() -> None:
    units, things, layers = attended(load_model("tiny"), TinySuite(Wanted(seed=11)), 3)
    assert 4 <= units <= 12
    assert 4 < things < 64
    assert list(layers) == [str(layer) for layer in range(1, 9)]
    for held in layers.values():
        assert len(held) == len(SHARES)
        assert held == sorted(held, reverse=True)
        assert all(0 <= share <= 1 for share in held)
    assert layers["8"][0] > 0.5
