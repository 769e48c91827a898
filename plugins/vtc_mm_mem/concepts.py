"""Who is who: mentions of later events joined to concepts of earlier ones, never two of one event to the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from vtc_cli.memory import AliasRow, ConceptRow, MemoryStore, cosine

ARTICLES = frozenset({"a", "an", "the", "some", "another"})


def normalised(name: str) -> str:
    """A name for comparing: lower case, no articles, no punctuation."""
    words = re.findall(r"\w+", name.lower())
    return " ".join(word for word in words if word not in ARTICLES) or " ".join(words)


def jaccard(one: str, other: str) -> float:
    """Share of the words of two normalised names that both have."""
    first, second = set(one.split()), set(other.split())
    return len(first & second) / len(first | second) if first | second else 0.0


class Concepts:
    """The concepts of a store. alike: cosine of names from which, with half their words in common, they are one."""

    def __init__(self, store: MemoryStore, alike: float):
        self._store = store
        self._alike = alike

    def of_event(self, mentioned: Sequence[tuple[str, str, np.ndarray | None]]) -> list[int]:
        """The concept of each (kind, name, vector) that one event mentions; made where there is none. In a transaction.

        What the narrator lists twice it has told apart: a man in red and a man in blue, both called `man`.
        """
        used: list[int] = []
        for kind, name, vector in mentioned:
            known = [row for row in self._store.rows(ConceptRow, "kind = ?", (kind,), "id") if row.id not in used]
            found = self._match(known, name, vector)
            if found is None:
                found = self._store.next_id(ConceptRow)
                self._store.add(ConceptRow(found, kind, name, vector))
            if not self._store.rows(AliasRow, "concept_id = ? AND name = ?", (found, name)):
                self._store.add(AliasRow(found, name))
            used.append(found)
        return used

    def _match(self, known: Sequence[ConceptRow], name: str, vector: np.ndarray | None) -> int | None:
        plain = normalised(name)
        best: tuple[float, int] | None = None
        for concept in known:
            names = {normalised(alias.name) for alias in self._store.rows(AliasRow, "concept_id = ?", (concept.id,))}
            if plain in names:
                return concept.id
            if vector is None or concept.emb is None:
                continue
            score = cosine(vector, concept.emb)
            shared = max(jaccard(plain, other) for other in names)
            if score >= self._alike and shared >= 0.5 and (best is None or score > best[0]):
                best = (score, concept.id)
        return None if best is None else best[1]
