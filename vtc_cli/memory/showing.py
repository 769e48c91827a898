"""Memories for people: what is in one, one row of it, all of it as JSON, as an outline, or as subtitles of events."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from vtc_cli.errors import UsageError
from vtc_cli.memory.rows import (
    OPEN,
    AliasRow,
    ClipRow,
    ConceptRow,
    CoverageRow,
    EventRow,
    FrameRow,
    MentionRow,
    ProtoRow,
    RelationRow,
    RevisitRow,
    SubtitleRow,
)
from vtc_cli.memory.snapshot import snapshot_bytes, snapshot_of
from vtc_cli.memory.store import MemoryStore
from vtc_cli.memory.view import MemoryView
from vtc_cli.video.timecode import format_time

LEVELS: dict[str, type[Any]] = {
    "event": EventRow,
    "clip": ClipRow,
    "frame": FrameRow,
    "concept": ConceptRow,
    "mention": MentionRow,
    "relation": RelationRow,
    "subtitle": SubtitleRow,
}
DIGITS = 18  # more than a row's number can have
COUNTED = ("clip", "frame", "event", "concept", "mention", "relation", "subtitle")


def facts_of(store: MemoryStore, at: float | None = None) -> dict[str, Any]:
    """What is in a memory, in numbers. at: what of it was known then; None for all."""
    snapshot, view = snapshot_of(store), MemoryView(store, at)
    if view.at is None:
        counts = {name: int((store.one(f"SELECT COUNT(*) FROM {name}") or (0,))[0]) for name in COUNTED}
    else:
        counts = {name: len(_known(view, name)) for name in COUNTED}
    return {
        "path": str(store.path),
        "source": store.get("source"),
        "complete": store.complete,
        "damaged": store.get("damage") is not None,
        "duration": store.reaches if view.at is None else view.duration,
        "bytes": store.path.stat().st_size,
        "snapshot_tokens": snapshot.tokens if snapshot is not None else None,
        "snapshot_bytes": snapshot_bytes(store),
        **{f"{name}s": count for name, count in counts.items()},
        "settings": store.get("settings", {}),
    }


def row_of(store: MemoryStore, name: str, at: float | None = None) -> dict[str, Any]:
    """The row that `event:3` names, with what belongs to it. at: as it was known then; None for all that is known.
    Raises UsageError for one that is not there, or was not yet."""
    level, _, number = name.partition(":")
    if level not in LEVELS or not (number.isascii() and number.isdigit() and len(number) <= DIGITS):
        raise UsageError(f"{name!r} names no row", f"write LEVEL:ID with a level of {', '.join(LEVELS)}, like event:3")
    view, wanted = MemoryView(store, at), int(number)
    shown = {"level": level, **plain(store, _found(view, level, wanted))}
    if level == "event":
        shown["clips"] = [row.id for row in view.clips() if row.event_id == wanted]
        shown["mentions"] = [row.id for row in view.mentions() if row.event_id == wanted]
        shown["revisits"] = [row.earlier_id for row in view.revisits() if row.event_id == wanted]
    if level == "clip":
        shown["frames"] = [row.id for row in view.frames_of([wanted])]
    if level == "concept":
        names = [row.name for row in store.rows(AliasRow, "concept_id = ?", (wanted,), "rowid")]
        shown["aliases"] = names if view.at is None else view.aliases(wanted)
        shown["mentions"] = [row.id for row in view.mentions() if row.concept_id == wanted]
    return shown


def plain(store: MemoryStore, row: object) -> dict[str, Any]:
    """A row as JSON can hold it: vectors and pictures as their sizes, JSON texts as what they say."""
    shown: dict[str, Any] = {}
    for item in fields(row):  # type: ignore[arg-type]
        value = getattr(row, item.name)
        if isinstance(value, np.ndarray):
            continue
        if isinstance(value, bytes):
            shown["jpeg_bytes"] = len(value)
        elif item.name in ("events_json", "frame_ids"):
            shown[item.name.removesuffix("_json")] = store.parsed(value) if value else None
        else:
            shown[item.name] = value
    return shown


def as_json(store: MemoryStore) -> str:
    """Everything but vectors and pictures."""
    parts: dict[str, type[Any]] = {
        "events": EventRow,
        "clips": ClipRow,
        "frames": FrameRow,
        "prototypes": ProtoRow,
        "coverage": CoverageRow,
        "concepts": ConceptRow,
        "aliases": AliasRow,
        "mentions": MentionRow,
        "relations": RelationRow,
        "revisits": RevisitRow,
        "subtitles": SubtitleRow,
    }
    found: Mapping[str, Any] = {name: [plain(store, row) for row in store.rows(kind)] for name, kind in parts.items()}
    return json.dumps({**facts_of(store), **found}, indent=2, ensure_ascii=False)


def as_markdown(store: MemoryStore, at: float | None = None) -> str:
    """An outline: events with what happens in them, then who and what occurs when. at: as it was known then; None for
    all that is known."""
    view = MemoryView(store, at)
    lines = [f"# {store.get('source') or 'a video'}", "", "## Events", ""]
    for event in view.events():
        unsaid = "nothing to see" if event.low_info else "still going on" if event.status == OPEN else "no description"
        words = event.summary or unsaid
        lines.append(f"- **{_span(event.t0, event.t1)}** {words} (event:{event.id})")
        lines += [f"  - {step}" for step in store.parsed(event.events_json or "[]")]
    mentions: dict[int, list[MentionRow]] = defaultdict(list)
    for row in sorted(view.mentions(), key=lambda row: (row.t0, row.id)):
        mentions[row.concept_id].append(row)
    concepts = [row for row in store.rows(ConceptRow, "", (), "kind, id") if view.at is None or row.id in mentions]
    if concepts:
        lines += ["", "## Who and what", ""]
    for concept in concepts:
        times = ", ".join(_span(row.t0, row.t1) for row in mentions[concept.id])
        lines.append(f"- {concept.name} ({concept.kind}, concept:{concept.id}): {times}")
    return "\n".join(lines) + "\n"


def as_srt(store: MemoryStore) -> str:
    """Events as subtitles, so that any player shows them over the video."""
    cues: list[str] = []
    for event in store.rows(EventRow, "summary IS NOT NULL AND summary != ''", (), "id"):
        words = event.summary or ""
        cues.append(f"{len(cues) + 1}\n{_stamp(event.t0)} --> {_stamp(event.t1)}\n{words}\n")
    return "\n".join(cues)


FORMATS: dict[str, Callable[[MemoryStore], str]] = {"json": as_json, "md": as_markdown, "srt": as_srt}


def _known(view: MemoryView, level: str) -> list[int]:
    """The ids of what a view shows of a level; of frames without their pictures, of which there are many."""
    if level == "frame":
        return [number for number, _ in view.frame_times()]
    rows: dict[str, Callable[[], Sequence[Any]]] = {
        "event": view.events,
        "clip": view.clips,
        "concept": view.concepts,
        "mention": view.mentions,
        "relation": view.relations,
        "subtitle": view.subtitles,
    }
    return [row.id for row in rows[level]()]


def _found(view: MemoryView, level: str, number: int) -> Any:
    """A row as a view shows it. Raises UsageError where it does not."""
    kind, then = LEVELS[level], ""
    found: list[Any] = view.store.rows(kind, "id = ?", (number,))
    last = view.store.next_id(kind) - 1
    if view.at is not None:
        known, then = _known(view, level), f" as of {format_time(view.at)}"
        found, last = found if number in known else [], max(known, default=0)
        if level == "event":  # one that was open is not the row that was written when it closed
            found = [row for row in view.events() if row.id == number]
    if not found:
        hint = f"they go from 1 to {last}" if last else None
        raise UsageError(f"there is no {level} {number} in this memory{then}", hint)
    return found[0]


def _span(t0: float, t1: float) -> str:
    return f"{format_time(t0)} to {format_time(t1)}"


def _stamp(seconds: float) -> str:
    millis = round(seconds * 1000)
    whole, rest = divmod(millis, 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d},{rest:03d}"
