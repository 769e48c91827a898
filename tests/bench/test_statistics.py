"""Intervals against figures worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtc_cli.bench.statistics import best_number, mcnemar, paired_interval, wilson


def test_wilson_by_hand():
    # p = 0.5, n = 4, z^2 = 3.8415: (0.5 + 3.8415/8) / 1.96036 -+ 1.95996 sqrt(0.0625 + 3.8415/64) / 1.96036
    low, high = wilson(2, 4)
    assert low == pytest.approx(0.150036, abs=1e-5)
    assert high == pytest.approx(0.849964, abs=1e-5)
    # p = 1: the upper end is 1, the lower n / (n + z^2)
    assert wilson(10, 10) == (pytest.approx(10 / 13.841459, abs=1e-6), 1.0)
    assert wilson(0, 10) == (0.0, pytest.approx(3.841459 / 13.841459, abs=1e-6))


@given(st.integers(1, 3000), st.data())
def test_wilson_holds_the_share_and_mirrors(n, data):
    right = data.draw(st.integers(0, n))
    low, high = wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1
    assert wilson(n - right, n) == (pytest.approx(1 - high), pytest.approx(1 - low))


@pytest.mark.parametrize(("right", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_what_is_no_share(right, n):
    with pytest.raises(ValueError, match="no share"):
        wilson(right, n)


def test_mcnemar_by_hand():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(1, 3) == pytest.approx(2 * (1 + 4) / 16)
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(2, 7) == mcnemar(7, 2)


def test_the_bootstrap_draws_films_not_questions():
    # Two films, one of which loses all its 10 questions: a draw is (both), (neither) or one of each: -1, 0 or -0.5.
    assert paired_interval([-10, 0], [10, 10]) == (-1.0, 0.0)
    # The same loss spread over 20 films of one question each is known much better.
    low, high = paired_interval([-1] * 10 + [0] * 10, [1] * 20)
    assert -0.75 < low < -0.65
    assert -0.35 < high < -0.25


def test_the_bootstrap_is_near_the_normal_interval_and_repeats():
    differences, sizes = [1] * 60 + [-1] * 20 + [0] * 120, [1] * 200
    low, high = paired_interval(differences, sizes)
    error = 1.96 * math.sqrt((80 / 200 - 0.2**2) / 200)
    assert low == pytest.approx(0.2 - error, abs=0.012)
    assert high == pytest.approx(0.2 + error, abs=0.012)
    assert paired_interval(differences, sizes) == (low, high)


def test_no_change_is_not_certainty_and_one_film_says_nothing():
    low, high = paired_interval([0, 0, 0], [2, 4, 4])
    assert (low, high) == (-wilson(0, 10)[1], wilson(0, 10)[1])
    assert paired_interval([-3], [10]) is None


def test_the_best_single_number_by_hand():
    truths = [9.0, 1.0, 2.0, 4.0, 4.5]  # 2.5 is within 1.5 of 1, 2 and 4; 3.25 within 1.5 of 2, 4 and 4.5
    assert best_number(truths, 1.5) == 3 / 5
    assert best_number(truths, 0.25) == 2 / 5  # 4.25
    assert best_number(truths, 100.0) == 1.0
    assert best_number([7.0], 0.0) == 1.0
    with pytest.raises(ValueError, match="no truths"):
        best_number([], 1.0)
