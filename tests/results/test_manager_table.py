"""What is said of a trained manager."""

from __future__ import annotations

import pytest

from benchmarks.manager import paired, rise
from benchmarks.manager_table import markdown


def test_differences_are_paired_and_films_are_drawn() -> None:
    found = paired([[1.0, 2.0], [3.0]], [[0.5, 1.5], [2.0]])
    assert found["difference"] == pytest.approx(2 / 3)
    assert (found["low"], found["high"]) == pytest.approx((0.5, 1.0))
    assert paired([[1.0]], [[0.0]])["low"] == float("-inf")  # of one film nothing is known


def test_a_rise_is_over_the_states_of_films_kept_apart() -> None:
    states = [("a", 0.5, 0.6), ("b", 0.5, 0.8), ("a", 0.4, 0.5)]
    found = rise({"apart": [dict(zip(("film", "before", "after"), state, strict=True)) for state in states]})
    assert found["difference"] == pytest.approx(0.5 / 3)
    assert (found["low"], found["high"]) == pytest.approx((0.1, 0.3))


def test_the_tables_of_the_page() -> None:
    apart = {"states": 9, "before": 0.6, "after": 0.65, "rules": 0.62, "best": 0.7, "blind": 0.61}
    gain = {"difference": 0.05, "low": -0.01, "high": 0.1}
    row = {"tokens_per_minute": 200.4, "nats": -0.3, "right": 8, "questions": 10}
    found = {
        "training": {"trained": {"kept_apart": apart, "rise": gain}, "control": {"kept_apart": apart, "rise": gain}},
        "comparison": {"rows": {"trained": row, "rules": row}, "against": {"rules": gain}},
        "machine": {"processor": "a processor"},
        "date": "2026-01-01",
        "command": "x",
    }
    text = markdown(found)
    assert (
        "| with rewards dealt at random | 0.600 | 0.650 | 0.620 | 0.610 | 0.700 | +0.050 (−0.010 to +0.100) | 9 |"
        in text
    )
    assert "| trained | 200 | −0.300 | 8 of 10 |  |" in text
    assert "| rules | 200 | −0.300 | 8 of 10 | +0.050 (−0.010 to +0.100) |" in text
