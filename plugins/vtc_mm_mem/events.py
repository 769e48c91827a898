"""Closing an event: its prototypes, one description in words, the concepts it mentions, the places it returns to.

Everything rests on rows that are stored, never on what is only in memory: an event described after a restart gets the
words it would have got without one. Descriptions do not depend on each other, so those of a group of events are
written together, when the last of them is over; each is then put down in a transaction of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vtc_cli import Frame
from vtc_cli.memory import (
    ClipRow,
    EventRow,
    FrameRow,
    MemoryStore,
    MentionRow,
    Narrator,
    Passage,
    ProtoRow,
    RelationRow,
    SubtitleRow,
    Task,
    decode_jpeg,
    unit,
)
from vtc_mm_mem.brief import Stretch, read_brief
from vtc_mm_mem.concepts import Concepts
from vtc_mm_mem.description import Description, Entity, read_description
from vtc_mm_mem.prototypes import evenly, medoids
from vtc_mm_mem.revisits import add_revisit
from vtc_mm_mem.wording import BRIEF, DESCRIBE, clock, filled, mention

PROTOTYPES = 4
MENTION_FRAMES = 4
SAID = 600  # characters of subtitles shown with an event
TOGETHER = 8
BRIEF_TOKENS = 128
"""Of a brief description: a dozen things. A small model that does not find an end is cut off here."""
TOLD = "told"  # in `meta`: what was written of a group whose events are being put down


@dataclass(frozen=True)
class Closing:
    """How events are closed. words: have them described; frames: shown to the narrator at most; tokens: of its answer;
    brief: asked in a few words about each clip, not at length about the event;
    alike: see `Concepts`; again: cosine of prototypes from which an event returns to an earlier one.

    together: events of a group. Which they are follows from their numbers alone, so that a restart changes nothing
    about a group, and what a batch does to a model's last bits is the same."""

    words: bool = True
    brief: bool = False
    frames: int = 8
    tokens: int = 256
    alike: float = 0.9
    again: float = 0.98
    together: int = TOGETHER


