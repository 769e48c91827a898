"""The rows of a memory as plain frozen values. Field names are the columns of `tables.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Action = Literal["ADD_NEW", "MERGE", "DISCARD"]
Kind = Literal["person", "object", "animal", "place", "action", "text", "other"]
KINDS: tuple[Kind, ...] = ("person", "object", "animal", "place", "action", "text", "other")

OPEN, CLOSING, DESCRIBED, NO_SCHEMA, UNDESCRIBED = "open", "closing", "described", "no_schema", "undescribed"
"""States of an event: it goes on; over, and not yet described; described; described, though not as it should be;
over, and no description was wanted."""


@dataclass(frozen=True)
class ClipRow:
    """A short stretch of video. [t0, t1) seconds.

    cut: it began with a change of scene. luma_std: of the key frame that shows most. n_frames: watched in it.
    text: what was said meanwhile. action, action_reason: what the manager decided, and by which rule; tau: its merge
    threshold then. event_id: None for noise. seen: see `tables`. emb: unit vector [d].
    """

    id: int
    t0: float
    t1: float
    cut: bool
    luma_std: float
    n_frames: int
    text: str | None
    action: Action
    action_reason: str
    tau: float
    event_id: int | None
    seen: float | None
    emb: np.ndarray


@dataclass(frozen=True)
class FrameRow:
    """A key frame. pts: seconds. diff: mean absolute difference to the frame watched before, 0..255."""

    id: int
    clip_id: int
    pts: float
    diff: float
    width: int
    height: int
    jpeg: bytes | None
    emb: np.ndarray | None


@dataclass(frozen=True)
class EventRow:
    """Consecutive clips that belong together. closed_at: the end of the clip that closed it; None while it is open,
    and where the video's end closed it."""

    id: int
    t0: float
    t1: float
    closed_at: float | None
    summary: str | None
    events_json: str | None
    low_info: bool
    n_redundant: int
    status: str
    emb: np.ndarray | None


@dataclass(frozen=True)
class ProtoRow:
    """A key frame that stands for part of an event. weight: how many key frames it stands for."""

    event_id: int
    rank: int
    frame_id: int
    weight: int


@dataclass(frozen=True)
class CoverageRow:
    """[t0, t1) belongs to one event, or to none (noise). All rows together partition the video."""

    t0: float
    t1: float
    event_id: int | None


@dataclass(frozen=True)
class ConceptRow:
    """Someone or something that occurs. name: as first mentioned."""

    id: int
    kind: str
    name: str
    emb: np.ndarray | None


@dataclass(frozen=True)
class AliasRow:
    """A name that a concept was mentioned by."""

    concept_id: int
    name: str


@dataclass(frozen=True)
class MentionRow:
    """A concept in an event. [t0, t1) lies within the event. frame_ids: JSON list of key frames."""

    id: int
    concept_id: int
    event_id: int
    name: str
    t0: float
    t1: float
    gloss: str
    frame_ids: str


@dataclass(frozen=True)
class RelationRow:
    """Who does what to whom, as the description of an event says."""

    id: int
    subj: str
    verb: str
    obj: str
    event_id: int
    t0: float
    t1: float


@dataclass(frozen=True)
class RevisitRow:
    """An event that shows again what an earlier one showed. cos: of their most alike prototypes."""

    event_id: int
    earlier_id: int
    cos: float


@dataclass(frozen=True)
class SubtitleRow:
    """What was said or written over the picture. [t0, t1) seconds."""

    id: int
    t0: float
    t1: float
    text: str


@dataclass(frozen=True)
class SnapshotRow:
    """See `snapshot`. t: seconds. path: in the memory's folder. tokens: entries of a layer. sha: digest of the file."""

    t: float
    path: str
    tokens: int
    dtype: str
    model_key: str
    sha: str


@dataclass(frozen=True)
class Passage:
    """Text that can be searched. kind: `event`, `step`, `mention`, `subtitle`; ref: id in that table (`step`: the
    event's). seen: see `tables`. emb: as the embedder makes it, not normalised."""

    id: int
    kind: str
    ref: int
    t0: float
    t1: float
    seen: float | None
    body: str
    emb: np.ndarray | None


TABLE_OF: dict[type, str] = {
    ClipRow: "clip",
    FrameRow: "frame",
    EventRow: "event",
    ProtoRow: "event_proto",
    CoverageRow: "coverage",
    ConceptRow: "concept",
    AliasRow: "alias",
    MentionRow: "mention",
    RelationRow: "relation",
    RevisitRow: "revisit",
    SubtitleRow: "subtitle",
    SnapshotRow: "kv_snapshot",
    Passage: "passage",
}
