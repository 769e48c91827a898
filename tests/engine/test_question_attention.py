"""What a cache policy is told about a known question, against attention written out; and that it leaves no trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from tests.engine.decoders import KV_HEADS, LAYERS, MAKERS, make, rows, run
from tests.engine.small_lm import SmallLM, film
from tests.engine.test_evidence import PER_UNIT, PREFIX, QUESTION, UNITS, watched, weights_of
from vtc_cli import CachePolicy, LayerView, ModelInfo, Session
from vtc_cli.engine.evidence import observing
from vtc_cli.engine.question_attention import _Weights
from vtc_cli.errors import UsageError


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("keep", [None, 9])
@pytest.mark.parametrize("asking", [1, 3, QUESTION, 50])
@pytest.mark.parametrize("family", MAKERS)
def test_weights_equal_the_eager_weights(family: str, asking: int, keep: int | None, attention: str) -> None:
    """Mean over the last `asking` rows (all there are, at most) and over the query heads of each key head."""
    model, start = make(family, attention), PREFIX + UNITS * PER_UNIT
    slab = watched(model, keep)
    mark = slab.snapshot()
    seen = _Weights(slab, asking)
    with observing(seen.observe, attention):
        run(model, rows(QUESTION, 3), start, slab)
    slab.rollback(mark)
    model.set_attn_implementation("eager")
    with weights_of(model) as layers:
        run(model, rows(QUESTION, 3), start, slab)
    assert len(seen.weights()) == LAYERS
    for paid, weights in zip(seen.weights(), layers, strict=True):
        grouped = weights[:, -asking:].unflatten(0, (KV_HEADS, -1)).mean((1, 2))
        torch.testing.assert_close(paid, grouped[:, PREFIX : mark.held], atol=1e-6, rtol=0)
        assert paid.shape == (KV_HEADS, keep or UNITS * PER_UNIT)


def test_a_layer_that_was_missed_is_an_error() -> None:
    slab = watched(make("qwen3-vl"), None)
    with pytest.raises(UsageError, match="the attention of decoder layer 0 cannot be read"):
        _Weights(slab, 4).weights()


@dataclass
class Looker(CachePolicy):
    """Keeps the newest entries, and what it was told."""

    needs: ClassVar[frozenset[str]] = frozenset({"question:4"})
    instead: ClassVar[str | None] = "window"
    need: str = "question:4"
    told: list[tuple[int, Tensor]] = field(default_factory=list)

    def needs_on(self, model: ModelInfo) -> frozenset[str]:
        return frozenset({self.need})

    def select(self, view: LayerView, keep: int) -> Tensor:
        assert view.attention is not None
        assert view.attention.shape == view.unit.shape
        self.told.append((view.layer, view.attention.clone()))
        heads, count = view.unit.shape
        return torch.arange(count - keep, count).expand(heads, keep)


def looking(**options: object) -> tuple[Session, Looker]:
    policy = Looker()
    model = SmallLM(grid=(2, 2), library=True)
    given = {"question": "who?", "budget": 20, **options}
    return Session(model, cache=policy, **given), policy  # type: ignore[arg-type]


def test_every_layer_is_told_at_each_compaction() -> None:
    session, policy = looking()
    session.watch(film(20))
    assert session.meter.counts["compactions"] > 2
    assert [layer for layer, _ in policy.told] == [0, 1] * session.meter.counts["compactions"]
    for _, attention in policy.told:
        assert attention.dtype == torch.float32
        assert bool((attention >= 0).all())
        assert bool((attention.sum(-1) <= 1 + 1e-6).all())


def test_looking_ahead_leaves_no_trace() -> None:
    """The same policy by another name, without looking, answers the same; only the forwards are counted."""
    session, _ = looking()
    plain = Session(SmallLM(grid=(2, 2), library=True), cache="window", budget=20)
    for each in (session, plain):
        each.watch(film(20))
    assert session.ask("who?", max_new_tokens=8).ids == plain.ask("who?", max_new_tokens=8).ids
    assert torch.equal(session._context.slab.view(1).keys, plain._context.slab.view(1).keys)
    looks = session.meter.sums["prefill"]["forwards"] - plain.meter.sums["prefill"]["forwards"]
    assert looks == session.meter.counts["compactions"]


def test_how_frames_are_dealt_does_not_matter() -> None:
    told = []
    for chunk, deal in ((1, 1), (3, 20), (4, 5)):
        session, policy = looking(chunk=chunk)
        for start in range(0, 20, deal):
            session.watch(film(deal, start))
        told.append([attention for _, attention in policy.told])
    for other in told[1:]:
        for one, two in zip(told[0], other, strict=True):
            torch.testing.assert_close(one, two)


def test_another_question_looks_elsewhere() -> None:
    told = []
    for question in ("who?", "where did it go?"):
        session, policy = looking(question=question)
        session.watch(film(6))
        told.append(policy.told[0][1])
    assert not torch.allclose(*told)


def test_refusals_come_before_anything_is_watched() -> None:
    with pytest.raises(UsageError, match="Looker chooses tokens by the question") as refused:
        looking(question=None)
    assert "`window`" in (refused.value.hint or "")
    with pytest.raises(UsageError, match=r"takes 40 entries, and 30 are reserved for a turn"):
        looking(question="x" * 40, max_turn=30)
    for need in ("question:", "question:0", "question:few"):
        with pytest.raises(UsageError, match="names no number of rows"):
            Session(SmallLM(), cache=Looker(need=need), question="who?")


def test_a_model_whose_attention_cannot_be_read_says_so() -> None:
    session = Session(SmallLM(grid=(2, 2)), cache=Looker(), budget=20, question="who?")
    with pytest.raises(UsageError, match="cannot be read with this model") as refused:
        session.watch(film(20))
    assert "keydiff" in (refused.value.hint or "")
    assert session.ask("who?", max_new_tokens=2).ids, "what was watched before is still there"
