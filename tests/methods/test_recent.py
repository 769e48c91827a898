"""The cache of the last few units: whole ones, and never more than asked for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.small_lm import SmallLM, film
from tests.methods.made import policy, view
from vtc_cli import Session
from vtc_cli.errors import UsageError
from vtc_cli.methods import choose

TAG, GRID = 2, (2, 3)
ROWS = TAG + GRID[0] * GRID[1]


def held(session: Session) -> list[int]:
    """The unit of every entry, the same in all layers and heads."""
    labels = [head for layer in range(2) for head in session._context.slab.view(layer).unit.tolist()]
    assert all(label == labels[0] for label in labels)
    return labels[0]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 15))
def test_the_last_units_are_held_and_none_before(units: int, chunk: int, watched: int) -> None:
    session = Session(SmallLM(grid=GRID, tag=TAG), cache=f"recent:units={units}", chunk=chunk)
    for number in range(watched):
        session.watch(film(1, number))
        alive = range(max(0, number + 1 - units), number + 1)
        assert held(session) == [unit for unit in alive for _ in range(ROWS)]
    assert session.evicted == ROWS * max(0, watched - units)


def test_how_frames_are_dealt_does_not_matter() -> None:
    answers = set()
    for chunk, deal in ((1, 1), (3, 12), (5, 4)):
        session = Session(SmallLM(grid=GRID, tag=TAG), cache="recent:units=3", chunk=chunk)
        for start in range(0, 12, deal):
            session.watch(film(deal, start))
        answers.add(session.ask("what?", max_new_tokens=6).ids)
    assert len(answers) == 1


def test_a_smaller_budget_holds_fewer_whole_units() -> None:
    """Four units would take 32 entries; 27 hold three."""
    session = Session(SmallLM(grid=GRID, tag=TAG), cache="recent:units=4", budget=27)
    session.watch(film(10))
    assert held(session) == [unit for unit in (7, 8, 9) for _ in range(ROWS)]


def test_no_more_memory_is_taken_than_the_units_need() -> None:
    session = Session(SmallLM(grid=GRID, tag=TAG), cache="recent:units=4", units=1000)
    session.watch(film(1))
    assert session.allowance is not None
    assert session.allowance.entries < 4 * ROWS * 3
    assert session.allowance.reason == "4 units are held at most"


def test_a_short_video_is_held_whole() -> None:
    session = Session(SmallLM(grid=GRID, tag=TAG), cache="recent:units=4", units=3)
    session.watch(film(3))
    assert session.allowance is not None
    assert session.allowance.reason == "the whole video fits"
    assert session.evicted == 0


def test_units_cut_by_a_pruner_are_counted_as_units() -> None:
    session = Session(SmallLM(grid=GRID, tag=TAG), pruner="evs:retain=1/2,first=whole", cache="recent:units=3")
    session.watch(film(8))
    assert held(session) == [unit for unit in (5, 6, 7) for _ in range(TAG + 3)]


def test_wanted_by_hand() -> None:
    """Units of 2, 4 and 3 entries: with two more than the newest held there is room for the one to come."""
    entries = view(torch.zeros(2, 9, 2), [0, 0, 1, 1, 1, 1, 2, 2, 2])
    three, two, one = (policy(f"recent:units={units}") for units in (3, 2, 1))
    assert [three.wanted(entries, most) for most in (9, 7, 6, 3, 2, 0)] == [7, 7, 3, 3, 0, 0]
    assert [two.wanted(entries, 9), one.wanted(entries, 9)] == [3, 0]
    assert three.select(entries, 7).tolist() == [[2, 3, 4, 5, 6, 7, 8]] * 2


@pytest.mark.parametrize("options", ["units=0", "units=-1", "units=some", "target=0"])
def test_impossible_options_are_refused(options: str) -> None:
    with pytest.raises(UsageError):
        choose(f"recent:{options}")


def test_a_share_of_the_budget_is_no_option_of_it():
    assert "target" not in choose("recent:units=2").options
    with pytest.raises(UsageError, match="no option `target`"):
        choose("recent:target=0.5")