class Closer:
    """Describes the events of a store that are over."""

    def __init__(self, store: MemoryStore, narrator: Narrator, how: Closing):
        self._store = store
        self._narrator = narrator
        self._how = how

    def close_all(self, over: bool) -> None:
        """Close the events that wait for it, in order, each in a transaction of its own: those whose group is whole,
        and all of them when the video is over."""
        size = self._how.together if self._how.words else 1
        waiting = self._store.rows(EventRow, "status = 'closing'", (), "id")
        while waiting:
            group = (waiting[0].id - 1) // size
            events = [event for event in waiting if (event.id - 1) // size == group]
            if not over and events[-1].id != (group + 1) * size:
                return
            told = self._told(events)
            for event in events:
                self._close(event, told.get(event.id), last=event is events[-1])
            waiting = waiting[len(events) :]

    def _told(self, events: list[EventRow]) -> dict[int, list[str]]:
        """What the narrator writes of each event that is described, look by look; empty where it cannot.

        Kept until all of them are put down: after a restart the rest of a group gets the words it had.
        """
        store, narrator = self._store, self._narrator
        told = [event for event in events if self._how.words and not event.low_info]
        kept = store.get(TOLD)
        if kept is None:
            kept = {str(event.id): [] for event in told}
            asked: list[str] = []

            def tasks() -> Iterator[Task]:
                for event in told:
                    for task in self._tasks(event):
                        asked.append(str(event.id))
                        yield task

            limit = min(self._how.tokens, BRIEF_TOKENS) if self._how.brief else self._how.tokens
            for number, one in zip(asked, narrator.write_all(tasks(), limit=limit) if told else [], strict=True):
                kept[number].append(one.text if one else "")
            if len(told) > 1:
                with store.transaction():
                    store.set(TOLD, kept)
        return {event.id: kept[str(event.id)] for event in told}

    def _tasks(self, event: EventRow) -> Iterator[Task]:
        """What the narrator is asked about an event: once at length, or briefly about each of its stretches."""
        most = self._how.frames
        if self._how.brief:
            for _, frames in self._stretches(event):
                yield Task(pictures([frames[place] for place in evenly(len(frames), most)]), BRIEF)
            return
        frames, said = self._frames(event), self._said(event)
        words = " ".join(row.text for row in said)[:SAID]
        prompt = filled(
            DESCRIBE,
            "",
            {
                "start": clock(event.t0),
                "end": clock(event.t1),
                "t0": f"{event.t0:.1f}",
                "t1": f"{event.t1:.1f}",
                "said": f'\nIt is said meanwhile: "{words}"' if words else "",
                "heard": " or heard" if words else "",
            },
        )
        yield Task(pictures([frames[place] for place in evenly(len(frames), most)]), prompt)

    def _stretches(self, event: EventRow) -> list[tuple[Stretch, list[FrameRow]]]:
        """The event, cut where a clip begins that has key frames. Clips without any show nothing new: they go on with
        what was there before them."""
        clips = self._store.rows(ClipRow, "event_id = ?", (event.id,), "t0, id")
        frames = [self._store.rows(FrameRow, "clip_id = ?", (clip.id,), "pts") for clip in clips]
        having = [(clip.t0, rows) for clip, rows in zip(clips, frames, strict=True) if rows]
        starts = [event.t0, *(t0 for t0, _ in having[1:]), event.t1]
        return [((starts[place], starts[place + 1]), rows) for place, (_, rows) in enumerate(having)]

    def _said(self, event: EventRow) -> list[SubtitleRow]:
        return self._store.rows(SubtitleRow, "t0 < ? AND t1 > ?", (event.t1, event.t0), "t0, id")

    def _frames(self, event: EventRow) -> list[FrameRow]:
        clips = [row.id for row in self._store.rows(ClipRow, "event_id = ?", (event.id,), "id")]
        marks = ", ".join("?" * len(clips))
        return self._store.rows(FrameRow, f"clip_id IN ({marks})", clips, "pts")

    def _read(self, event: EventRow, texts: list[str]) -> Description:
        if not self._how.brief:
            return read_description(texts[0])
        return read_brief([when for when, _ in self._stretches(event)], texts)

    def _close(self, event: EventRow, texts: list[str] | None, last: bool) -> None:
        """texts: what was written of it, None where nothing was to be. last: of those that were written together."""
        store, frames = self._store, self._frames(event)
        told = None if texts is None else self._read(event, texts)
        with store.transaction():
            vectors = [frame.emb for frame in frames if frame.emb is not None]
            for rank, (place, weight) in enumerate(medoids(vectors, PROTOTYPES)):
                store.add(ProtoRow(event.id, rank, frames[place].id, weight))
            add_revisit(store, event, self._how.again)
            status = "undescribed" if told is None else "described" if told.valid else "no_schema"
            centre = unit(np.mean(vectors, axis=0)) if vectors else None
            store.run(
                "UPDATE event SET summary = ?, events_json = ?, status = ?, emb = ? WHERE id = ?",
                (
                    told.summary if told else None,
                    json.dumps(told.steps, ensure_ascii=False) if told else None,
                    status,
                    None if centre is None else centre.astype("<f2").tobytes(),
                    event.id,
                ),
            )
            if told is not None:
                self._remember(event, frames, told)
            if last:
                store.run("DELETE FROM meta WHERE key = ?", (TOLD,))

    def _remember(self, event: EventRow, frames: list[FrameRow], told: Description) -> None:
        store, narrator = self._store, self._narrator
        if told.summary:
            self._passage("event", event.id, event.t0, event.t1, event.closed_at, told.summary)
        for place, step in enumerate(told.steps):
            t0, t1 = told.when[place] if told.when else (event.t0, event.t1)
            self._passage("step", event.id, t0, t1, event.closed_at, step)
        # Whoever is mentioned at several times of one event is one, and those listed side by side are several.
        each = list(dict.fromkeys((entity.kind, entity.name, entity.which) for entity in told.entities))
        concepts = Concepts(store, self._how.alike).of_event(
            [(kind, name, narrator.embed(name)) for kind, name, _ in each]
        )
        known = dict(zip(each, concepts, strict=True))
        for entity in told.entities:
            concept = known[entity.kind, entity.name, entity.which]
            t0, t1 = _within(entity, event)
            seen = [frame.id for frame in frames if t0 <= frame.pts < t1][:MENTION_FRAMES]
            number = store.next_id(MentionRow)
            store.add(MentionRow(number, concept, event.id, entity.name, t0, t1, entity.gloss, json.dumps(seen)))
            self._passage("mention", number, t0, t1, event.closed_at, mention(entity.name, entity.gloss))
        for subject, verb, thing in told.relations:
            number = store.next_id(RelationRow)
            store.add(RelationRow(number, subject, verb, thing, event.id, event.t0, event.t1))

    def _passage(self, kind: str, ref: int, t0: float, t1: float, seen: float | None, body: str) -> None:
        number = self._store.next_id(Passage)
        self._store.add(Passage(number, kind, ref, t0, t1, seen, body, self._narrator.embed(body)))


def pictures(frames: list[FrameRow]) -> list[Frame]:
    """Stored key frames as frames, those without a picture left out."""
    return [Frame(frame.pts, decode_jpeg(frame.jpeg)) for frame in frames if frame.jpeg is not None]


def _within(entity: Entity, event: EventRow) -> tuple[float, float]:
    """The entity's interval inside the event; the event's own where none was said, or none that makes sense."""
    t0 = event.t0 if entity.t0 is None else min(max(entity.t0, event.t0), event.t1)
    t1 = event.t1 if entity.t1 is None else min(max(entity.t1, event.t0), event.t1)
    return (t0, t1) if t1 > t0 else (event.t0, event.t1)
