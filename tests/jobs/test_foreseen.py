"""What a plan foresees is what a session then does: forwards, entries, evictions."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.small_lm import SmallLM, film
from tests.support.checkpoints import random_pixels, random_qwen3_vl
from vtc_cli import CachePolicy, Frame, LayerPolicy, Session, Unit, VideoLM, load_model
from vtc_cli.jobs.foreseen import Foreseen, Rows, foresee
from vtc_cli.methods import choose
from vtc_cli.models.contract import Cursor
from vtc_cli.report.flops import Forwards

QUESTION = "what?"


@pytest.mark.parametrize(
    "spec", ["window", "recent:units=3", "recent:units=1", "snapkv:window=2", "keydiff:target=0.5"]
)
@settings(deadline=None, max_examples=15)
@given(st.integers(1, 20), st.integers(8, 60), st.integers(1, 4))
def test_the_session_does_what_was_foreseen(spec: str, units: int, budget: int, chunk: int) -> None:
    policy: Any = choose(spec).method
    assert isinstance(policy, CachePolicy)
    model = SmallLM(grid=(2, 3), tag=2, library=True)
    session = Session(model, cache=spec, budget=budget, chunk=chunk, question=QUESTION)
    session.watch(film(units))
    prefix = session.context - session.entries
    seen = foresee(Rows.of([2] * units, 6, [6, 6]), prefix, budget, policy, chunk, len(QUESTION))
    check(seen, session, policy)


def check(seen: Foreseen, session: Session, policy: CachePolicy) -> None:
    counts, done = session.meter.counts, session.meter.sums["prefill"]
    names = [item.name for item in fields(Forwards) if item.name != "logits"]
    assert {name: getattr(seen.work, name) for name in names} == {name: done[name] for name in names}
    assert max(seen.held) == session.entries
    assert max(seen.most) == session.meter.peaks["kv_budgeted_entries"]
    assert (seen.evicted, seen.compactions) == (session.evicted, counts["compactions"])


@pytest.mark.parametrize("cache", ["window:target=0.5", "recent:units=3", "snapkv:window=2"])
@pytest.mark.parametrize("retain", [1 / 3, 1.0])
def test_layers_that_differ_are_foreseen_one_by_one(tmp_path: Path, cache: str, retain: float) -> None:
    model = load_model(str(random_qwen3_vl(tmp_path / "model", layers=4)), device="cpu", dtype="float32")
    frames = [Frame(float(at), picture) for at, picture in enumerate(random_pixels(30, 48, 64))]
    policy: Any = choose(cache).method
    layers = choose(f"fastv:retain={retain}").method
    assert isinstance(layers, LayerPolicy)
    for chunk in (1, 4):
        session = Session(model, cache=cache, layers=layers, budget=90, chunk=chunk, pixels=48 * 64, question=QUESTION)
        session.watch(frames)
        slab = session._context.slab
        around = [len(model.place(Cursor(), _unit(model, index))) - 1 for index in range(15)]
        rows = Rows.of(around, 12, layers.entries(12, 4))
        question = len(model.question(Cursor(), QUESTION))
        seen = foresee(rows, slab.pinned, 90, policy, chunk, question)
        check(seen, session, policy)
        held = [held for held, (_, count) in zip(seen.held, rows.layers, strict=True) for _ in range(count)]
        assert held == [length - slab.pinned for length in slab.lengths]
        assert len(rows.layers) == (2 if retain < 1 else 1)
        assert seen.entries(0) >= sum(slab.lengths)


def _unit(model: VideoLM, index: int) -> Unit:
    return Unit(index, (2.0 * index, 2.0 * index + 1), torch.zeros(1, model.info.decoder.hidden), (1, 1))
