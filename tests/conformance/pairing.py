"""One session with a pruner and a cache policy on a model, watched by a witness from the first row to the last."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.witness import Witness
from tests.support.checkpoints import random_pixels
from vtc_cli import Frame, Session, VideoLM

QUESTION = "What colour is the circle?"
BUDGET = 120


def check_pair(model: VideoLM, pruner: Any, cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core's promises hold at every step of watching, asking, watching on and asking twice.

    pruner, cache: make a method each, or None. model: takes two frames a unit and 16 pixels a token.
    """
    pictures = random_pixels(21, 64, 96, seed=4)
    frames = [Frame(float(number), picture) for number, picture in enumerate(pictures)]
    witness = Witness(model, BUDGET, monkeypatch)
    session = Session(model, pruner=pruner(), cache=cache(), budget=BUDGET, pixels=64 * 96, question=QUESTION, chunk=3)
    session.watch(frames[:9])
    slab = session._context.slab
    witness.check(slab)
    first = session.ask(QUESTION, max_new_tokens=4)
    session.watch(frames[9:])
    witness.check(slab)
    mark = slab.snapshot()
    answers = [session.ask(QUESTION, max_new_tokens=4) for _ in range(2)]
    assert slab.snapshot() == mark
    witness.check(slab)
    assert answers[0].ids == answers[1].ids
    assert first.counts["context"] <= answers[0].counts["context"] + BUDGET
    assert session.meter.peaks["kv_budgeted_bytes"] <= BUDGET * model.info.kv_bytes_per_token
    assert session.units == 10
    assert sorted(set(witness.placed)) == list(range(11)), "ten units, and the one cut short shown to each question"
    assert 0 < session.meter.counts["visual_kept"] <= session.meter.counts["visual_in"] == 240
    assert session.entries + session.evicted == session.meter.counts["rows"] == witness.rows
    assert answers[0].evidence is not None
