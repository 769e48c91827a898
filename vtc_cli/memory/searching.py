"""Searching a memory's text: words by BM25, meaning by vectors, the two fused by rank.

What is found never depends on what was not known at the moment asked about: with `at`, word statistics and the centre
of the vectors are taken over what could be seen then, as if the rest had never been indexed.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vtc_cli.memory.rows import Passage
from vtc_cli.memory.store import MemoryStore, plain_words
from vtc_cli.memory.timewords import When
from vtc_cli.memory.vectors import nearest
from vtc_cli.memory.view import as_of

FUSED_FROM = 10
"""The constant of reciprocal rank fusion (Cormack et al., SIGIR 2009): how little the very first ranks stand out.

Theirs is 60, for rankings that are equally good. Here the first place says much: with 60, a passage in the middle of
both rankings comes before the only one with the words of the question.
"""

MEANING = 0.3
"""What a place in the ranking by vectors counts, beside 1 by words: a mean of word embeddings knows no order, and
`red ring and blue star` lies as near to `red star` as `red star` does."""

DEEP = 100
"""How far down each ranking counts."""

# Words that are in every question and in every answer.
STOP = frozenset(
    """
    a an and are as at be been but by can could did do does for from had has have he her his how i in into is it its
    me my of on or our she show shown shows so than that the their them then there these they this those to tell us
    video was we were what when where which while who whom whose why will with would you your
    """.split()  # noqa: SIM905 (a list would take forty lines)
)


@dataclass(frozen=True)
class Hit:
    """A passage found. score: of the fusion, more is better; words, meaning: its place in either ranking, from 1."""

    passage: Passage
    score: float
    words: int | None
    meaning: int | None


def search(
    store: MemoryStore,
    question: str,
    vector: np.ndarray | None = None,
    *,
    when: When | None = None,
    at: float | None = None,
    kinds: Collection[str] = (),
    most: int = 10,
) -> list[Hit]:
    """The passages most relevant to a question, best first.

    vector: of the question, in the space of the memory's; None searches by words alone. when: a filter in time.
    at: only what was known then. kinds: of passages; none means all. Any text is a question: nothing in it is syntax.
    """
    at = as_of(store, at)
    passages = [item for item in known(store, at, kinds) if when is None or when.meets(item.t0, item.t1)]
    by_id = {item.id: item for item in passages}
    words = _by_words(store, question, passages, whole=at is None and not kinds and (when is None or not when.bounded))
    meaning = _by_meaning(vector, passages)
    scores: dict[int, float] = defaultdict(float)
    for ranking, weight in ((words, 1.0), (meaning, MEANING)):
        for rank, number in enumerate(ranking, 1):
            scores[number] += weight / (FUSED_FROM + rank)
    order = sorted(scores, key=lambda number: (-scores[number], number))[:most]
    places = [{number: rank for rank, number in enumerate(ranking, 1)} for ranking in (words, meaning)]
    return [Hit(by_id[number], scores[number], places[0].get(number), places[1].get(number)) for number in order]


def known(store: MemoryStore, at: float | None = None, kinds: Collection[str] = ()) -> list[Passage]:
    """Passages as of a moment; all of them for None."""
    conditions, values = [], []
    if (at := as_of(store, at)) is not None:
        conditions.append("seen <= ?")
        values.append(at)
    if kinds:
        conditions.append(f"kind IN ({', '.join('?' * len(kinds))})")
        values.extend(kinds)  # type: ignore[arg-type]
    return store.rows(Passage, " AND ".join(conditions), values, "id")


def terms(question: str) -> list[str]:
    """The words of a question that are worth looking for, lower case, each once."""
    found = dict.fromkeys(re.findall(r"\w+", question.lower()))
    return [word for word in found if word not in STOP]


def phrases(question: str) -> list[str]:
    """Neighbours among the words of a question that are worth looking for: `red jacket`. Lower case, each once."""
    words = re.findall(r"\w+", question.lower())
    pairs = [pair for pair in pairwise(words) if STOP.isdisjoint(pair)]
    return list(dict.fromkeys(" ".join(pair) for pair in pairs))


def _by_words(store: MemoryStore, question: str, passages: list[Passage], whole: bool) -> list[int]:
    wanted = terms(question)[:64]
    if not wanted or not passages:
        return []
    # Each is a quoted string of letters and digits: AND, NEAR, stars and quotes mean nothing in it. Neighbours count as
    # well: whoever asks for a red jacket does not mean a blue jacket and a red hat.
    query = " OR ".join(f'"{words}"' for words in [*wanted, *phrases(question)[:64]])
    if whole:
        found = store.all(
            "SELECT rowid FROM text_fts WHERE text_fts MATCH ? ORDER BY bm25(text_fts), rowid LIMIT ?", (query, DEEP)
        )
        return [number for (number,) in found]
    return _among(store, query, passages)


def _among(store: MemoryStore, query: str, passages: list[Passage]) -> list[int]:
    """BM25 with the statistics of these passages alone."""
    with plain_words(store.path):
        aside = sqlite3.connect(":memory:")
        try:
            aside.execute("CREATE VIRTUAL TABLE f USING fts5(body, tokenize='porter unicode61 remove_diacritics 2')")
            aside.executemany("INSERT INTO f(rowid, body) VALUES (?, ?)", [(item.id, item.body) for item in passages])
            found = aside.execute("SELECT rowid FROM f WHERE f MATCH ? ORDER BY bm25(f), rowid LIMIT ?", (query, DEEP))
            return [number for (number,) in found.fetchall()]
        finally:
            aside.close()


def _by_meaning(vector: np.ndarray | None, passages: list[Passage]) -> list[int]:
    if vector is None:
        return []
    having = [item for item in passages if item.emb is not None and item.emb.shape == vector.shape]
    return [having[place].id for place, _ in nearest(vector, [item.emb for item in having], DEEP)]  # type: ignore[misc]
