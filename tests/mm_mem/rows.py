"""Rows of a memory that say only what a test is about."""

from __future__ import annotations

import numpy as np

from vtc_cli.memory import ClipRow, Hit, MentionRow, Passage


def mention(number: int, t0: float, t1: float, name: str = "dog", event: int = 1, concept: int = 1) -> MentionRow:
    return MentionRow(number, concept, event, name, t0, t1, f"{name} barking", "[]")


def hit(kind: str, ref: int, t0: float = 0.0, t1: float = 5.0, body: str = "") -> Hit:
    return Hit(Passage(ref, kind, ref, t0, t1, t1, body, None), 0.1, 1, None)


def clip(number: int, t0: float, t1: float, event: int = 1) -> ClipRow:
    vector = np.ones(2, np.float32)
    return ClipRow(number, t0, t1, False, 50.0, int(t1 - t0), None, "ADD_NEW", "cut", 0.8, event, t1, vector)
