"""From a published row to a question: options by letter, the letter that is right, short free answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from vtc_cli.bench.published.tables import Row
from vtc_cli.bench.scoring.expected import Check, option
from vtc_cli.bench.table_suite import Item, Open
from vtc_cli.errors import UsageError
from vtc_cli.jobs.questions import Question, check_text
from vtc_cli.video import parse_time

BRIEFLY = "\nAnswer the question using a single word or phrase."  # the words that LLaVA models are trained with
_LABELLED = re.compile(r"\(?(?P<label>[A-Z])\s*[.):]\s*(?P<text>.*)", re.DOTALL)


@dataclass(frozen=True)
class Loaded:
    """A benchmark's questions. split: which part of it. open: a film by the name that items give it."""

    items: Sequence[Item]
    open: Open
    split: str


def choice(
    row: Row, film: str, text: str, options: Sequence[str], answer: Any, skill: str, id: str, **more: Any
) -> Item:
    """A multiple-choice question. options: with their letters in front, or without. answer: a letter or a place.

    more: `start`, `end`, `group` of the item. Raises UsageError naming the row.
    """
    choices = by_letter(options)
    if isinstance(answer, int) and not 0 <= answer < len(choices):
        raise UsageError(f"{row.where}: the answer is option {answer} of {len(choices)}")
    label = ascii_uppercase[answer] if isinstance(answer, int) else str(answer).strip().strip("().")
    if len(choices) < 2 or not all(choices.values()):
        raise UsageError(f"{row.where}: at least two options are wanted, none of them empty")
    if label not in choices:
        raise UsageError(f"{row.where}: the answer {answer!r} is none of {', '.join(choices)}")
    right = option(label, choices)
    return Item(film, _question(row, text, choices, id, right.truth), skill, right.check, chance=right.chance, **more)


def open_question(row: Row, film: str, text: str, truth: str, check: Check, skill: str, id: str, **more: Any) -> Item:
    """A question with a free answer. more: `end`, `chance`, `points` of the item. Raises UsageError naming the row."""
    return Item(film, _question(row, text, None, id, truth), skill, check, **more)


def by_letter(options: Sequence[str]) -> dict[str, str]:
    """Options by their letters, A first. Letters in front of them are taken off where all options carry their own."""
    found = [_LABELLED.fullmatch(option.strip()) for option in options]
    letters = ascii_uppercase[: len(options)]
    if all(match is not None and match["label"] == letter for match, letter in zip(found, letters, strict=False)):
        texts = [match["text"].strip() for match in found if match is not None]
    else:
        texts = [option.strip() for option in options]
    return dict(zip(letters, texts, strict=False))


def seconds(row: Row, name: str) -> float:
    """A time stamp above zero, as a number or as a clock. Raises UsageError naming the row."""
    value = row[name]
    try:
        found = parse_time(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, UsageError):
        found = 0.0
    if not found > 0:
        raise UsageError(f"{row.where}: `{name}` is no time above zero: {value!r}")
    return found


def _question(row: Row, text: Any, choices: dict[str, str] | None, id: str, truth: str) -> Question:
    if not isinstance(text, str):
        raise UsageError(f"{row.where}: the question is no text")
    check_text(text, f"{row.where}: the question")
    return Question(text.strip(), choices, id, truth)
