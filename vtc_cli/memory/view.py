"""A memory as it was at a moment: what had been seen until then, and nothing that came later.

A row is visible when only frames shown until the moment went into it. What the end of the video closed is whole where
that end is known: without a moment, and from the end of a complete memory on. While watching, nobody knows that the end
has come.
"""

from __future__ import annotations

from dataclasses import dataclass

from vtc_cli.memory.rows import (
    ClipRow,
    ConceptRow,
    EventRow,
    FrameRow,
    MentionRow,
    ProtoRow,
    RelationRow,
    RevisitRow,
    SubtitleRow,
)
from vtc_cli.memory.store import MemoryStore


@dataclass(frozen=True)
class OpenClip:
    """The clip that was running at the moment. t0: its beginning; t1: the moment, or the video's end before it."""

    t0: float
    t1: float


def as_of(store: MemoryStore, at: float | None) -> float | None:
    """The moment that a question is about; None for the whole video, which is also what lies at or beyond its end, once
    a memory is complete."""
    if at is None or (store.complete and at >= (store.reaches or 0.0)):
        return None
    return at


class MemoryView:
    """The rows of a store as of `at`; all of them for None. Made anew for each question: it reads them once.

    at: the moment, as `as_of` has it.
    """

    def __init__(self, store: MemoryStore, at: float | None = None):
        self.store = store
        self.at = as_of(store, at)
        self._clips: list[ClipRow] | None = None
        self._mentions: list[MentionRow] | None = None

    @property
    def duration(self) -> float:
        """Seconds known: of the video, or until the moment."""
        whole = self.store.reaches or 0.0
        return whole if self.at is None else min(whole, self.at)

    def clips(self) -> list[ClipRow]:
        """Clips that were over."""
        if self._clips is None:
            self._clips = self.store.rows(ClipRow, *self._seen("seen"), "id")
        return self._clips

    def events(self) -> list[EventRow]:
        """Events that were over, and with `at` the one that was open then, as far as its clips were over.

        The open one has no description, and its status is `open`.
        """
        if self.at is None:
            return self.store.rows(EventRow, "", (), "id")
        closed = self.store.rows(EventRow, "closed_at <= ?", (self.at,), "id")
        over = {event.id for event in closed}
        running = [clip for clip in self.clips() if clip.event_id is not None and clip.event_id not in over]
        if not running:
            return closed
        first = running[0].event_id
        t0, t1 = min(clip.t0 for clip in running), max(clip.t1 for clip in running)
        redundant = sum(clip.action == "DISCARD" for clip in running)
        assert first is not None
        return [*closed, EventRow(first, t0, t1, None, None, None, False, redundant, "open", None)]

    def open_clip(self) -> OpenClip | None:
        """The clip that was running at the moment; None without a moment."""
        if self.at is None:
            return None
        found = self.store.rows(ClipRow, "t0 <= ? AND (seen IS NULL OR seen > ?)", (self.at, self.at), "id")
        if found:
            return OpenClip(found[0].t0, min(self.at, found[0].t1))
        if self.store.complete:
            return None
        begun = self.store.reaches or 0.0  # still being watched: what runs is not stored yet
        return OpenClip(begun, self.at) if begun <= self.at else None

    def frames(self, event: int) -> list[FrameRow]:
        """Key frames of an event's visible clips, in time order."""
        ids = [clip.id for clip in self.clips() if clip.event_id == event]
        return self.frames_of(ids)

    def frames_of(self, clips: list[int]) -> list[FrameRow]:
        """Key frames of clips, in time order."""
        marks = ", ".join("?" * len(clips))
        return self.store.rows(FrameRow, f"clip_id IN ({marks})", clips, "pts") if clips else []

    def frame_times(self) -> list[tuple[int, float]]:
        """(id, seconds) of every visible key frame, in time order; without their pictures, of which there are many."""
        clips = {clip.id for clip in self.clips()}
        found = self.store.all("SELECT id, pts, clip_id FROM frame ORDER BY pts, id")
        return [(number, pts) for number, pts, clip in found if clip in clips]

    def frames_by_id(self, ids: list[int]) -> list[FrameRow]:
        """These key frames, in time order."""
        marks = ", ".join("?" * len(ids))
        return self.store.rows(FrameRow, f"id IN ({marks})", ids, "pts") if ids else []

    def prototypes(self, event: EventRow) -> list[FrameRow]:
        """The key frames that stand for an event, heaviest first; of one that was open, those of its clips."""
        if event.status == "open":
            return self.frames(event.id)
        found = self.store.rows(ProtoRow, "event_id = ?", (event.id,), "weight DESC, rank")
        frames = {frame.id: frame for frame in self.frames(event.id)}
        return [frames[proto.frame_id] for proto in found if proto.frame_id in frames]

    def mentions(self) -> list[MentionRow]:
        """Mentions in events that were over."""
        if self._mentions is None:
            where, values = self._of_closed()
            self._mentions = self.store.rows(MentionRow, where, values, "id")
        return self._mentions

    def concepts(self) -> list[ConceptRow]:
        """Concepts that had been mentioned."""
        wanted = {mention.concept_id for mention in self.mentions()}
        return [concept for concept in self.store.rows(ConceptRow, "", (), "id") if concept.id in wanted]

    def aliases(self, concept: int) -> list[str]:
        """Names that a concept had been mentioned by, in order of appearance."""
        return list(dict.fromkeys(mention.name for mention in self.mentions() if mention.concept_id == concept))

    def relations(self) -> list[RelationRow]:
        """Relations in events that were over."""
        where, values = self._of_closed()
        return self.store.rows(RelationRow, where, values, "id")

    def revisits(self) -> list[RevisitRow]:
        """Revisits by events that were over."""
        where, values = self._of_closed()
        return self.store.rows(RevisitRow, where, values, "event_id, earlier_id")

    def subtitles(self, t0: float | None = None, t1: float | None = None) -> list[SubtitleRow]:
        """Subtitles that had begun, of a stretch [t0, t1)."""
        found = self.store.rows(SubtitleRow, "", (), "t0, id")
        last = min(value for value in (self.at, t1, float("inf")) if value is not None)
        return [row for row in found if (row.t0 < last or row.t0 == self.at) and (t0 is None or row.t1 > t0)]

    def _seen(self, column: str) -> tuple[str, tuple[float, ...]]:
        return ("", ()) if self.at is None else (f"{column} <= ?", (self.at,))

    def _of_closed(self) -> tuple[str, tuple[float, ...]]:
        if self.at is None:
            return "", ()
        return "event_id IN (SELECT id FROM event WHERE closed_at <= ?)", (self.at,)
