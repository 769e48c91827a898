"""Memories for people: what is in one, one row of it, all of it as JSON, as an outline, or as subtitles of events."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from vtc_cli.errors import UsageError
from vtc_cli.memory.rows import (
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


def facts_of(store: MemoryStore) -> dict[str, Any]:
    """What is in a memory, in numbers."""
    snapshot = snapshot_of(store)
    counts = {name: int((store.one(f"SELECT COUNT(*) FROM {name}") or (0,))[0]) for name in COUNTED}
    return {
        "path": str(store.path),
        "source": store.get("source"),
        "complete": store.complete,
        "damaged": store.get("damage") is not None,
        "duration": store.reaches,
        "bytes": store.path.stat().st_size,
        "snapshot_tokens": snapshot.tokens if snapshot is not None else None,
        "snapshot_bytes": snapshot_bytes(store),
        **{f"{name}s": count for name, count in counts.items()},
        "settings": store.get("settings", {}),
    }


def row_of(store: MemoryStore, name: str) -> dict[str, Any]:
    """The row that `event:3` names, with what belongs to it. Raises UsageError for one that is not there."""
    level, _, number = name.partition(":")
    if level not in LEVELS or not (number.isascii() and number.isdigit() and len(number) <= DIGITS):
        raise UsageError(f"{name!r} names no row", f"write LEVEL:ID with a level of {', '.join(LEVELS)}, like event:3")
    found: list[Any] = store.rows(LEVELS[level], "id = ?", (int(number),))
    if not found:
        last = store.next_id(LEVELS[level]) - 1
        raise UsageError(f"there is no {level} {number} in this memory", f"they go from 1 to {last}" if last else None)
    shown = {"level": level, **plain(store, found[0])}
    if level == "event":
        shown["clips"] = _ids(store, "clip", "event_id", number)
        shown["mentions"] = _ids(store, "mention", "event_id", number)
        shown["revisits"] = [row.earlier_id for row in store.rows(RevisitRow, "event_id = ?", (number,), "earlier_id")]
    if level == "clip":
        shown["frames"] = _ids(store, "frame", "clip_id", number)
    if level == "concept":
        shown["aliases"] = [row.name for row in store.rows(AliasRow, "concept_id = ?", (number,), "rowid")]
        shown["mentions"] = _ids(store, "mention", "concept_id", number)
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


def as_markdown(store: MemoryStore) -> str:
    """An outline: events with what happens in them, then who and what occurs when."""
    lines = [f"# {store.get('source') or 'a video'}", "", "## Events", ""]
    for event in store.rows(EventRow, "", (), "id"):
        words = event.summary or ("nothing to see" if event.low_info else "no description")
        lines.append(f"- **{_span(event.t0, event.t1)}** {words} (event:{event.id})")
        lines += [f"  - {step}" for step in store.parsed(event.events_json or "[]")]
    concepts = store.rows(ConceptRow, "", (), "kind, id")
    if concepts:
        lines += ["", "## Who and what", ""]
    for concept in concepts:
        mentions = store.rows(MentionRow, "concept_id = ?", (concept.id,), "t0, id")
        times = ", ".join(_span(mention.t0, mention.t1) for mention in mentions)
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


def _ids(store: MemoryStore, table: str, column: str, number: str) -> list[int]:
    return [row[0] for row in store.all(f"SELECT id FROM {table} WHERE {column} = ? ORDER BY id", (int(number),))]


def _span(t0: float, t1: float) -> str:
    return f"{format_time(t0)} to {format_time(t1)}"


def _stamp(seconds: float) -> str:
    millis = round(seconds * 1000)
    whole, rest = divmod(millis, 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d},{rest:03d}"
