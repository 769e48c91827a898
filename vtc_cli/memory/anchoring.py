"""`after the dog appears`: a time that a question names by what was shown then."""

from __future__ import annotations

import re

from vtc_cli.memory.searching import Hit, search, terms
from vtc_cli.memory.store import MemoryStore
from vtc_cli.memory.timewords import When

_AFTER = frozenset({"after", "since"})
_NAMED = re.compile(
    r"^\s*(?:what|which|who|whom|whose|where|how\s+many)\b.*?\b(?P<side>after|since|before|until)\s+(?P<named>[^?.!;,]+)",
    re.IGNORECASE | re.DOTALL,
)
_EITHER = re.compile(r"\bor\b", re.IGNORECASE)
LOOKED_AT = 24
"""Passages that are tried, best first."""


def anchored(store: MemoryStore, question: str, *, order: str | None = None, at: float | None = None) -> When | None:
    """Where to look for what came after, or before, something that the memory has words for; None where the question,
    in English, names no such thing, or nothing is known of it.

    What it names belongs to the stretch: from its first moment on, or until its last one, so that nothing which an
    answer may need is left out. Every word of it must be in one passage; of several, the earliest counts, the latest
    where `order` is `last`. Questions between alternatives are left alone. at: only what was known then.
    """
    found = _NAMED.match(question)
    if found is None or _EITHER.search(question):
        return None
    wanted = terms(found["named"])
    hits = [hit for hit in search(store, found["named"], at=at, most=LOOKED_AT) if _has_all(hit, wanted)]
    if not wanted or not hits:
        return None
    chosen = (max if order == "last" else min)(hits, key=lambda hit: hit.passage.t0).passage
    if found["side"].lower() in _AFTER:
        return When(start=chosen.t0, order=order)
    return When(end=chosen.t1, order=order)


def _has_all(hit: Hit, wanted: list[str]) -> bool:
    """Whether each word, or its singular, begins a word of the passage."""
    words = re.findall(r"\w+", hit.passage.body.lower())
    return all(any(word.startswith(term.removesuffix("s")) for word in words) for term in wanted)
