"""What a plan foresees is what a session then does: forwards, entries, evictions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.small_lm import SmallLM, film
from vtc_cli import CachePolicy, Session
from vtc_cli.jobs.foreseen import foresee
from vtc_cli.methods import choose

ROWS, QUESTION = 2 + 6, "what?"


@pytest.mark.parametrize("spec", ["window", "recent:units=3", "recent:units=1", "snapkv:window=2", "keydiff:target=0.5"])
@settings(deadline=None, max_examples=15)
@given(st.integers(1, 20), st.integers(8, 60), st.integers(1, 4))
def test_the_session_does_what_was_foreseen(spec: str, units: int, budget: int, chunk: int) -> None:
    policy: Any = choose(spec).method
    assert isinstance(policy, CachePolicy)
    model = SmallLM(grid=(2, 3), tag=2, library=True)
    session = Session(model, cache=spec, budget=budget, chunk=chunk, question=QUESTION)
    session.watch(film(units))
    prefix = session.context - session.entries
    work, held, most, evicted, compactions = foresee([ROWS] * units, prefix, budget, policy, chunk, len(QUESTION))
    done = session.meter.sums["prefill"]
    assert (work.rows, work.cached, work.triangle) == (done["rows"], done["cached"], done["triangle"])
    assert held == session.entries
    assert most == session.meter.peaks["kv_budgeted_entries"]
    assert (evicted, compactions) == (session.evicted, session.meter.counts["compactions"])
