"""What becomes of a clip: a new event, part of the newest one, or nothing. Rules, not a model: the same every time.

The order of the rules matters. Redundancy comes before merging, so that a still hour is one event whatever its length;
an event of less than `SHORTEST_EVENT` takes what follows, so that there are at most duration / 6 s of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vtc_cli.memory import cosine
from vtc_mm_mem.packing import pack, unpack

MOST_PROTOTYPES = 8
"""Of the newest event, that a clip is compared with."""

SHORTEST_EVENT = 6.0
"""Seconds."""

QUANTILE = 0.4
"""Of the cosines of consecutive clips: what is less alike than most neighbours are is somewhere else."""

LEARNT, RECENT = 8, 256
"""Cosines it takes to know a video's own level, and how many of the last ones tell it."""


@dataclass(frozen=True)
class Newest:
    """The event that may still grow. total: sum of its clips' vectors; prototypes: some of them, each unlike the
    others; views: some of their key frames' vectors, likewise."""

    id: int
    t0: float
    t1: float
    low_info: bool
    total: np.ndarray
    prototypes: tuple[np.ndarray, ...]
    views: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Candidate:
    """A clip to decide about. words: something new was said in it. vector: of the clip; views: of its key frames."""

    t0: float
    t1: float
    cut: bool
    low_info: bool
    words: bool
    vector: np.ndarray
    views: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Decision:
    """action: ADD_NEW, MERGE or DISCARD. reason: the rule, one word. tau: the merge threshold that held."""

    action: str
    reason: str
    tau: float


@dataclass
class Manager:
    """The rules, and what they know so far.

    merge: the lowest cosine with an event's centre that makes a clip part of it; a video whose neighbouring clips are
    more alike raises it. same: cosine from which a clip shows nothing new. longest: seconds an event may span.
    shortest: seconds below which an event takes whatever follows.
    """

    merge: float = 0.8
    same: float = 0.98
    longest: float = 120.0
    shortest: float = SHORTEST_EVENT
    newest: Newest | None = None
    _cosines: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    _last: np.ndarray | None = None

    def tau(self) -> float:
        """The merge threshold now. It follows the video upwards only, and not beyond what counts as the same.

        Lowered to the level of a video full of cuts, it would merge a share of them.
        """
        if len(self._cosines) < LEARNT:
            return self.merge
        level = float(np.quantile(np.array(self._cosines), QUANTILE))
        return max(self.merge, min(level, self.same))

    def decide(self, clip: Candidate, judge: Callable[[Newest], str | None] | None = None) -> Decision:
        """What becomes of the next clip. Changes nothing but what is known of the video's cosines.

        judge: decides in place of the rules on likeness, or leaves it to them (None); what is dark, and how long an
        event may span, stays theirs.
        """
        tau = self.tau()
        if self._last is not None:
            self._cosines.append(cosine(clip.vector, self._last))
        self._last = clip.vector
        return Decision(*self._rule(clip, tau, judge), tau)

    def _rule(self, clip: Candidate, tau: float, judge: Callable[[Newest], str | None] | None) -> tuple[str, str]:
        newest = self.newest
        if newest is None:
            return "ADD_NEW", "first"
        if newest.low_info and not clip.low_info:
            return "ADD_NEW", "visible"
        if clip.low_info:
            return ("DISCARD", "redundant") if newest.low_info else ("DISCARD", "noise")
        fits = clip.t1 - newest.t0 <= self.longest + 1e-6
        action = None if judge is None else judge(newest)
        if action is not None:
            return ("ADD_NEW", "long") if action == "MERGE" and not fits else (action, "judged")
        if not clip.words and self._repeats(clip, newest):
            return "DISCARD", "redundant"
        alike = cosine(clip.vector, newest.total) >= tau
        young = newest.t1 - newest.t0 < self.shortest - 1e-6
        if (alike or not clip.cut or young) and fits:
            return "MERGE", "alike" if alike else "running" if not clip.cut else "short"
        return "ADD_NEW", "different" if not alike and clip.cut else "long"

    def _repeats(self, clip: Candidate, newest: Newest) -> bool:
        """Whether neither the clip as a whole nor any of its key frames shows anything new: the mean of ten seconds
        hides what is seen in one of them."""
        known = (*newest.prototypes, *newest.views)
        return max(cosine(clip.vector, other) for other in newest.prototypes) >= self.same and all(
            max(cosine(view, other) for other in known) >= self.same for view in clip.views
        )

    def add(self, number: int, clip: Candidate) -> None:
        """The clip opens event `number`."""
        total = clip.vector.astype(np.float64)
        self.newest = Newest(
            number, clip.t0, clip.t1, clip.low_info, total, (clip.vector,), spread(clip.views, MOST_PROTOTYPES)
        )

    def merge_in(self, clip: Candidate) -> None:
        """The clip becomes part of the newest event."""
        newest = self._newest()
        kept = spread((*newest.prototypes, clip.vector), MOST_PROTOTYPES)
        views = spread((*newest.views, *clip.views), MOST_PROTOTYPES)
        self.newest = replace(newest, t1=clip.t1, total=newest.total + clip.vector, prototypes=kept, views=views)

    def extend(self, clip: Candidate) -> None:
        """The clip shows what the newest event shows."""
        self.newest = replace(self._newest(), t1=clip.t1)

    def _newest(self) -> Newest:
        assert self.newest is not None, "the first clip opens an event"
        return self.newest

    def state(self) -> dict[str, Any]:
        """Everything that later decisions rest on, as plain values."""
        newest = self._newest()
        return {
            "newest": {
                "id": newest.id,
                "t0": newest.t0,
                "t1": newest.t1,
                "low_info": newest.low_info,
                "total": pack(newest.total),
                "prototypes": [pack(vector) for vector in newest.prototypes],
                "views": [pack(vector) for vector in newest.views],
            },
            "cosines": list(self._cosines),
            "last": None if self._last is None else pack(self._last),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        newest = state["newest"]
        self.newest = Newest(
            newest["id"],
            newest["t0"],
            newest["t1"],
            newest["low_info"],
            unpack(newest["total"], np.float64),
            tuple(unpack(vector) for vector in newest["prototypes"]),
            tuple(unpack(vector) for vector in newest["views"]),
        )
        self._cosines = deque(state["cosines"], maxlen=RECENT)
        self._last = None if state["last"] is None else unpack(state["last"])


def spread(vectors: tuple[np.ndarray, ...], most: int) -> tuple[np.ndarray, ...]:
    """At most `most` of the vectors: while there are more, the later of the two that are most alike goes."""
    kept = list(vectors)
    while len(kept) > most:
        pairs = [(cosine(kept[i], kept[j]), j) for j in range(len(kept)) for i in range(j)]
        kept.pop(max(pairs, key=lambda pair: (pair[0], pair[1]))[1])
    return tuple(kept)
