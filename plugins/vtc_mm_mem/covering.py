"""Which clips to look at together: those of different things that one question names, and else each by itself.

A clip by itself is read best: what other clips show is in the way. But which of two things came first can be seen in no
clip that shows one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vtc_cli.memory import ClipRow, Hit, phrases, terms
from vtc_mm_mem.resting import overlap

ASIDE = 0.5  # seconds by which a passage may reach beyond the clip it tells of

LASTING = ("mention", "subtitle")
"""Passages about one thing: it is there in every clip that they reach into. What tells of an event says of none of its
clips what is in it."""


def named_in(clips: Iterable[ClipRow], hits: Sequence[Hit], question: str) -> dict[int, frozenset[str]]:
    """Clip id -> what of the question's words is written about the clip: neighbours as one, and single words that
    stand in no such pair."""
    bodies = {clip.id: [hit.passage.body.lower() for hit in hits if _about(hit, clip)] for clip in clips}
    pairs = {pair for pair in phrases(question) if any(pair in body for some in bodies.values() for body in some)}
    single = set(terms(question)) - {word for pair in pairs for word in pair.split()}
    return {
        number: frozenset(
            [pair for pair in pairs if any(pair in body for body in some)]
            + [word for word in single if any(word in re.findall(r"\w+", body) for body in some)]
        )
        for number, some in bodies.items()
    }


def looks_at(clips: Sequence[ClipRow], named: dict[int, frozenset[str]], most: int) -> list[list[ClipRow]]:
    """Groups of clips, to be looked at one group after the other, `most` clips in all.

    clips: best first. Where the best one is not about all that others are about, one group that is; else each alone.
    """
    if not clips:
        return []
    group, rest = [clips[0]], frozenset().union(*named.values()) - named[clips[0].id]
    while rest and len(group) < most:
        best = max(clips, key=lambda clip: len(named[clip.id] & rest))
        group.append(best)
        rest -= named[best.id]
    return [group] if len(group) > 1 else [[clip] for clip in clips[:most]]


def _about(hit: Hit, clip: ClipRow) -> bool:
    passage = hit.passage
    if hit.words is None or not overlap(hit, clip):
        return False
    return passage.kind in LASTING or (passage.t0 >= clip.t0 - ASIDE and passage.t1 <= clip.t1 + ASIDE)
