"""What an answer rests on: stretches that were looked at, and notes that were read."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence

from vtc_cli.memory import ClipRow, Hit, Interval, phrases, terms
from vtc_mm_mem.noting import Line

_SPAN = re.compile(r"^\[[^\]]*\] ")  # the time a line begins with is not what it says


def rests_on(hits: Sequence[Hit], looked: Sequence[Interval], read: Container[Interval]) -> tuple[Interval, ...]:
    """The likeliest first: what was looked at, and notes of other moments, ordered by what was found.

    hits: what the words of the question and its answer find. looked: by the stage that answered; a glance at the whole
    video looked everywhere and says nothing about where, so what the words find stands for itself. read: the rows of
    the notes that stood beside it.
    """
    if not looked:
        return tuple(dict.fromkeys(_interval(hit) for hit in hits))
    apart = [hit for hit in hits if not any(overlap(hit, item) for item in looked)]
    noted = dict.fromkeys(_interval(hit) for hit in apart if _interval(hit) in read)

    def score(item: Interval) -> float:
        return sum(hit.score for hit in hits if overlap(hit, item))

    return tuple(sorted([*looked, *noted], key=lambda item: -score(item)))


def said_by(lines: Iterable[Line], question: str, answer: str, others: Iterable[str]) -> bool:
    """Whether a note that was read says an answer: neighbouring words of the question and all of the answer's in one
    line, which names none of the other answers.

    A model of a few million parameters reads that line and says all the same that it shows nothing.
    """
    pairs, wanted = phrases(question), set(terms(answer))
    rivals = [found for other in others if (found := set(terms(other))) and found != wanted]
    for line in lines:
        text = _SPAN.sub("", line.words).lower()
        words = set(terms(text))
        if wanted and wanted <= words and any(pair in text for pair in pairs) and not any(r <= words for r in rivals):
            return True
    return False


def _interval(hit: Hit) -> Interval:
    passage = hit.passage
    return Interval("event" if passage.kind == "step" else passage.kind, passage.ref, passage.t0, passage.t1)


def overlap(hit: Hit, item: Interval | ClipRow) -> bool:
    """Whether a passage tells of a moment of a stretch."""
    return hit.passage.t0 < item.t1 and hit.passage.t1 > item.t0
