"""What a manager can learn from: clips that resemble an event, and decisions with their rewards."""

from __future__ import annotations

import numpy as np
from vtc_mm_mem.judging import Sight
from vtc_mm_mem.manager import Candidate, Newest
from vtc_mm_mem.training.decisions import Decision, Reward
from vtc_mm_mem.training.policy import LABELS
from vtc_mm_mem.training.state import state_of


def sight(cut: bool, change: float, cos: float, seconds: float = 20.0) -> Sight:
    """A clip after an event it resembles this much."""
    one = np.array([1.0, 0.0], np.float32)
    other = np.array([cos, (1 - cos * cos) ** 0.5], np.float32)
    newest = Newest(1, 0.0, seconds, False, one.astype(np.float64), (one,), (one,))
    clip = Candidate(seconds, seconds + 8, cut, False, False, other, (other,))
    key = type("Key", (), {"diff": change})()
    return Sight(newest, 3, clip, [key], None, 0.8)


def toy(count: int, seed: int) -> list[Decision]:
    """After a cut a new event is right, without one the event goes on; what is said of it is as it would be."""
    rng = np.random.default_rng(seed)
    found = []
    for place in range(count):
        cut = place % 2 == 0
        state = state_of(
            sight(cut, float(rng.integers(30, 90) if cut else rng.integers(2, 20)), rng.uniform(0.5, 0.95))
        )
        right = "N" if cut else "M"
        rewards = {label: Reward(0.9 if label == right else 0.3, -0.2, 0.0) for label in LABELS}
        found.append(Decision("toy", float(place), state, "M", rewards))
    return found
