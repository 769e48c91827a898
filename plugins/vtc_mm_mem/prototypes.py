"""Key frames that stand for an event: k-medoids, the same for the same frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROUNDS = 20


def medoids(vectors: Sequence[np.ndarray], k: int) -> list[tuple[int, int]]:
    """(index, how many it stands for) of at most `k` of the vectors, heaviest first, earlier first among equals.

    vectors: unit [d], in time order. Begins with the earliest and then whatever is farthest from those chosen; ties go
    to the earlier. Distance is 1 - cosine.
    """
    if not len(vectors) or k < 1:
        return []
    matrix = np.stack(vectors).astype(np.float64)
    distance = np.maximum(1.0 - matrix @ matrix.T, 0.0)
    chosen = _far_apart(distance, min(k, len(vectors)))
    for _ in range(ROUNDS):
        belongs = distance[:, chosen].argmin(1)
        better = [_centre(distance, np.flatnonzero(belongs == place), chosen[place]) for place in range(len(chosen))]
        if better == chosen:
            break
        chosen = better
    weights = np.bincount(distance[:, chosen].argmin(1), minlength=len(chosen))
    return sorted(zip(chosen, weights.tolist(), strict=True), key=lambda item: (-item[1], item[0]))


def _far_apart(distance: np.ndarray, k: int) -> list[int]:
    chosen = [0]
    while len(chosen) < k:
        near = distance[:, chosen].min(1)
        farthest = int(near.argmax())
        if near[farthest] <= 1e-9:  # the rest repeats what is there
            break
        chosen.append(farthest)
    return chosen


def _centre(distance: np.ndarray, members: np.ndarray, now: int) -> int:
    """The member with the smallest total distance to the others."""
    if not len(members):
        return now
    return int(members[distance[np.ix_(members, members)].sum(1).argmin()])


def evenly(count: int, most: int) -> list[int]:
    """At most `most` indices below `count`, spread over all of them, the first and the last among them."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [0]
    return sorted({round(place * (count - 1) / (most - 1)) for place in range(most)})
