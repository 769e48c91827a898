"""A session watching: the same memory however frames arrive, and nothing left behind by a failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.engine.comparing import assert_same_memory, memory_of, said
from tests.engine.small_lm import SmallLM, film
from vtc_cli import CachePolicy, LayerView, MachineError, Session


@dataclass
class PerHead(CachePolicy):
    """Keeps another random set in every layer and head, the newest entries last."""

    def select(self, view: LayerView, keep: int) -> Tensor:
        heads, count = view.unit.shape
        generator = torch.Generator().manual_seed(count + 17 * view.layer)
        return torch.stack([torch.randperm(count, generator=generator)[:keep].sort().values for _ in range(heads)])


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


def test_a_long_video_is_noted_when_positions_pass_what_was_trained() -> None:
    session = Session(SmallLM(context=60), budget=12, max_turn=10)
    session.watch(film(10))
    assert session.ask("what?", max_new_tokens=2).notes == ()
    session.watch(film(20, 10))
    assert "60" in session.ask("what?", max_new_tokens=2).notes[0]
