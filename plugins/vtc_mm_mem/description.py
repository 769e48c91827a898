"""What a narrator says of an event, read field by field: whatever it writes, something sane comes of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from vtc_cli.memory import KINDS

MOST_ENTITIES, MOST_STEPS, MOST_RELATIONS = 64, 32, 64
NAME, SENTENCE = 80, 400
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True)
class Entity:
    """kind: one of `KINDS`. t0, t1: seconds, None where nothing was said.

    which: tells apart those of one kind and name that were listed side by side: 0 for the first, 1 for the next.
    """

    kind: str
    name: str
    gloss: str = ""
    t0: float | None = None
    t1: float | None = None
    which: int = 0


@dataclass(frozen=True)
class Description:
    """valid: it was the JSON that was asked for, with at least a summary; else `summary` is what it wrote instead.

    when: (start, end) seconds of each step where that is known, empty where it is of none.
    """

    summary: str
    steps: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()
    relations: tuple[tuple[str, str, str], ...] = ()
    valid: bool = True
    when: tuple[tuple[float, float], ...] = ()


def read_description(text: str) -> Description:
    """The description in a narrator's words. Never raises: what does not hold is left out."""
    found = first_object(text)
    if found is None:
        return Description(instead(text), valid=False)
    entities = numbered(limited((_entity(item) for item in as_list(found.get("entities"))), MOST_ENTITIES))
    steps = tuple(limited((_step(item) for item in as_list(found.get("events"))), MOST_STEPS))
    relations = tuple(limited((_relation(item) for item in as_list(found.get("relations"))), MOST_RELATIONS))
    summary = one_line(found.get("summary"), SENTENCE)
    return Description(summary or " ".join(steps)[:SENTENCE], steps, entities, relations, bool(summary or steps))


def instead(text: str) -> str:
    """What was written in place of JSON, on one line; empty where there is no word in it."""
    said = one_line(text, SENTENCE)
    return said if re.search(r"\w", said) else ""


def numbered(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """The same, each told apart from those of its kind and name before it: what is listed twice are two."""
    before: Counter[tuple[str, str]] = Counter()
    found = []
    for entity in entities:
        key = (entity.kind, entity.name)
        found.append(replace(entity, which=before[key]))
        before[key] += 1
    return tuple(found)


def first_object(text: str) -> dict[str, Any] | None:
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


def as_list(value: Any) -> list[Any]:
    """A list as it is, anything else as the only item of one, nothing as none."""
    return value if isinstance(value, list) else [] if value is None else [value]


def limited(items: Iterator[Any], most: int) -> Iterator[Any]:
    """The first `most` items that are not None."""
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
        name = one_line(item, NAME)
        return Entity("other", name) if name else None
    if not isinstance(item, dict) or not (name := one_line(item.get("name"), NAME)):
        return None
    kind = one_line(item.get("kind"), NAME).lower()
    gloss = one_line(item.get("gloss") or item.get("description"), SENTENCE)
    return Entity(kind if kind in KINDS else "other", name, gloss, _time(item.get("from")), _time(item.get("to")))


def _step(item: Any) -> str | None:
    if isinstance(item, dict):
        item = item.get("event") or item.get("text") or item.get("description")
    return one_line(item, SENTENCE) or None


def _relation(item: Any) -> tuple[str, str, str] | None:
    if isinstance(item, dict):
        item = [item.get(name) for name in ("subject", "verb", "object")]
    if not isinstance(item, list) or len(item) != 3:
        return None
    subject, verb, thing = (one_line(part, NAME) for part in item)
    return (subject, verb, thing) if subject and verb and thing else None


def one_line(value: Any, most: int) -> str:
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
