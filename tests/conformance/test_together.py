"""Every pruner with every cache policy on a real model class: it runs, stays in its budget, answers the same twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.registered import of_stage
from tests.support.checkpoints import random_pixels, random_qwen3_vl
from vtc_cli import CachePolicy, Frame, Session, TokenPruner, VideoLM, load_model

QUESTION = "What colour is the circle?"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    # Deep enough for methods that name a vision layer by its usual number.
    folder: Path = random_qwen3_vl(tmp_path_factory.mktemp("checkpoint"), vision_depth=27, vision_hidden=16)
    return load_model(str(folder), device="cpu", dtype="float32")


@pytest.mark.parametrize("cache", of_stage(CachePolicy))
@pytest.mark.parametrize("pruner", [pytest.param(lambda: None, id="none"), *of_stage(TokenPruner)])
def test_pruner_and_cache_compose(model: VideoLM, pruner: Any, cache: Any) -> None:
    pictures = random_pixels(21, 64, 96, seed=4)
    frames = [Frame(float(number), picture) for number, picture in enumerate(pictures)]
    budget = 120
    session = Session(model, pruner=pruner(), cache=cache(), budget=budget, pixels=64 * 96, question=QUESTION, chunk=3)
    session.watch(frames[:9])
    first = session.ask(QUESTION, max_new_tokens=4)
    session.watch(frames[9:])
    answers = [session.ask(QUESTION, max_new_tokens=4) for _ in range(2)]
    assert answers[0].ids == answers[1].ids
    assert first.counts["context"] <= answers[0].counts["context"] + budget
    assert session.meter.peaks["kv_budgeted_bytes"] <= budget * model.info.kv_bytes_per_token
    assert session.units == 10
    assert 0 < session.meter.counts["visual_kept"] <= session.meter.counts["visual_in"] == 240
    assert session.entries + session.evicted == session.meter.counts["rows"]
    assert answers[0].evidence is not None
