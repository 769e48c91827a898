"""Words for times in a question: what they say about where to look."""

from __future__ import annotations

import re
from dataclasses import dataclass

NEAR = 30.0
"""Seconds around a moment that is only named: `around minute 30` is not a stopwatch's reading."""

_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
}  # fmt: skip
_UNITS = {"second": 1.0, "sec": 1.0, "minute": 60.0, "min": 60.0, "hour": 3600.0}
_NUMBER = rf"(?P<number>\d+(?:\.\d+)?|{'|'.join(_NUMBERS)})"
_UNIT = rf"(?P<unit>{'|'.join(_UNITS)})s?"
_CLOCK = r"(?P<clock>(?:\d{1,2}:)?\d{1,3}:\d{2}(?:\.\d+)?)"
_SPAN = re.compile(rf"\b(?P<end>first|last|final)\s+(?:{_NUMBER}\s+)?{_UNIT}\b", re.IGNORECASE)
_SIDE = re.compile(
    rf"\b(?P<side>after|since|from|before|until|till|by)\s+(?:minute\s+(?P<minute>\d+)\b|{_CLOCK}|{_NUMBER}\s+{_UNIT}\b)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"\b(?:between|from)\s+(?P<one>(?:\d{1,2}:)?\d{1,3}:\d{2})\s+(?:and|to|until)\s+(?P<two>(?:\d{1,2}:)?\d{1,3}:\d{2})",
    re.IGNORECASE,
)
_MINUTE = re.compile(r"\b(?:minute|min)\s+(?P<minute>\d+)\b", re.IGNORECASE)
_AT = re.compile(rf"\b(?:at|around|about|near)\s+(?:{_CLOCK}|{_NUMBER}\s+{_UNIT}\b)", re.IGNORECASE)
_BARE = re.compile(rf"(?<![\d:.]){_CLOCK}(?![\d:])")
_ENDING = re.compile(r"\b(?:at|near|towards?|by|in)\s+the\s+(?:very\s+)?end\b", re.IGNORECASE)
_BEGINNING = re.compile(r"\b(?:at|near|in)\s+the\s+(?:very\s+)?(?:beginning|start|opening)\b", re.IGNORECASE)
_FIRST = re.compile(r"\b(?:first\s+time|first|earliest)\b", re.IGNORECASE)
_LAST = re.compile(r"\b(?:last\s+time|last|latest|final(?:ly)?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class When:
    """Where a question wants to be looked for. [start, end) seconds; None on either side is open.

    order: `first` or `last` where the question asks for the earliest or the latest of several.
    """

    start: float | None = None
    end: float | None = None
    order: str | None = None

    @property
    def bounded(self) -> bool:
        return self.start is not None or self.end is not None

    def meets(self, t0: float, t1: float) -> bool:
        """Whether [t0, t1) has a moment within."""
        return (self.end is None or t0 < self.end) and (self.start is None or t1 > self.start)


def when(question: str, duration: float) -> When:
    """The time words of a question, in English. duration: seconds, for words that count from the end."""
    order = "first" if _FIRST.search(question) else "last" if _LAST.search(question) else None
    for read in (_between, _span, _side, _point, _edges):
        found = read(question, duration)
        if found is not None:
            start, end = found
            spanned = read is _span  # `the first minute` names a stretch, not the earliest of several
            return When(start, end, None if spanned else order)
    return When(order=order)


Found = tuple[float | None, float | None] | None


def _between(question: str, duration: float) -> Found:
    match = _BETWEEN.search(question)
    return (_clock(match["one"]), _clock(match["two"])) if match else None


def _span(question: str, duration: float) -> Found:
    match = _SPAN.search(question)
    if not match:
        return None
    length = _number(match["number"] or "one") * _UNITS[match["unit"].lower()]
    return (0.0, length) if match["end"].lower() == "first" else (max(0.0, duration - length), None)


def _side(question: str, duration: float) -> Found:
    match = _SIDE.search(question)
    if not match:
        return None
    moment = float(match["minute"]) * 60 if match["minute"] else _moment(match)
    return (moment, None) if match["side"].lower() in ("after", "since", "from") else (None, moment)


def _point(question: str, duration: float) -> Found:
    if minute := _MINUTE.search(question):
        moment = float(minute["minute"]) * 60
        return max(0.0, moment - NEAR), moment + 60.0 + NEAR  # the minute that begins there, and its surroundings
    match = _AT.search(question) or _BARE.search(question)
    if not match:
        return None
    moment = _moment(match)
    return max(0.0, moment - NEAR), moment + NEAR


def _edges(question: str, duration: float) -> Found:
    length = max(10.0, min(60.0, duration / 10))
    if _ENDING.search(question):
        return max(0.0, duration - length), None
    return (0.0, length) if _BEGINNING.search(question) else None


def _moment(match: re.Match[str]) -> float:
    if match["clock"]:
        return _clock(match["clock"])
    return _number(match["number"]) * _UNITS[match["unit"].lower()]


def _number(word: str) -> float:
    return float(_NUMBERS.get(word.lower(), 0) or word)


def _clock(text: str) -> float:
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds
