"""Intervals for shares and for paired differences: pure functions, the same figures from the same data."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import comb, sqrt

import numpy as np

Z = 1.959963984540054  # 95 % of a normal distribution lie within this many deviations
RESAMPLES = 4000


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, after Wilson (1927). Raises ValueError when `right` is not of 0 to n, or n is 0."""
    if n < 1 or not 0 <= right <= n:
        raise ValueError(f"{right} of {n} is no share")
    share = right / n
    scale = 1 + Z * Z / n
    middle = (share + Z * Z / (2 * n)) / scale
    half = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / scale
    return (middle - half if right else 0.0), (middle + half if right < n else 1.0)  # exact at both ends


def paired_interval(differences: Sequence[float], sizes: Sequence[int], seed: int = 0) -> tuple[float, float] | None:
    """The 95 % interval of a difference of two means over the same questions, by a bootstrap over films.

    differences: per film, the sum over its questions of the one less that of the other; for shares, questions right.
    sizes: questions per film.
    Films are drawn, not questions, because questions about one film stand and fall together. Where no film differs a
    bootstrap would claim certainty: then the interval is what Wilson's leaves for a change never seen.
    None with fewer than two films.
    """
    films = len(sizes)
    if films < 2:
        return None
    if not any(differences):
        most = wilson(0, sum(sizes))[1]
        return -most, most
    drawn = np.random.default_rng(seed).multinomial(films, np.full(films, 1 / films), size=RESAMPLES)
    shares = (drawn @ np.asarray(differences)) / (drawn @ np.asarray(sizes))
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def mcnemar(won: int, lost: int) -> float:
    """The two-sided exact p of McNemar's test: how likely so uneven a split of the changed answers is by chance."""
    changed = won + lost
    tail = sum(comb(changed, count) for count in range(min(won, lost) + 1))
    return min(1.0, 2 * tail / 2**changed)


def best_number(truths: Sequence[float], tolerance: float) -> float:
    """The share of `truths` that the best single number is within `tolerance` of. Raises ValueError without truths."""
    if not truths:
        raise ValueError("no truths to guess")
    ordered = sorted(truths)
    # The best number may as well lie one tolerance above the lowest truth that it is right for.
    return max(bisect_right(ordered, low + 2 * tolerance) - at for at, low in enumerate(ordered)) / len(ordered)
