"""Every pruner with every cache policy on a real model class: the core's promises hold at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.registered import listings, of_stage
from tests.conformance.witness import Witness
from tests.support.checkpoints import random_pixels, random_qwen3_vl
from vtc_cli import CachePolicy, Frame, Session, TokenPruner, VideoLM, load_model
from vtc_cli.methods import choose
from vtc_cli.methods.registry import STAGES

QUESTION = "What colour is the circle?"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    folder: Path = random_qwen3_vl(tmp_path_factory.mktemp("checkpoint"), vision_depth=6, vision_hidden=16)
    return load_model(str(folder), device="cpu", dtype="float32")


@pytest.mark.parametrize("cache", of_stage(CachePolicy))
@pytest.mark.parametrize("pruner", [pytest.param(lambda: None, id="none"), *of_stage(TokenPruner)])
def test_pruner_and_cache_compose(model: VideoLM, pruner: Any, cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = random_pixels(21, 64, 96, seed=4)
    frames = [Frame(float(number), picture) for number, picture in enumerate(pictures)]
    budget = 120
    witness = Witness(model, budget, monkeypatch)
    session = Session(model, pruner=pruner(), cache=cache(), budget=budget, pixels=64 * 96, question=QUESTION, chunk=3)
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
    assert first.counts["context"] <= answers[0].counts["context"] + budget
    assert session.meter.peaks["kv_budgeted_bytes"] <= budget * model.info.kv_bytes_per_token
    assert session.units == 10
    assert sorted(set(witness.placed)) == list(range(11)), "ten units, and the one cut short shown to each question"
    assert 0 < session.meter.counts["visual_kept"] <= session.meter.counts["visual_in"] == 240
    assert session.entries + session.evicted == session.meter.counts["rows"] == witness.rows
    assert answers[0].evidence is not None


def test_every_pair_is_run() -> None:
    """All registered pruners and caches: one that cannot be made without options would be missed above."""
    found = {stage: [listing.name for listing in listings() if listing.load().stage == stage] for stage in STAGES}
    assert sorted(found["pruner"]) == sorted(parameter.id for parameter in of_stage(TokenPruner))
    assert sorted(found["cache"]) == sorted(parameter.id for parameter in of_stage(CachePolicy))
    assert {"evs", "dycoke", "divprune", "cdpruner", "visionzip", "uniform", "random"} <= set(found["pruner"])
    assert {"window", "uniform-cache", "recent", "keydiff", "snapkv"} <= set(found["cache"])
    for stage in ("pruner", "cache"):
        for name in found[stage]:
            choose(name)  # its defaults make an instance
