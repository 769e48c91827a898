"""Pruners that keep what is new: evs and dycoke."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.methods.made import NAN, noise, pruner, unit
from vtc_cli import VtcError
from vtc_cli.errors import UsageError
from vtc_cli.methods import choose

BEFORE = [[1, 0], [1, 0], [1, 0], [3, 4]]
# Cosines with the token before: 1; 0; -1; (3*4 + 4*3) / (5*5) = 0.96. Changes: 0; 1; 2; 0.04.
AFTER = [[5, 0], [0, 2], [-1, 0], [4, 3]]


def second(spec: str, before: object = BEFORE, after: object = AFTER) -> list[int]:
    """What is kept of the second of two units."""
    method = pruner(spec)
    kept: list[int] = []
    for index, tokens in enumerate((before, after)):
        item = unit(tokens, (2, 2), index)  # type: ignore[arg-type]
        kept = method.keep(item, method.budget(4)).indices.tolist()
    return kept


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ("tokens=1", [2]), ("tokens=2", [1, 2]), ("tokens=3", [1, 2, 3]), ("retain=1", [0, 1, 2, 3]),
        ("retain=1,least=0.5", [1, 2]),  # only changes above 0.5
        ("tokens=1,least=0.5", [2]),  # and still no more than the share
        ("retain=1,least=1.99", [2]),
    ],
)  # fmt: skip
def test_evs_keeps_what_changed_most(options: str, places: list[int]) -> None:
    assert second(f"evs:{options}") == places


def test_evs_keeps_one_token_of_a_picture_that_stands_still() -> None:
    assert second("evs:retain=1,least=0.1", BEFORE, BEFORE) == [0]


def test_evs_keeps_equal_changes_in_raster_order() -> None:
    assert second("evs:tokens=2", BEFORE, BEFORE) == [0, 1]


def test_evs_shows_the_first_picture_evenly_or_whole() -> None:
    even, whole, lattice = pruner("evs:tokens=4"), pruner("evs:tokens=4,first=whole"), pruner("uniform:tokens=4")
    items = [noise(4, 4, seed) for seed in range(2)]
    assert [even.budget(16), whole.budget(16), whole.average(16)] == [4, 16, 4]
    assert torch.equal(even.keep(items[0], 4).indices, lattice.keep(items[0], 4).indices)
    assert whole.keep(items[0], 16).indices.tolist() == list(range(16))
    assert whole.budget(16) == 4
    assert torch.equal(whole.keep(items[1], 4).indices, even.keep(items[1], 4).indices)
    whole.reset()
    assert whole.budget(16) == 16


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 16), st.floats(0.01, 1000))
def test_evs_does_not_see_brightness(seed: int, count: int, scale: float) -> None:
    """Cosines: a token that only grows has not changed. Compared with the choice on unscaled tokens."""
    one, other = pruner(f"evs:tokens={count}"), pruner(f"evs:tokens={count}")
    for index in range(2):
        item = noise(4, 4, 2 * seed + index)
        first = one.keep(item, count)
        bright = unit(item.tokens * (scale if index else 1), item.grid, index)
        assert torch.equal(first.indices, other.keep(bright, count).indices)


@pytest.mark.parametrize(
    ("options", "tokens", "budgets"),
    [
        # 19 of 40 is the published method: the first whole, 0.3 * 40 = 12 of each other; 40 + 3 * 12 = 76 = 4 * 19.
        ("tokens=19", 40, [40, 12, 12, 12]),
        # 4 * 9 = 36; 36 / (1 + 3 * 0.3) = 18.9 -> 18, leaving 18 for three.
        ("tokens=9", 20, [18, 6, 6, 6]),
        # 4 * 10 = 40; 40 / 1.9 = 21.05 -> no more than the 20 there are, leaving 20 = 7 + 7 + 6.
        ("tokens=10", 20, [20, 7, 7, 6]),
        ("cut=0,tokens=5", 20, [5, 5, 5, 5]),
        # 4 * 1 = 4, one each: a later unit is never left without a token.
        ("retain=1/100", 64, [1, 1, 1, 1]), ("retain=1", 7, [7, 7, 7, 7]), ("retain=1/3", 1, [1, 1, 1, 1]),
    ],
)  # fmt: skip
def test_dycoke_spends_four_shares_on_four_units(options: str, tokens: int, budgets: list[int]) -> None:
    method = pruner(f"dycoke:{options}")
    for expected in budgets * 2:
        assert method.budget(tokens) == expected
        assert len(method.keep(noise(1, tokens, 3), expected).indices) == expected
    assert sum(budgets) == 4 * method.average(tokens)


@given(st.integers(1, 400), st.floats(0.001, 1), st.floats(0, 0.99))
def test_dycoke_meets_its_share_whatever_it_is(tokens: int, retain: float, cut: float) -> None:
    method = pruner(f"dycoke:retain={retain},cut={cut}")
    item, budgets = unit(torch.ones(tokens, 2)), []
    for _ in range(4):
        budgets.append(method.budget(tokens))
        assert 1 <= budgets[-1] <= tokens
        method.keep(item, budgets[-1])
    assert sum(budgets) == 4 * method.average(tokens)
    assert max(budgets[1:]) - min(budgets[1:]) <= 1
    assert budgets[0] >= min(budgets[1:])


def test_dycoke_compares_with_the_units_of_its_group() -> None:
    """Token i of unit u is (cos, sin) of an angle; the farther from the angle it is compared with, the newer."""
    angles = {  # in degrees
        0: [0, 0, 0, 0],
        1: [10, 50, 20, 0],  # against unit 0: place 1 is newest
        2: [10, 50, 90, 0],  # against unit 0: place 2; against unit 1 it would be place 2 as well, with 70
        3: [80, 50, 90, 60],  # against unit 2: 70, 0, 0, 60 -> place 0; against unit 0 it would be place 2
        4: [80, 50, 90, 60],
        5: [80, 50, 90, 0],  # against unit 4: place 3
    }
    method, newest = pruner("dycoke:tokens=1"), {}
    for index, row in angles.items():
        turned = torch.tensor(row).deg2rad()
        newest[index] = method.keep(unit(torch.stack([turned.cos(), turned.sin()], 1), (2, 2), index), 1)
    assert {index: kept.indices.tolist() for index, kept in newest.items() if index % 4} == {
        1: [1], 2: [2], 3: [0], 5: [3],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["evs", "dycoke"])
def test_a_token_that_is_not_a_number_is_refused(name: str) -> None:
    with pytest.raises(VtcError, match=r"unit 7 are infinite or not numbers"):
        pruner(name).keep(unit([[1, NAN], [0, 1]], index=7), 1)


@pytest.mark.parametrize("options", ["evs:least=2", "evs:least=-1", "evs:first=some", "dycoke:cut=1", "dycoke:cut=-1"])
def test_impossible_options_are_refused(options: str) -> None:
    with pytest.raises(UsageError):
        choose(options)
