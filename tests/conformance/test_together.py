"""Every pruner with every cache policy on a real model class: the core's promises hold at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.pairing import check_pair
from tests.conformance.registered import listings, of_stage
from tests.support.checkpoints import random_qwen3_vl
from vtc_cli import CachePolicy, TokenPruner, VideoLM, load_model
from vtc_cli.methods import choose
from vtc_cli.methods.registry import STAGES


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    folder: Path = random_qwen3_vl(tmp_path_factory.mktemp("checkpoint"), vision_depth=6, vision_hidden=16)
    return load_model(str(folder), device="cpu", dtype="float32")


@pytest.mark.parametrize("cache", of_stage(CachePolicy))
@pytest.mark.parametrize("pruner", [pytest.param(lambda: None, id="none"), *of_stage(TokenPruner)])
def test_pruner_and_cache_compose(model: VideoLM, pruner: Any, cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    check_pair(model, pruner, cache, monkeypatch)


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
