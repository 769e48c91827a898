"""Which earlier event a new one returns to: films go back and forth (A-B-A), and a manager knows only the newest."""

from __future__ import annotations

import numpy as np

from vtc_cli.memory import EventRow, MemoryStore, RevisitRow

BLOCK = 256
"""Earlier events whose prototypes are compared at once: a day of film is not held in memory for it."""

CLEARLY = 1e-6
"""By which a later event must be more alike than an earlier one to be linked in its place."""


def add_revisit(store: MemoryStore, event: EventRow, least: float) -> None:
    """Link the event to the earlier one it resembles most, the earliest among equals, where the cosine of two
    prototypes is `least` or more; in a transaction. Events without anything to see return to nothing."""
    if event.low_info:
        return
    mine = _prototypes(store, event.id, event.id + 1)[1]
    if not len(mine):
        return
    best: tuple[float, int] | None = None
    for first in range(0, event.id, BLOCK):
        numbers, theirs = _prototypes(store, first, min(first + BLOCK, event.id))
        scores = (theirs @ mine.T).max(axis=1) if len(theirs) else np.zeros(0, np.float32)
        for place in np.flatnonzero(scores >= least):
            if best is None or scores[place] > best[0] + CLEARLY:
                best = (float(scores[place]), numbers[place])
    if best is not None:
        store.add(RevisitRow(event.id, best[1], round(best[0], 4)))


def _prototypes(store: MemoryStore, first: int, end: int) -> tuple[list[int], np.ndarray]:
    """Event numbers and unit vectors fp32 [n, d] of events `first` to `end - 1` that show something."""
    rows = store.all(
        "SELECT p.event_id, f.emb FROM event_proto p JOIN frame f ON f.id = p.frame_id "
        "JOIN event e ON e.id = p.event_id "
        "WHERE p.event_id >= ? AND p.event_id < ? AND e.low_info = 0 AND f.emb IS NOT NULL ORDER BY p.event_id, p.rank",
        (first, end),
    )
    if not rows:
        return [], np.zeros((0, 0), np.float32)
    vectors = np.frombuffer(b"".join(blob for _, blob in rows), "<f2").astype(np.float32).reshape(len(rows), -1)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return [number for number, _ in rows], vectors / np.where(lengths > 0, lengths, 1.0)
