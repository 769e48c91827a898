"""What a session promises with a layer policy: no trace of questions or failures, budgets, checks, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.engine.comparing import assert_same_memory, said
from tests.engine.small_lm import SmallLM
from tests.engine.test_layering import CELL, COLUMNS, DEPTH, PIXELS, QUESTION, ROWS, Depths, EveryOther, Nothing
from tests.models.reference import frames_of
from tests.support.checkpoints import random_pixels, random_qwen3_vl
from vtc_cli import LayerPolicy, LayerRows, ModelInfo, Route, Session, UsageError, VideoLM, VtcError, load_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    folder = random_qwen3_vl(tmp_path_factory.mktemp("checkpoint") / "deep", layers=DEPTH)
    return load_model(str(folder), device="cpu", dtype="float32")


@dataclass
class Remembering(EveryOther):
    """Counts the forwards it has seen, and changes the text of a question by what it remembers."""

    seen: list[str] = field(default_factory=list, init=False)

    def reset(self) -> None:
        self.seen = []

    def enter(self, rows: LayerRows) -> Route:
        self.seen.append(rows.kind)
        hidden = rows.hidden + (0.01 * len(self.seen) if rows.kind == "question" else 0.0)
        stay = super().enter(rows).stay
        assert stay is not None
        return Route(stay=stay, hidden=hidden[stay])

    def snapshot(self) -> object:
        return len(self.seen)

    def restore(self, mark: object) -> None:
        assert isinstance(mark, int)
        del self.seen[mark:]


def test_asking_leaves_no_trace_in_layers_or_in_the_policy(model: VideoLM) -> None:
    policy = Remembering()
    session = Session(model, layers=policy, cache="window", budget=90, chunk=2, pixels=PIXELS)
    session.watch(frames_of(random_pixels(15, ROWS * CELL, COLUMNS * CELL, seed=5)))
    slab = session._context.slab
    before = [block.keys[:, :, : block.held].clone() for block in slab.blocks]
    mark, remembered = slab.snapshot(), [*policy.seen]
    assert len(set(slab.lengths)) > 1
    answers = [session.ask(QUESTION, max_new_tokens=5) for _ in range(2)]
    assert said(answers[0]) == said(answers[1])
    assert slab.snapshot() == mark
    assert policy.seen == remembered
    assert set(remembered) == {"prefill"}
    for block, keys in zip(slab.blocks, before, strict=True):
        assert torch.equal(block.keys[:, :, : block.held], keys)


def test_a_forward_that_fails_leaves_every_layer_as_it_was(model: VideoLM) -> None:
    @dataclass
    class Failing(Remembering):
        fail: bool = False

        def acts_at(self, layers: int) -> list[int]:
            return [self.layer, layers - 1]

        def enter(self, rows: LayerRows) -> Route:
            if self.fail and rows.layer == DEPTH - 1:
                raise ValueError("no")
            return super().enter(rows)

    policy = Failing()
    session = Session(model, layers=policy, cache="window", budget=400, pixels=PIXELS)
    frames = frames_of(random_pixels(12, ROWS * CELL, COLUMNS * CELL, seed=5))
    session.watch(frames[:8])
    mark, remembered = session._context.slab.snapshot(), [*policy.seen]
    policy.fail = True
    with pytest.raises(VtcError, match="Failing at layer 4: no: this is a bug in the method"):
        session.watch(frames[8:])
    assert session._context.slab.snapshot() == mark
    assert policy.seen == remembered
    policy.fail = False
    assert session.ask(QUESTION, max_new_tokens=2).ids


@pytest.mark.parametrize("policy", ["leave", "pass by", "first layer"])
@pytest.mark.parametrize("cache", ["window:target=1/2", "uniform-cache"])
def test_every_layer_keeps_to_the_budget_and_chunks_change_nothing(model: VideoLM, cache: str, policy: str) -> None:
    make = {"leave": EveryOther, "pass by": Depths, "first layer": lambda: EveryOther(0)}[policy]
    frames, budget = frames_of(random_pixels(41, ROWS * CELL, COLUMNS * CELL, seed=3)), 90
    sessions = [
        Session(model, cache=cache, layers=make(), budget=budget, chunk=chunk, pixels=PIXELS) for chunk in (1, 3, 8)
    ]
    for session in sessions:
        for start in range(0, 41, 13):
            session.watch(frames[start : start + 13])
            slab = session._context.slab
            assert max(length - slab.pinned for length in slab.lengths) == session.entries <= budget
        whole = session.meter.counts["rows"]
        dropped = session._context._dropped
        left = [whole - (length - slab.pinned) - gone for length, gone in zip(slab.lengths, dropped, strict=True)]
        assert min(left) >= 0
        through = session.meter.routed["prefill"].rows
        assert left == [whole + slab.pinned - rows for rows in through]
        assert max(left) > 0
        assert session.evicted == max(dropped) > 0
        bytes_each = model.info.kv_bytes_per_token // DEPTH
        assert session.kv_bytes == sum(slab.lengths) * bytes_each
        assert session.meter.peaks["kv_budgeted_bytes"] <= budget * model.info.kv_bytes_per_token
    for other in sessions[1:]:
        assert other._context.slab.lengths == sessions[0]._context.slab.lengths
        assert other._context._dropped == sessions[0]._context._dropped
        assert_same_memory(uneven_memory(sessions[0]), uneven_memory(other))


def uneven_memory(session: Session) -> tuple[Any, ...]:
    slab = session._context.slab
    blocks = [(b.keys[:, :, : b.held].clone(), b.values[:, :, : b.held].clone()) for b in slab.blocks]
    labels = [(b.unit[:, : b.held].clone(), b.patch[:, : b.held].clone()) for b in slab.blocks]
    return blocks, labels, (slab.lengths, slab.pinned, session._context.cursor, session.units)


def test_labels_say_which_rows_each_layer_holds(model: VideoLM) -> None:
    session = Session(model, layers=EveryOther(3), budget=400, pixels=PIXELS)
    session.watch(frames_of(random_pixels(8, ROWS * CELL, COLUMNS * CELL)))
    for layer in range(DEPTH):
        patch = session._context.slab.view(layer).patch[0]
        expected = range(0, 12, 2) if layer >= 3 else range(12)
        assert patch[patch >= 0].tolist() == [*expected] * 4
    assert session.ask(QUESTION, max_new_tokens=3).evidence is not None


@pytest.mark.parametrize(
    ("route", "problem"),
    [
        (lambda rows: Route(stay=(rows.patch >= 0).nonzero()[:, 0]), "text rows must stay"),
        (lambda rows: Route(through=(rows.patch >= 0).nonzero()[:, 0]), "text rows must stay"),
        (lambda rows: Route(stay=torch.arange(len(rows.patch)).flip(0)), "not ascending"),
        (lambda rows: Route(stay=torch.arange(len(rows.patch) + 1)), "below"),
        (lambda rows: Route(stay=rows.patch < 0), "not int64"),
        (lambda rows: Route(hidden=rows.hidden[1:]), "gives states of"),
        (lambda rows: Route(hidden=rows.hidden * float("nan")), "not numbers"),
        (lambda rows: Route(gate=torch.ones(2)), "gives a gate of"),
    ],
)
def test_a_route_that_breaks_the_contract_is_refused(model: VideoLM, route: Any, problem: str) -> None:
    @dataclass
    class Breaking(LayerPolicy):
        def enter(self, rows: LayerRows) -> Route:
            return route(rows) if (rows.patch >= 0).any() else Route()

    session = Session(model, layers=Breaking(), pixels=PIXELS)
    with pytest.raises(VtcError, match=f"Breaking at layer 0 .*{problem}.*bug in the method"):
        session.watch(frames_of(random_pixels(4, ROWS * CELL, COLUMNS * CELL)))


def test_hooks_of_a_policy_last_as_long_as_its_layer(model: Any) -> None:
    """The way of a policy that makes a layer itself cheaper for some rows."""

    @dataclass
    class Halving(LayerPolicy):
        def acts_at(self, layers: int) -> list[int]:
            return [1]

        def enter(self, rows: LayerRows) -> Route:
            return Route(flops=-7)

        @contextmanager
        def around(self, rows: LayerRows) -> Iterator[None]:
            visual = rows.patch >= 0

            def halve(_: Any, args: Any, output: Tensor) -> Tensor:
                return torch.where(visual[None, :, None], output / 2, output)

            handle = rows.block.mlp.register_forward_hook(halve)  # type: ignore[union-attr]
            try:
                yield
            finally:
                handle.remove()

    plain, halved = Session(model, pixels=PIXELS), Session(model, layers=Halving(), pixels=PIXELS)
    for session in (plain, halved):
        session.watch(frames_of(random_pixels(4, ROWS * CELL, COLUMNS * CELL)))
    mine, theirs = halved._context.slab.blocks, plain._context.slab.blocks
    assert torch.equal(mine[1].keys[:, :, : mine[1].held], theirs[1].keys[:, :, : theirs[1].held])
    assert not torch.equal(mine[2].keys[:, :, : mine[2].held], theirs[2].keys[:, :, : theirs[2].held])
    assert not any(block.mlp._forward_hooks for block in model.model.model.language_model.layers)
    assert halved.meter.routed["prefill"].flops == -7 * 3  # the prefix, and two units


def test_policies_that_cannot_run_are_refused_before_anything(model: VideoLM) -> None:
    @dataclass
    class TooDeep(Nothing):
        def acts_at(self, layers: int) -> list[int]:
            return [layers]

    @dataclass
    class Unfit(Nothing):
        def needs_on(self, model: ModelInfo) -> frozenset[str]:
            raise ValueError("it has no experts")

    @dataclass
    class Needy(Nothing):
        def needs_on(self, model: ModelInfo) -> frozenset[str]:
            return frozenset({"query"})

    for policy, problem in ((TooDeep(), "acts at layer 5"), (Unfit(), "no experts"), (Needy(), "needs `query`")):
        with pytest.raises(UsageError, match=problem):
            Session(model, layers=policy)
    with pytest.raises(UsageError, match="family does not run layer policies"):
        Session(SmallLM(), layers=Nothing())
    with pytest.raises(UsageError, match="fills the stage `cache`"):
        Session(model, layers="window")
