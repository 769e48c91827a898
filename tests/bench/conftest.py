"""A comparison that takes a second: a random checkpoint, short films, few questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import command, place, process, vtc  # noqa: F401 (fixtures)
from tests.support.checkpoints import random_qwen3_vl
from vtc_cli.bench.rows import rows_of
from vtc_cli.bench.runner import Bench, Plan
from vtc_cli.bench.suites.tiny import TinySuite, Wanted
from vtc_cli.jobs.settings import Settings


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    return random_qwen3_vl(tmp_path_factory.mktemp("bench") / "random")


@pytest.fixture
def plan(checkpoint):
    def make(*specs: str, limit: int = 2, budgets: str | None = None, blind: bool = False, **wanted) -> Plan:
        wanted = {"skills": ("colour", "exists"), "length": 6.0, **wanted}
        shared = Settings(model=str(checkpoint), device="cpu", dtype="float32", max_new_tokens=3, pixels=32 * 32)
        return Plan(TinySuite(Wanted(**wanted)), rows_of(specs, budgets, blind), shared, limit)

    return make


@pytest.fixture
def run(plan):
    def make(*specs: str, **options) -> tuple[Bench, list]:
        bench = Bench(plan(*specs, **options))
        return bench, list(bench.run())

    return make
