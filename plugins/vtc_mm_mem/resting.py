"""What an answer rests on: stretches that were looked at, and notes that were read."""

from __future__ import annotations

from collections.abc import Container, Sequence

from vtc_cli.memory import Hit, Interval


def rests_on(hits: Sequence[Hit], looked: Sequence[Interval], read: Container[Interval]) -> tuple[Interval, ...]:
    """The likeliest first: what was looked at, and notes of other moments, ordered by what was found.

    hits: what the words of the question and its answer find. looked: by the stage that answered; a glance at the whole
    video looked everywhere and says nothing about where, so what the words find stands for itself. read: the rows of
    the notes that stood beside it.
    """
    if not looked:
        return tuple(dict.fromkeys(_interval(hit) for hit in hits))
    apart = [hit for hit in hits if not any(_overlap(hit, item) for item in looked)]
    noted = dict.fromkeys(_interval(hit) for hit in apart if _interval(hit) in read)

    def score(item: Interval) -> float:
        return sum(hit.score for hit in hits if _overlap(hit, item))

    return tuple(sorted([*looked, *noted], key=lambda item: -score(item)))


def _interval(hit: Hit) -> Interval:
    passage = hit.passage
    return Interval("event" if passage.kind == "step" else passage.kind, passage.ref, passage.t0, passage.t1)


def _overlap(hit: Hit, item: Interval) -> bool:
    return hit.passage.t0 < item.t1 and hit.passage.t1 > item.t0
