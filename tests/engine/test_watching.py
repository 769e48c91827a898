"""A session watching: the budget at every step, the same memory however frames arrive."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.engine.small_lm import SmallLM, film
from vtc_cli import Answer, CachePolicy, Kept, LayerView, MachineError, Session, TokenPruner, Unit, UsageError, VtcError
from vtc_cli.engine.slab import Slab
from vtc_cli.methods.options import Bytes


def slab_of(session: Session) -> Slab:
    return session._context.slab


def memory_of(session: Session) -> tuple[Any, ...]:
    """Everything that decides an answer: rows and labels of every layer, and where the timeline stands."""
    slab = slab_of(session)
    held = slab.held
    blocks = [(b.keys[:, :, :held].clone(), b.values[:, :, :held].clone()) for b in slab.blocks]
    labels = [(b.unit[:, :held].clone(), b.patch[:, :held].clone()) for b in slab.blocks]
    return blocks, labels, (held, slab.seen, slab.pinned, session._context.cursor, session.units)


def assert_same_memory(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert one[2] == other[2]
    for mine, theirs in zip(one[1], other[1], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    for mine, theirs in zip(one[0], other[0], strict=True):
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@dataclass
class PerHead(CachePolicy):
    """Keeps another random set in every layer and head, the newest entries last."""

    def select(self, view: LayerView, keep: int) -> Tensor:
        heads, count = view.unit.shape
        generator = torch.Generator().manual_seed(count + 17 * view.layer)
        return torch.stack([torch.randperm(count, generator=generator)[:keep].sort().values for _ in range(heads)])


@dataclass
class Recording(CachePolicy):
    """A window that remembers what it was asked."""

    asked: list[tuple[int, int]] = field(default_factory=list, init=False)

    def select(self, view: LayerView, keep: int) -> Tensor:
        count = view.unit.shape[1]
        if view.layer == 0:
            self.asked.append((count, keep))
        return torch.arange(count - keep, count).expand(view.unit.shape[0], keep)


POLICIES = ["window", "uniform-cache", PerHead()]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("chunk", [2, 7, 50])
def test_c3_c4_chunks_change_nothing(policy: Any, chunk: int) -> None:
    """Also a chunk larger than the budget: it is split where a compaction is due."""
    frames = film(23)
    alone, together = (
        Session(SmallLM(), cache=policy, budget=20),
        Session(SmallLM(), cache=policy, budget=20, chunk=chunk),
    )
    alone.watch(frames)
    together.watch(frames)
    assert alone.evicted == together.evicted > 0
    assert_same_memory(memory_of(alone), memory_of(together))
    assert together.meter.peaks["kv_budgeted_entries"] <= 20
    assert said(alone.ask("what?", max_new_tokens=5)) == said(together.ask("what?", max_new_tokens=5))


def said(answer: Answer) -> tuple[Any, ...]:
    """An answer without how long it took."""
    return answer.text, answer.ids, answer.finish, dict(answer.counts)


@pytest.mark.parametrize("per_unit", [1, 2, 3])
@pytest.mark.parametrize("cuts", [[5], [1, 2, 3, 4, 5, 6], [4, 9], [0, 11]])
def test_how_frames_are_dealt_to_calls_changes_nothing(per_unit: int, cuts: list[int]) -> None:
    frames = film(11)
    whole = Session(SmallLM(per_unit=per_unit), budget=12)
    whole.watch(frames)
    dealt = Session(SmallLM(per_unit=per_unit), budget=12, chunk=2)
    for start, end in zip([0, *cuts], [*cuts, 11], strict=True):
        dealt.watch(iter(frames[start:end]))
        if end:
            dealt.ask("so far?", max_new_tokens=2)  # questions in between change nothing either
    assert_same_memory(memory_of(whole), memory_of(dealt))
    assert said(whole.ask("and?", max_new_tokens=6)) == said(dealt.ask("and?", max_new_tokens=6))


def test_a_cut_unit_is_shown_completed_and_continued_later() -> None:
    """A question after 5 frames of 2 per unit sees what it would see had the last frame stood still."""
    frames = film(6)
    session = Session(SmallLM(per_unit=2), budget=100)
    session.watch(frames[:5])
    assert session.units == 2
    now = session.ask("what?", max_new_tokens=6)
    assert now.counts["completing"] == 3
    still = Session(SmallLM(per_unit=2), budget=100)
    still.watch([*frames[:5], frames[4]])
    assert still.ask("what?", max_new_tokens=6).ids == now.ids
    model: Any = session.model
    encoded = model.encoded
    session.ask("and?", max_new_tokens=2)
    assert model.encoded == encoded  # completed once, not once per question
    session.watch(frames[5:])
    whole = Session(SmallLM(per_unit=2), budget=100)
    whole.watch(frames)
    assert_same_memory(memory_of(whole), memory_of(session))
    assert whole.ask("what?", max_new_tokens=6).ids == session.ask("what?", max_new_tokens=6).ids != now.ids


def test_a_single_frame_of_a_pair_can_be_asked_about() -> None:
    session = Session(SmallLM(per_unit=2), budget=100)
    session.watch(film(1))
    assert session.ask("what?", max_new_tokens=2).counts["completing"] == 3
    assert session.entries == 0


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


def test_c9_positions_follow_the_video_and_the_question_starts_after_it() -> None:
    model = SmallLM(record=True)
    session = Session(model, budget=12, chunk=3)
    session.watch(film(10))
    session.ask("first?", max_new_tokens=3)
    session.watch(film(2, 10))
    session.ask("second?", max_new_tokens=3)
    taken = torch.cat([span.positions[0] for span in model.spans])
    video = len("system") + 10 * 3
    before = torch.arange(video)
    turn = torch.arange(video, video + len("first?") + 2)
    more = torch.arange(video, video + 6)  # what the question used is free again
    last = torch.arange(video + 6, video + 6 + len("second?") + 2)
    assert torch.equal(taken, torch.cat([before, turn, more, last]))


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
    with pytest.raises(UsageError, match=r"16 entries is smaller than one unit of 17 rows x 128 bytes = 2,176 bytes"):
        session.watch(film(1))


def test_without_a_policy_a_full_cache_is_refused_and_can_still_be_asked() -> None:
    session = Session(SmallLM(), cache=None, budget=10)
    with pytest.raises(UsageError, match=r"full after 3 units: 9 entries \+ 3 > 10") as caught:
        session.watch(film(5))
    assert "policy" in str(caught.value.hint)
    assert session.units == 3
    assert session.ask("what?", max_new_tokens=3).counts["context"] == 6 + 9


def test_a_failing_forward_leaves_no_trace() -> None:
    model = SmallLM()
    session = Session(model, budget=40, chunk=2)
    session.watch(film(4))
    before, forward = memory_of(session), model.forward

    def half(span: Any, cache: Any, **options: Any) -> Any:
        cache.update(torch.zeros(1, 2, len(span), 4), torch.zeros(1, 2, len(span), 4), 0)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    model.forward = half  # type: ignore[method-assign]
    with pytest.raises(MachineError, match="out of memory: 6 rows over 18 entries"):
        session.watch(film(2, 4))
    with pytest.raises(MachineError):
        session.ask("what?")
    model.forward = forward  # type: ignore[method-assign]
    assert_same_memory(before, memory_of(session))
    session.watch(film(2, 4))
    assert session.units == 6


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


def test_a_long_video_is_noted_when_positions_pass_what_was_trained() -> None:
    session = Session(SmallLM(context=60), budget=12, max_turn=10)
    session.watch(film(10))
    assert session.ask("what?", max_new_tokens=2).notes == ()
    session.watch(film(20, 10))
    assert "60" in session.ask("what?", max_new_tokens=2).notes[0]
