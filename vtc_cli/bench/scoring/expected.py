"""What a row of a question file counts as right, from its `answer`: words, any of several, a number, an interval."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vtc_cli.bench.scoring.numbers import within, written
from vtc_cli.bench.scoring.words import says

Check = Callable[[str], bool]
_RANGE = re.compile(r"(?P<low>[^.]+(?:\.\d+)?)\s*\.\.\s*(?P<high>.+)")


@dataclass(frozen=True)
class Expected:
    """truth: the right answer as text. check: whether what was said is right. chance: of guessing among options."""

    truth: str
    check: Check
    chance: float | None = None


def expected(answer: Any, choices: Mapping[str, str] | None = None, tolerance: float = 0.0) -> Expected:
    """What counts as right.

    answer: with choices, a label or the text of an option. Without: a number, or a text that is one (a clock time
    counts in seconds), right within `tolerance`; two numbers, or `12..15`, for anything in between; a list of texts
    any of which is right; else words. Raises ValueError saying what is wrong with it.
    """
    if tolerance < 0:
        raise ValueError("`tolerance` must be zero or more")
    if choices is not None:
        if tolerance:
            raise ValueError("`tolerance` belongs to an answer that is a number")
        return option(_label(answer, choices), choices)
    if isinstance(answer, bool):
        answer = "yes" if answer else "no"
    number = None if isinstance(answer, Sequence) and not isinstance(answer, str) else written(str(answer))
    if tolerance and number is None:
        raise ValueError("`tolerance` belongs to an answer that is a number")
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        return _list(answer)
    if answer is None or not str(answer).strip():
        raise ValueError("`answer` is missing")
    text = str(answer).strip()
    bounds = _RANGE.fullmatch(text)
    ends = (written(bounds["low"]), written(bounds["high"])) if bounds else (None, None)
    if ends[0] is not None and ends[1] is not None:
        return _interval(ends[0], ends[1], text)
    if number is not None:
        return Expected(text, partial(within, low=number - tolerance, high=number + tolerance))
    return Expected(text, partial(says, truth=text))


def option(label: str, choices: Mapping[str, str]) -> Expected:
    """The option called `label` is right."""
    return Expected(label, partial(_same, label), 1 / len(choices))


def _list(answer: Sequence[Any]) -> Expected:
    if len(answer) == 2 and all(isinstance(end, int | float) and not isinstance(end, bool) for end in answer):
        return _interval(float(answer[0]), float(answer[1]), f"{answer[0]}..{answer[1]}")
    if not answer or not all(isinstance(text, str) and text.strip() for text in answer):
        raise ValueError("a list as `answer` holds two numbers, or texts any of which is right")
    parts = [expected(text) for text in answer]
    return Expected(" / ".join(answer), partial(_any, tuple(part.check for part in parts)))


def _interval(low: float, high: float, text: str) -> Expected:
    if low > high:
        raise ValueError(f"the interval {text} ends before it begins")
    return Expected(text, partial(within, low=low, high=high))


def _label(answer: Any, choices: Mapping[str, str]) -> str:
    text = "" if answer is None else str(answer).strip()
    if not text:
        raise ValueError("`answer` is missing")
    named = [label for label, words in choices.items() if words.strip() == text]
    if text in choices:
        if named not in ([], [text]):
            raise ValueError(
                f"the answer {text!r} is a letter and the text of another option ({named[0]}): letter them otherwise"
            )
        return text
    if not named:
        named = [label for label in choices if label.casefold() == text.casefold().strip("().")]
    if not named:
        raise ValueError(f"the answer {text!r} is none of the options ({', '.join(choices)})")
    if len(named) > 1:
        raise ValueError(f"the answer {text!r} is several of the options ({', '.join(named)}): give its letter")
    return named[0]


def _same(label: str, said: str) -> bool:
    return said == label


def _any(checks: tuple[Check, ...], said: str) -> bool:
    return any(check(said) for check in checks)
