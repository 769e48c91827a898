"""The accuracy of visual question answering with ten human answers (Antol et al., 2015), as TextVQA uses it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vtc_cli.bench.scoring.numbers import WORDS

AGREEING = 3  # people whose answer makes it fully right
_DIGITS = {word: str(number) for number, word in enumerate(WORDS[:11])} | {"none": "0"}
_MARKS = ';/[]"{}()=+\\_-><@`!'
_DOT = re.compile(r"\.(?!\d)")
_WITHIN = re.compile(r"(?<=\w)'(?=\w)")


def canonical(text: str) -> str:
    """An answer as the rule compares it: lower case, number words as digits, no articles, no punctuation.

    The published script restores the apostrophes of contractions from a table; here those within a word are dropped,
    which makes the same pairs equal (and a few that are not in the table).
    """
    whole = text.casefold().replace(",", "").replace("?", "").replace("'s", " 's")
    whole = whole.replace("\n", " ").replace("\t", " ").strip()
    found = whole
    for mark in _MARKS:
        beside_a_space = f"{mark} " in whole or f" {mark}" in whole
        found = found.replace(mark, "" if beside_a_space else " ")
    found = _WITHIN.sub("", _DOT.sub("", found))
    words = (_DIGITS.get(word, word) for word in found.split())
    return " ".join(word for word in words if word not in ("a", "an", "the"))


def vqa_accuracy(said: str, answers: Sequence[str]) -> float:
    """From 0 to 1: right in full when three others of the ten gave this answer, the mean over leaving each one out.

    Raises ValueError without answers.
    """
    if not answers:
        raise ValueError("no answers to compare with")
    matching = [canonical(answer) == canonical(said) for answer in answers]
    total = sum(matching)
    return sum(min(1.0, (total - match) / AGREEING) for match in matching) / len(matching)
