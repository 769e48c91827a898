"""Answers as words: the same ones, whatever the case, the punctuation and the articles."""

from __future__ import annotations

import re
import unicodedata

ARTICLES = frozenset({"a", "an", "the"})
DENIALS = frozenset({"no", "not"})
_NOT_A_WORD = re.compile(r"[^\w.,:']+|(?<!\d)[.,:]|[.,:](?!\d)|_")
_SENTENCE = re.compile(r"[.!?\n]")


def normalised(text: str, articles: bool = False) -> str:
    """Lower case, no punctuation but within numbers, single spaces. articles: whether a, an and the stay."""
    plain = _NOT_A_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))
    words = [word.strip("'") for word in plain.split()]
    kept = [word for word in words if word and (articles or word not in ARTICLES)]
    return " ".join(kept or words)


def same_words(said: str, truth: str, articles: bool = False) -> bool:
    """Whether both say the same, word by word; an answer without a word is never right."""
    found = normalised(said, articles)
    return bool(found) and found == normalised(truth, articles)


def yes_or_no(said: str) -> str:
    """`no` where the first sentence says no or not, else `yes`: how POPE (Li et al., 2023) reads a free answer."""
    first = _SENTENCE.split(said.strip().casefold(), maxsplit=1)[0]
    return "no" if DENIALS & set(re.findall(r"\w+", first)) else "yes"


def says(said: str, truth: str) -> bool:
    """Whether a free answer gives `truth`: the same words; for yes and no, the first word counts."""
    wanted = normalised(truth)
    if wanted in ("yes", "no"):
        return normalised(said).split(" ")[0] == wanted
    return same_words(said, truth)
