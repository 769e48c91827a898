"""How many entries a session may hold, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.engine.small_lm import SmallLM
from vtc_cli.engine.budget import ROWS_MARGIN, allow, free_bytes, one_budget
from vtc_cli.engine.meter import Meter
from vtc_cli.errors import UsageError
from vtc_cli.methods.options import Bytes

INFO = replace(SmallLM(context=1000).info, kv_bytes_per_token=100)


@pytest.mark.parametrize(
    ("free", "device", "units", "entries", "reason"),
    [
        (80_000, "cpu", None, 200 - 60, "25% of 0.0 GB free on cpu"),
        (80_000, "cuda:0", None, 400 - 60, "50% of 0.0 GB free on cuda:0"),
        (10**9, "cpu", None, 1000 - 60, "the model's context of 1,000"),
        (10**9, "cpu", 5, 5 * (10 + ROWS_MARGIN), "the whole video fits"),
        (10**9, "cpu", 500, 1000 - 60, "the model's context of 1,000"),
    ],
)
def test_the_default_is_what_fits(free: int, device: str, units: int | None, entries: int, reason: str) -> None:
    allowance = allow(replace(INFO, device=device), prefix=20, turn=40, unit=10, units=units, free={device: free})
    assert (allowance.entries, allowance.bytes, allowance.reason) == (entries, entries * 100, reason)


@pytest.mark.parametrize(
    ("free", "entries", "reason"),
    [
        ({"cuda:0": 80_000, "cuda:1": 90_000}, 533 - 60, "50% of 0.0 GB free on cuda:0"),  # three layers in four
        ({"cuda:0": 80_000, "cuda:1": 10_000}, 200 - 60, "50% of 0.0 GB free on cuda:1"),
    ],
)
def test_the_device_that_is_full_first_decides(free: dict[str, int], entries: int, reason: str) -> None:
    info = replace(INFO, device="cuda:0", kv_devices=("cuda:0", "cuda:0", "cuda:0", "cuda:1"))
    allowance = allow(info, prefix=20, turn=40, unit=10, free=free)
    assert (allowance.entries, allowance.reason) == (entries, reason)


def test_what_was_asked_for_is_taken_as_it_is() -> None:
    assert allow(INFO, prefix=20, turn=40, unit=10, asked=77, free={"cpu": 0}).entries == 77
    assert allow(INFO, prefix=20, turn=40, unit=10, asked=Bytes(7_799), free={"cpu": 0}).entries == 77


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"asked": 9}, "budget of 9 entries is smaller than one unit of 10 entries"),
        ({"asked": Bytes(950)}, "9 entries of 100 bytes each is smaller than one unit of 10"),
        ({"free": {"cpu": 4_000}}, "budget of 0 entries (25% of 0.0 GB free on cpu)"),
        ({"free": {"cpu": 10**9}, "turn": 975}, "context of 1,000"),
    ],
)
def test_too_little_for_one_unit_is_refused_with_the_arithmetic(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        allow(INFO, **({"prefix": 20, "turn": 40, "unit": 10} | options))
    assert words in caught.value.message
    assert ("--max-new-tokens" if "context" in words else "--budget") in str(caught.value.hint)


@pytest.mark.parametrize("asked", [10**30, Bytes(2**70)])
def test_a_budget_beyond_any_machine_is_refused_before_it_overflows(asked: int) -> None:
    with pytest.raises(UsageError, match="beyond any machine"):
        allow(INFO, prefix=20, turn=40, unit=10, asked=asked)


def test_one_budget() -> None:
    assert one_budget(None, 0) is None
    assert one_budget(5, 0) == one_budget(None, 5) == one_budget(5, 5) == 5
    assert isinstance(one_budget(None, Bytes(5)), Bytes)
    for session, policy in ((5, 6), (5, Bytes(5))):
        with pytest.raises(UsageError, match="two cache budgets"):
            one_budget(session, policy)


def test_free_memory_of_this_machine_is_measured() -> None:
    assert free_bytes("cpu") > 10**6


def test_nested_stages_count_for_themselves_only(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("vtc_cli.engine.meter.time.perf_counter", lambda: now[0])
    meter = Meter()

    def later(seconds: float) -> None:
        now[0] += seconds

    with meter.time("vision"):
        later(1)
        with meter.time("preprocess"):
            later(2)
            with meter.time("method"):
                later(4)
            later(8)
        later(16)
    later(32)
    assert {stage: value for stage, value in meter.seconds.items() if value} == {
        "vision": 17, "preprocess": 10, "method": 4,
    }  # fmt: skip

    def slow() -> Any:
        for item in (1, 2):
            later(3)
            yield item
        later(5)

    for _ in meter.waited(slow()):
        later(100)
    assert meter.seconds["decode"] == 11


def test_a_stage_that_fails_is_closed() -> None:
    meter = Meter()
    with pytest.raises(RuntimeError), meter.time("vision"):
        raise RuntimeError
    with meter.time("prefill"):
        pass
    assert meter.seconds["prefill"] > 0


def test_sums_of_forwards() -> None:
    meter = Meter()
    meter.forward("prefill", 3, 10, logits=1)
    meter.forward("prefill", 2, 13, times=2, logits=1)
    assert meter.sums["prefill"] == {
        "forwards": 3, "rows": 7, "cached": 30 + 52, "triangle": 6 + 6, "square": 9 + 8, "logits": 3,
        "spared_rows": 0, "spared_cached": 0, "spared_triangle": 0, "spared_square": 0,
    }  # fmt: skip
    meter.forward("question", 4, 10, layers=[(4, 10), (4, 8), (1, 20)])
    assert meter.sums["question"] == {
        "forwards": 1, "rows": 4, "cached": 40, "triangle": 10, "square": 16, "logits": 0,
        "spared_rows": 3, "spared_cached": 3 * 40 - 40 - 32 - 20, "spared_triangle": 10 - 1, "spared_square": 16 - 1,
    }  # fmt: skip
    meter.peak("kv_bytes", 5)
    meter.peak("kv_bytes", 3)
    assert meter.peaks == {"kv_bytes": 5}
