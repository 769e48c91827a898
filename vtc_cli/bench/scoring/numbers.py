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
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = (
    {word: number for number, word in enumerate(WORDS)}
    | {word: 10 * place for place, word in enumerate(_TENS, 2)}
    | {"hundred": 100, "thousand": 1000}
)
_SMALL = rf"(?:(?:{'|'.join(_TENS)})(?:[-\s](?:{'|'.join(WORDS[1:10])}))?|{'|'.join(reversed(WORDS[:20]))})"
_HUNDREDS = rf"{_SMALL}(?:\s+hundred(?:\s+(?:and\s+)?{_SMALL})?)?"
_WORD = rf"\b(?P<word>{_HUNDREDS}(?:\s+thousand(?:\s+(?:and\s+)?{_HUNDREDS})?)?)\b"
_ANY = re.compile(f"{_CLOCK}|{_PLAIN}|{_WORD}", re.IGNORECASE)


def number_in(text: str) -> float | None:
    """The first number of a text: `3`, `1,250.5`, `twenty-one`, `1:30` (90 seconds); None where there is none."""
    found = _ANY.search(text)
    if found is None:
        return None
    if found["minutes"] is not None:
        return 3600 * float(found["hours"] or 0) + 60 * float(found["minutes"]) + float(found["seconds"])
    if found["word"] is not None:
        return _spelt(found["word"])
    return float(found["plain"].replace(",", ""))


def _spelt(words: str) -> float:
    """`two thousand three hundred and forty-five` as 2345."""
    whole = part = 0
    for word in re.findall(r"[a-z]+", words.casefold()):
        value = _VALUES.get(word, 0)  # `and` adds nothing
        if value == 1000:
            whole, part = 1000 * part, 0
        else:
            part = part * value if value == 100 else part + value
    return float(whole + part)


def written(text: str) -> float | None:
    """The number that a text is and nothing else, None for any other text."""
    found = _ANY.fullmatch(text.strip())
    return None if found is None else number_in(text.strip())


def within(said: str, low: float, high: float) -> bool:
    """Whether the first number said lies from `low` to `high`, both included."""
    number = number_in(said)
    return number is not None and (low <= number <= high or math.isclose(number, low) or math.isclose(number, high))
