"""Whether an answer is right: the same words, a time within 1.5 s, or the same things."""

from __future__ import annotations

import json
import re

from vtc_cli.train.world.asker import Question
from vtc_cli.train.world.palette import COLOURS, SHAPES, WORDS

TOLERANCE = 1.5  # seconds
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_THING = re.compile(rf"({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})(?: (?:moving |standing )?(\w+))?")
_CAPTION = re.compile(rf"\b(digit \d|word (?:{'|'.join(WORDS)}))\b")


def is_right(question: Question, said: str) -> bool:
    """Whether `said` answers the question.

    Times are right within 1.5 s. Descriptions are right when they name the same things with the same motion, in any
    order, and the same digit or word. Everything else has to be the same words, whatever the case and the full stop.
    """
    if question.seconds is not None:
        number = _NUMBER.search(said)
        return number is not None and abs(float(number.group()) - question.seconds) <= TOLERANCE
    if question.skill == "describe":
        return _named(said) == _named(question.answer)
    if question.skill == "json":
        return _parsed(said) == _parsed(question.answer)
    return said.strip().rstrip(".").casefold() == question.answer.casefold()


def _named(text: str) -> tuple[list[tuple[str, ...]], list[str]]:
    lowered = text.casefold()
    return sorted(match.groups() for match in _THING.finditer(lowered)), sorted(_CAPTION.findall(lowered))


def _parsed(text: str) -> tuple[list[str], object] | None:
    try:
        content = json.loads(text)
        return sorted(str(thing) for thing in content["things"]), content["text"]
    except (ValueError, KeyError, TypeError):
        return None
