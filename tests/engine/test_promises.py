"""A session and its methods: given what they need, held to what they promise, refused when they do not fit."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from tests.engine.small_lm import SmallLM, film
from vtc_cli import CachePolicy, Kept, LayerView, Session, TokenPruner, Unit, UsageError, VtcError


@dataclass
class Curious(TokenPruner):
    """Keeps the rows nearest the question, and the ones the tower looked at; remembers what it saw."""

    needs = frozenset({"query", "attention:2,4"})
    seen: list[int] = field(default_factory=list, init=False)
    resets: int = field(default=0, init=False)

    def reset(self) -> None:
        self.resets += 1
        self.seen.clear()

    def budget(self, tokens: int) -> int:
        return 1

    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        assert query is not None
        assert query.shape == (5, 8)
        assert sorted(unit.scores) == [2, 4]
        self.seen.append(unit.index)
        return Kept(unit.scores[4].argmax()[None])


def test_a_pruner_is_given_what_it_needs() -> None:
    pruner = Curious()
    session = Session(SmallLM(per_unit=2), pruner=pruner, question="what?", budget=50)
    session.watch(film(7))
    assert pruner.resets == 1
    assert pruner.seen == [0, 1, 2]
    assert session.meter.counts["visual_in"] == 6
    assert session.meter.counts["visual_kept"] == 3
    session.ask("what?", max_new_tokens=2)
    assert pruner.seen == [0, 1, 2]  # completing the cut unit for a question is not remembered


def test_needs_that_cannot_be_met_are_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="must be known before watching"):
        Session(SmallLM(), pruner=Curious())
    deep = Curious()
    deep.needs = frozenset({"attention:9"})  # type: ignore[misc]
    with pytest.raises(UsageError, match="vision layer 9, and this model's tower has layers 1 to 4"):
        Session(SmallLM(), pruner=deep)
    routed = Curious()
    routed.needs = frozenset({"router"})  # type: ignore[misc]
    with pytest.raises(UsageError, match="needs `router`"):
        Session(SmallLM(), pruner=routed)


@pytest.mark.parametrize(
    ("kept", "problem"),
    [
        (Kept(torch.tensor([1, 0])), "ascending"),
        (Kept(torch.tensor([0, 0])), "ascending"),
        (Kept(torch.tensor([0, 4])), "below 4"),
        (Kept(torch.tensor([0, 1, 2])), "kept 3 rows with a budget of 2"),
        (Kept(torch.tensor([], dtype=torch.int64)), "kept 0 rows"),
        (Kept(torch.tensor([0], dtype=torch.int32)), "not int64"),
        (Kept(torch.tensor([0, 1]), torch.zeros(1, 8)), "merged into"),
    ],
)
def test_a_pruner_that_breaks_its_contract_is_named(kept: Kept, problem: str) -> None:
    @dataclass
    class Broken(TokenPruner):
        def budget(self, tokens: int) -> int:
            return 2

        def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
            return kept

    with pytest.raises(VtcError, match=f"Broken .*{problem}.*bug in the method"):
        Session(SmallLM(grid=(2, 2)), pruner=Broken(), budget=50).watch(film(1))


def test_a_cache_policy_that_breaks_its_contract_is_named() -> None:
    @dataclass
    class Broken(CachePolicy):
        def select(self, view: LayerView, keep: int) -> Tensor:
            return torch.zeros(view.unit.shape[0], keep, dtype=torch.int64)

    with pytest.raises(VtcError, match=r"Broken: layer 0: .*ascending.*bug in the method"):
        Session(SmallLM(), cache=Broken(), budget=10).watch(film(9))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="chunk"):
        Session(SmallLM(), chunk=0)
    with pytest.raises(UsageError, match="at least one entry"):
        Session(SmallLM(), budget=0)
    with pytest.raises(UsageError, match=r"two cache budgets: 9 .* 8"):
        Session(SmallLM(), cache="window:budget=8", budget=9)
    with pytest.raises(UsageError, match="`window` fills the stage `cache`, and a method for `pruner`"):
        Session(SmallLM(), pruner="window")
    with pytest.raises(UsageError, match="geometry and pixels"):
        Session(SmallLM(), geometry=SmallLM().geometry((2, 2)), pixels=4)
