"""The evidence of each stage of a search: which rows of the memory, which words, which pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from vtc_cli import Frame
from vtc_cli.memory import (
    ClipRow,
    EventRow,
    Hit,
    Inquiry,
    Interval,
    MemoryView,
    MentionRow,
    Recall,
    SubtitleRow,
    When,
    anchored,
    search,
    when,
)
from vtc_mm_mem.covering import looks_at, named_in
from vtc_mm_mem.noting import Bearing, Line, Notes, joint
from vtc_mm_mem.prototypes import evenly
from vtc_mm_mem.resting import overlap
from vtc_mm_mem.sources import Pictures

GLANCE_FRAMES = 32
EVENTS, EVENT_FRAMES, SYMBOLIC_FRAMES = 5, 2, 10
CLOSE_EVENTS, CLOSE_FRAMES = 2, 32
CLIPS = 3
KEPT_FRAMES, CLOSELY = 8, 24
DIRECT = 3
HITS = 24
HOP = 0.05  # how much an event bears on a question for sharing a concept with one that was found
NAMED = 0.5  # and for lying where the question says


@dataclass(frozen=True)
class Evidence:
    """What is shown to the narrator. lines: the words of one row each. intervals: what it rests on.
    detail: at full resolution. note: what is particular about it."""

    lines: tuple[Line, ...]
    frames: tuple[Frame, ...]
    intervals: tuple[Interval, ...]
    detail: bool = False
    note: str | None = None


class Gathering:
    """Finds evidence in what was known at the moment of an inquiry."""

    def __init__(self, inquiry: Inquiry, using: Recall):
        self.view = MemoryView(using.store, inquiry.at)
        self.pictures = Pictures(self.view, using)
        self.events = {event.id: event for event in self.view.events()}
        self.clips = self.view.clips()
        self.when: When = when(inquiry.question, self.view.duration)
        if not self.when.bounded:
            named = anchored(using.store, inquiry.question, order=self.when.order, at=self.view.at)
            self.when = named or self.when
        self._mentions = {mention.id: mention for mention in self.view.mentions()}
        self._store = using.store
        self._question = inquiry.question
        self._embed = using.narrator.embed if using.store.get("embedder") == using.narrator.embedder else None
        self.hits = self.find(inquiry.question)
        self._bearing = Bearing(self.hits)
        self._notes = Notes(using.store, self.view, inquiry.question, self._bearing)

    def find(self, question: str, most: int = HITS) -> list[Hit]:
        """Passages for a question within its time words. Vectors count only in the space the memory was made in."""
        vector = self._embed(question) if self._embed is not None else None
        return search(self._store, question, vector, when=self.when, at=self.view.at, most=most)

    def glance(self) -> Evidence:
        """S0: key frames of the whole video, and what runs at the moment."""
        now = self.pictures.running()
        known = self.view.frame_times()
        known = [item for item in known if self.when.meets(item[1], item[1] + 1e-3)] or known
        chosen = [known[place][0] for place in evenly(len(known), GLANCE_FRAMES - len(now))]
        stored = self.pictures.stored(self.view.frames_by_id(chosen))
        frames = sorted([*stored, *now], key=lambda frame: frame.time)
        return Evidence((), tuple(frames), (), note="from key frames")

    def in_sight(self, frames: Sequence[Frame]) -> bool:
        """Whether frames show a clip of each thing that the question names and something is written about.

        Of an hour, thirty pictures show next to nothing of what lasts for seconds; where a memory says when it was
        there, whoever looks elsewhere has not seen it. What nothing is written about may be anywhere.
        """
        named = named_in(self.clips, self.hits, self._question)
        seen = [clip for clip in self.clips if any(clip.t0 <= frame.time < clip.t1 for frame in frames)]
        return frozenset().union(*named.values()) <= frozenset().union(*(named[clip.id] for clip in seen))

    def symbolic(self) -> Evidence:
        """S1: what is known in words about the events that a question is about, and two pictures of each."""
        ranked = self.ranked_events()[:EVENTS]
        ids = {event.id for event in ranked}
        mentions = [mention for mention in self._mentions.values() if mention.event_id in ids]
        lines = [*self._notes.appearances(), *self._notes.steps(), *self._notes.events(ranked)]
        lines += self._notes.mentions(mentions)
        lines += [*self._notes.subtitles(self._said()), *self._notes.relations(ids)]
        lines += self._notes.revisits(ranked, self.events)
        rows = [row for event in ranked for row in self.view.prototypes(event)[:EVENT_FRAMES]][:SYMBOLIC_FRAMES]
        frames = self.pictures.stored(sorted(rows, key=lambda row: row.pts))
        if any(event.status == "open" for event in ranked) or not frames:
            frames = [*frames, *self.pictures.running()]
        return Evidence(tuple(lines), _in_order(frames), tuple(map(interval, ranked)))

    def close_events(self) -> list[EventRow]:
        """Candidates for S2, best first: those of S1, and the best by their own descriptions alone."""
        direct = [hit for hit in self.hits if hit.passage.kind in ("event", "step")][:DIRECT]
        extra = [self.events[hit.passage.ref] for hit in direct if hit.passage.ref in self.events]
        return list({event.id: event for event in [*self.ranked_events()[:EVENTS], *extra]}.values())

    def few_frames(self, event: EventRow, most: int = KEPT_FRAMES) -> list[Frame]:
        """A look at one event, for judging whether it matters."""
        rows = self.view.frames(event.id)
        frames = self.pictures.stored([rows[place] for place in evenly(len(rows), most)])
        return frames or self.pictures.running()

    def episodic(self, events: Sequence[EventRow]) -> Evidence:
        """S2: the descriptions of a few events, and many of their pictures."""
        frames: list[Frame] = []
        for event in events:
            frames += self.few_frames(event, CLOSE_FRAMES // max(1, len(events)))
        lines = [*self._notes.events(events, steps=True), *self._notes.subtitles(self._between(events))]
        return Evidence(tuple(lines), _in_order(frames), tuple(map(interval, events)))

    def close_clips(self, events: Sequence[EventRow]) -> list[list[ClipRow]]:
        """What S3 looks at, one group after the other, best first: clips of the events, the best one anywhere, and the
        best few for each thing that the question names.

        A clip that repeats what was shown before is worth a look only where the question names its time.
        """
        ids = {event.id for event in events}
        worth = [clip for clip in self.clips if self._worth(clip)]
        mine = [clip for clip in worth if clip.event_id in ids]
        mine = [clip for clip in mine if self.when.meets(clip.t0, clip.t1)] or mine
        found = list({clip.id: clip for hit in self.hits for clip in worth if overlap(hit, clip)}.values())
        named = named_in(worth, self.hits, self._question)
        things = sorted({thing for things in named.values() for thing in things})
        shown = [clip for thing in things for clip in [clip for clip in found if thing in named[clip.id]][:CLIPS]]
        chosen = {clip.id: clip for clip in [*found[:1], *shown, *mine]}
        scores = {
            number: joint(bearing for hit, bearing in self._bearing.hits if overlap(hit, clip))
            for number, clip in chosen.items()
        }
        ordered = sorted(chosen.values(), key=lambda clip: clip.t0, reverse=self.when.order == "last")
        ordered.sort(key=lambda clip: (-len(named[clip.id]), -scores[clip.id]))
        return looks_at(ordered, named, CLIPS)

    def runs(self) -> bool:
        """Whether a clip was running at the moment asked about, which the question may be about."""
        running = self.view.open_clip()
        return running is not None and self.when.meets(running.t0, running.t1 + 1e-3)

    def sensory(self, clips: Sequence[ClipRow]) -> Evidence:
        """S3: clips decoded again at full detail, and every word said in them. No clips: the one that is running."""
        running = self.view.open_clip()
        if not clips and running is not None:
            here = Interval("clip", None, running.t0, running.t1)
            return Evidence((), _in_order(self.pictures.running()), (here,), detail=True)
        frames: list[Frame] = []
        for clip in clips:
            frames += self.pictures.closely(clip.t0, clip.t1, close_frames(clip, len(clips)))
        note = None
        if not frames:
            frames = [frame for clip in clips for frame in self.pictures.of_clip(clip, KEPT_FRAMES)]
            note = "the video was not at hand: stored key frames were looked at"
        said = [row for clip in clips for row in self.view.subtitles(clip.t0, clip.t1)]
        lines = self._notes.subtitles(list({row.id: row for row in said}.values()))
        found = [Interval("clip", clip.id, clip.t0, clip.t1) for clip in clips]
        return Evidence(tuple(lines), _in_order(frames), tuple(found), detail=True, note=note)

    def ranked_events(self) -> list[EventRow]:
        """Events a question may be about, best first: by what is written about them, by the concepts they share with
        those, and by the times the question names."""
        bearings: dict[int, list[float]] = defaultdict(list)
        for hit, bearing in self._bearing.hits:
            for number in self._events_of(hit):
                bearings[number].append(bearing)
        for number in set(self._one_hop()):
            bearings[number].append(HOP)
        if self.when.bounded or not bearings:
            for event in self.events.values():
                if self.when.meets(event.t0, event.t1) and not event.low_info:
                    bearings[event.id].append(NAMED)
        scores = {number: joint(some) for number, some in bearings.items()}
        known = [event for event in self.events.values() if scores.get(event.id, 0.0) > 0]
        known = [event for event in known if self.when.meets(event.t0, event.t1)] or list(self.events.values())
        sign = -1.0 if self.when.order == "last" else 1.0
        return sorted(known, key=lambda event: (-scores.get(event.id, 0.0), sign * event.t0))

    def mention_of(self, hit: Hit) -> MentionRow | None:
        """The mention a passage is about."""
        return self._mentions.get(hit.passage.ref) if hit.passage.kind == "mention" else None

    def _events_of(self, hit: Hit) -> list[int]:
        passage = hit.passage
        if passage.kind in ("event", "step"):
            return [passage.ref] if passage.ref in self.events else []
        if passage.kind == "mention":
            mention = self._mentions.get(passage.ref)
            return [mention.event_id] if mention is not None else []
        return [event.id for event in self.events.values() if event.t0 < passage.t1 and event.t1 > passage.t0]

    def _one_hop(self) -> Iterable[int]:
        """Other events of the concepts that a question names."""
        named = [mention for hit in self.hits[:5] if (mention := self.mention_of(hit)) is not None and hit.words]
        concepts = {mention.concept_id for mention in named}
        return [row.event_id for row in self._mentions.values() if row.concept_id in concepts and row not in named]

    def _said(self) -> list[SubtitleRow]:
        wanted = {hit.passage.ref for hit in self.hits if hit.passage.kind == "subtitle"}
        return [row for row in self.view.subtitles() if row.id in wanted]

    def _between(self, events: Sequence[EventRow]) -> list[SubtitleRow]:
        found = [row for event in events for row in self.view.subtitles(event.t0, event.t1)]
        return list({row.id: row for row in found}.values())

    def _worth(self, clip: ClipRow) -> bool:
        return clip.action != "DISCARD" or (self.when.bounded and self.when.meets(clip.t0, clip.t1))


def interval(event: EventRow) -> Interval:
    return Interval("event", event.id, event.t0, event.t1)


def close_frames(clip: ClipRow, together: int) -> int:
    """How many frames of a clip are looked at: one a second, as models read films; two of a short one, and no more than
    its part of a look. together: clips of this look."""
    return max(2, min(CLOSELY // together, ceil(clip.t1 - clip.t0)))


def trimmed(evidence: Evidence, most: int) -> Evidence:
    """With at most `most` of its frames, spread evenly."""
    frames = evidence.frames
    return replace(evidence, frames=tuple(frames[place] for place in evenly(len(frames), most)))


def _in_order(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    return tuple({frame.time: frame for frame in sorted(frames, key=lambda frame: frame.time)}.values())
