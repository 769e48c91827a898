"""A memory over time, as plain values: what was taken in when, what became one event, who and what occurs when."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from vtc_cli.memory.rows import ClipRow, ConceptRow, EventRow, FrameRow, MentionRow, ProtoRow, RevisitRow, SubtitleRow
from vtc_cli.memory.store import MemoryStore

Span = tuple[float, float]


@dataclass(frozen=True)
class ClipSpan:
    """[t0, t1) seconds. action: what the manager decided. event: id, None for noise. frames: key frames, seconds."""

    id: int
    t0: float
    t1: float
    action: str
    event: int | None
    frames: tuple[float, ...]


@dataclass(frozen=True)
class EventSpan:
    """[t0, t1) seconds. summary: empty where there is none. low_info: there is nothing to see. clips: ids.
    earlier: events that showed the same before."""

    id: int
    t0: float
    t1: float
    status: str
    low_info: bool
    summary: str
    clips: tuple[int, ...]
    earlier: tuple[int, ...]


@dataclass(frozen=True)
class ConceptSpans:
    """Who or what, and when it occurs: [t0, t1) seconds of every mention, ascending."""

    id: int
    kind: str
    name: str
    mentions: tuple[Span, ...]


@dataclass(frozen=True)
class Timeline:
    """Everything of a memory that has a time. end: seconds until which the video is in it. concepts: by first mention.

    pictures: event id -> JPEG of the key frame that stands for most of it, where pictures are stored.
    """

    end: float
    complete: bool
    clips: tuple[ClipSpan, ...]
    events: tuple[EventSpan, ...]
    concepts: tuple[ConceptSpans, ...]
    subtitles: tuple[Span, ...]
    pictures: dict[int, bytes]

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it; pictures are left out."""
        told = asdict(self)
        del told["pictures"]
        return told


def timeline_of(store: MemoryStore) -> Timeline:
    """Everything of a memory that has a time."""
    times: dict[int, list[float]] = {}
    for clip_id, pts in store.all("SELECT clip_id, pts FROM frame ORDER BY pts"):  # without their pictures
        times.setdefault(clip_id, []).append(pts)
    clips = tuple(
        ClipSpan(clip.id, clip.t0, clip.t1, clip.action, clip.event_id, tuple(times.get(clip.id, ())))
        for clip in store.rows(ClipRow, "", (), "t0, id")
    )
    of_event: dict[int, list[int]] = {}
    for clip in clips:
        if clip.event is not None:
            of_event.setdefault(clip.event, []).append(clip.id)
    earlier: dict[int, list[int]] = {}
    for row in store.rows(RevisitRow, "", (), "event_id, earlier_id"):
        earlier.setdefault(row.event_id, []).append(row.earlier_id)
    events = tuple(
        EventSpan(
            event.id,
            event.t0,
            event.t1,
            event.status,
            bool(event.low_info),
            event.summary or "",
            tuple(of_event.get(event.id, ())),
            tuple(earlier.get(event.id, ())),
        )
        for event in store.rows(EventRow, "", (), "t0, id")
    )
    mentions: dict[int, list[Span]] = {}
    for mention in store.rows(MentionRow, "", (), "t0, t1, id"):
        mentions.setdefault(mention.concept_id, []).append((mention.t0, mention.t1))
    concepts = sorted(
        (
            ConceptSpans(row.id, row.kind, row.name, tuple(mentions.get(row.id, ())))
            for row in store.rows(ConceptRow, "", (), "id")
        ),
        key=lambda concept: (concept.mentions[0][0] if concept.mentions else float("inf"), concept.id),
    )
    return Timeline(
        store.reaches or 0.0,
        store.complete,
        clips,
        events,
        tuple(concepts),
        tuple((row.t0, row.t1) for row in store.rows(SubtitleRow, "", (), "t0, id")),
        _pictures(store),
    )


def _pictures(store: MemoryStore) -> dict[int, bytes]:
    found = {}
    for proto in store.rows(ProtoRow, "", (), "event_id, weight DESC, rank"):
        if proto.event_id in found:
            continue
        frames = store.rows(FrameRow, "id = ?", (proto.frame_id,))
        if frames and frames[0].jpeg:
            found[proto.event_id] = frames[0].jpeg
    return found
