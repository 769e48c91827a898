"""A session and its budget: kept at every step, used to the last entry, refused with the arithmetic."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from tests.engine.comparing import slab_of
from tests.engine.small_lm import SmallLM, film
from vtc_cli import CachePolicy, LayerView, Session, UsageError
from vtc_cli.methods.options import Bytes


@dataclass
class Recording(CachePolicy):
    """A window that remembers what it was asked."""

    asked: list[tuple[int, int]] = field(default_factory=list, init=False)

    def select(self, view: LayerView, keep: int) -> Tensor:
        count = view.unit.shape[1]
        if view.layer == 0:
            self.asked.append((count, keep))
        return torch.arange(count - keep, count).expand(view.unit.shape[0], keep)


def test_c5_ten_thousand_units_in_bounded_memory() -> None:
    budget = 40
    session = Session(SmallLM(), budget=budget, chunk=16)
    largest, addresses, objects = 0, set(), []
    for start in range(0, 10_000, 500):
        session.watch(film(500, start))
        slab = slab_of(session)
        largest = max(largest, session.entries)
        addresses.add((slab.blocks[0].keys.data_ptr(), slab.blocks[1].values.data_ptr(), slab.allocated))
        objects.append(len(gc.get_objects()))
        assert len(session._context.times) <= 1100
    assert session.units == 10_000
    assert largest <= session.meter.peaks["kv_budgeted_entries"] <= budget
    assert session.meter.peaks["kv_entries"] <= slab_of(session).pinned + budget
    each = session.model.info.kv_bytes_per_token
    assert session.meter.peaks["kv_budgeted_bytes"] <= budget * each == session.allowance.bytes
    assert session.kv_bytes == session.context * each
    assert len(addresses) == 1
    assert objects[-1] - objects[4] < 200
    assert session.evicted + session.entries == session.meter.counts["rows"] == 30_000


@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_c17_a_video_that_ends_at_the_budget_is_not_cut(chunk: int) -> None:
    policy = Recording(target=0.75)
    session = Session(SmallLM(), cache=policy, budget=24, chunk=chunk)
    session.watch(film(8))
    assert (session.entries, session.evicted, policy.asked) == (24, 0, [])
    session.watch(film(1, 8))
    assert policy.asked == [(24, 18)]
    assert (session.entries, session.evicted, session.meter.counts["compactions"]) == (21, 6, 1)


def test_a_compaction_makes_room_even_when_the_target_would_not() -> None:
    policy = Recording(target=1.0)
    session = Session(SmallLM(grid=(2, 4)), cache=policy, budget=20)
    session.watch(film(5))
    assert policy.asked == [(18, 11), (20, 11), (20, 11)]
    assert session.meter.peaks["kv_budgeted_entries"] == 20


@pytest.mark.parametrize("policy", ["window", "uniform-cache"])
def test_a_budget_of_exactly_one_unit_works(policy: str) -> None:
    session = Session(SmallLM(), cache=policy, budget=3)
    session.watch(film(6))
    assert session.entries == 3
    assert slab_of(session).view(0).unit.tolist() == [[5, 5, 5]] * 2


def test_window_keeps_the_newest_units() -> None:
    session = Session(SmallLM(), cache="window:target=1/2", budget=12)
    session.watch(film(9))
    assert slab_of(session).view(1).unit[0].tolist() == [6, 6, 6, 7, 7, 7, 8, 8, 8]


def test_budget_in_bytes_and_of_the_policy() -> None:
    each = SmallLM().info.kv_bytes_per_token
    for session in (
        Session(SmallLM(), budget=Bytes(each * 9 + 5)),
        Session(SmallLM(), cache="window:budget=9"),
        Session(SmallLM(), cache=f"window:budget={each * 9 + 5}B"),
        Session(SmallLM(), cache="window:budget=9", budget=9),
    ):
        session.watch(film(1))
        assert session.allowance is not None
        assert (session.allowance.entries, session.allowance.bytes) == (9, 9 * each)


def test_a_unit_larger_than_the_budget_is_refused_with_the_arithmetic() -> None:
    session = Session(SmallLM(grid=(4, 4)), budget=16)
    with pytest.raises(UsageError, match=r"16 entries is smaller than one unit of 17 entries"):
        session.watch(film(1))


def test_without_a_policy_a_full_cache_is_refused_and_can_still_be_asked() -> None:
    session = Session(SmallLM(), cache=None, budget=10)
    with pytest.raises(UsageError, match=r"full after 3 units: 9 entries \+ 3 > 10") as caught:
        session.watch(film(5))
    assert "policy" in str(caught.value.hint)
    assert session.units == 3
    assert session.ask("what?", max_new_tokens=3).counts["context"] == 6 + 9
