"""Answers that are numbers or moments: the first one said, in digits, in words or as a clock shows it."""

from __future__ import annotations

import math
import re

WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_CLOCK = r"(?:(?P<hours>\d+):)?(?P<minutes>\d{1,3}):(?P<seconds>\d{2}(?:\.\d+)?)(?![\d:])"
_PLAIN = r"(?P<plain>(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|(?<![\w.])-?\.\d+)"
_WORD = rf"\b(?P<word>{'|'.join(WORDS)})\b"
_ANY = re.compile(f"{_CLOCK}|{_PLAIN}|{_WORD}", re.IGNORECASE)


def number_in(text: str) -> float | None:
    """The first number of a text: `3`, `1,250.5`, `twelve`, `1:30` (90 seconds); None where there is none."""
    found = _ANY.search(text)
    if found is None:
        return None
    if found["minutes"] is not None:
        return 3600 * float(found["hours"] or 0) + 60 * float(found["minutes"]) + float(found["seconds"])
    if found["word"] is not None:
        return float(WORDS.index(found["word"].casefold()))
    return float(found["plain"].replace(",", ""))


def written(text: str) -> float | None:
    """The number that a text is and nothing else, None for any other text."""
    found = _ANY.fullmatch(text.strip())
    return None if found is None else number_in(text.strip())


def within(said: str, low: float, high: float) -> bool:
    """Whether the first number said lies from `low` to `high`, both included."""
    number = number_in(said)
    return number is not None and (low <= number <= high or math.isclose(number, low) or math.isclose(number, high))
