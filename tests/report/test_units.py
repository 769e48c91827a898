"""Figures as people read them, at the edges where rounding changes the unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtc_cli.report.units import clock, count, duration, length, operations, size


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00:00"), (59.999, "00:00:59"), (3723.4, "01:02:03"), (360000, "100:00:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00:00"), (0.1, "0.10 s"), (1, "00:00:01"), (61.5, "00:01:01")])
def test_length(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.00012, "0.12 ms"), (0.084, "84 ms"), (0.84, "0.84 s"), (2.9, "2.90 s"), (9.996, "10.0 s"),
        (58.1, "58.1 s"), (99.94, "99.9 s"), (99.96, "1 min 40 s"), (171.5, "2 min 52 s"), (3599, "59 min 59 s"),
        (3600, "1 h 0 min"), (7384, "2 h 3 min"),
    ],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (999_600, "1.00 MB"), (301_989_888, "302 MB"),
        (1_210_000_000, "1.21 GB"), (99_960_000, "100 MB"), (9.1e9, "9.10 GB"), (2e15, "2.00 PB"), (5e18, "5,000 PB"),
    ],
)  # fmt: skip
def test_size(amount: float, text: str) -> None:
    assert size(amount) == text


def test_operations_and_counts() -> None:
    assert operations(2.322e15) == "2.32 PFLOP"
    assert operations(8.64256e6) == "8.64 MFLOP"
    assert count(460_800) == "460,800"


@given(st.floats(1, 1e18))
def test_scaled_figures_keep_three_digits(amount: float) -> None:
    figure, unit = size(amount).replace(",", "").split(" ")
    factor = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}[unit]
    assert float(figure) * factor == pytest.approx(amount, rel=0.0051, abs=0.5)
    assert unit == "PB" or float(figure) < 1000
