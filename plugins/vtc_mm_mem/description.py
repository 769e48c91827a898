"""What a narrator says of an event, read field by field: whatever it writes, something sane comes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vtc_cli.memory import KINDS

MOST_ENTITIES, MOST_STEPS, MOST_RELATIONS = 64, 32, 64
NAME, SENTENCE = 80, 400
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True)
class Entity:
    """kind: one of `KINDS`. t0, t1: seconds, None where nothing was said."""

    kind: str
    name: str
    gloss: str = ""
    t0: float | None = None
    t1: float | None = None


@dataclass(frozen=True)
class Description:
    """valid: it was the JSON that was asked for, with at least a summary; else `summary` is what it wrote instead."""

    summary: str
    steps: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()
    relations: tuple[tuple[str, str, str], ...] = ()
    valid: bool = True


def read_description(text: str) -> Description:
    """The description in a narrator's words. Never raises: what does not hold is left out."""
    found = _object(text)
    if found is None:
        said = _words(text, SENTENCE)
        return Description(said if re.search(r"\w", said) else "", valid=False)
    entities = tuple(_limited((_entity(item) for item in _list(found.get("entities"))), MOST_ENTITIES))
    steps = tuple(_limited((_step(item) for item in _list(found.get("events"))), MOST_STEPS))
    relations = tuple(_limited((_relation(item) for item in _list(found.get("relations"))), MOST_RELATIONS))
    summary = _words(found.get("summary"), SENTENCE)
    return Description(summary or " ".join(steps)[:SENTENCE], steps, entities, relations, bool(summary or steps))


def _object(text: str) -> dict[str, Any] | None:
    """The first JSON object in the text, whatever stands around it."""
    decoder = json.JSONDecoder()
    for match in list(re.finditer(r"\{", text))[:8]:
        try:
            found, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _limited(items: Iterator[Any], most: int) -> Iterator[Any]:
    kept = 0
    for item in items:
        if item is None:
            continue
        yield item
        kept += 1
        if kept == most:
            return


def _entity(item: Any) -> Entity | None:
    if isinstance(item, str):  # a bare name
        name = _words(item, NAME)
        return Entity("other", name) if name else None
    if not isinstance(item, dict) or not (name := _words(item.get("name"), NAME)):
        return None
    kind = _words(item.get("kind"), NAME).lower()
    gloss = _words(item.get("gloss") or item.get("description"), SENTENCE)
    return Entity(kind if kind in KINDS else "other", name, gloss, _time(item.get("from")), _time(item.get("to")))


def _step(item: Any) -> str | None:
    if isinstance(item, dict):
        item = item.get("event") or item.get("text") or item.get("description")
    return _words(item, SENTENCE) or None


def _relation(item: Any) -> tuple[str, str, str] | None:
    if isinstance(item, dict):
        item = [item.get(name) for name in ("subject", "verb", "object")]
    if not isinstance(item, list) or len(item) != 3:
        return None
    subject, verb, thing = (_words(part, NAME) for part in item)
    return (subject, verb, thing) if subject and verb and thing else None


def _words(value: Any, most: int) -> str:
    """Text on one line; empty for anything that is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return ""
    printable = "".join(letter if letter.isprintable() else " " for letter in value)
    return " ".join(printable.split())[:most].strip()


def _time(value: Any) -> float | None:
    """Seconds from a number, `12.5`, or a clock."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and (match := _CLOCK.fullmatch(value.strip())):
        return float(match[1] or 0) * 3600 + float(match[2]) * 60 + float(match[3])
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < 1e9 else None
