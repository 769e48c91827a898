"""What is known in words, as lines of notes, each with how much it bears on the question.

A search finds more than can be read: a model of a few million parameters answers worse behind sixty lines than behind
ten that matter. So lines are kept by what they bear on the question, and shown in order of time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

from vtc_cli.memory import EventRow, Hit, Interval, MemoryStore, MemoryView, MentionRow, SubtitleRow, terms
from vtc_mm_mem.wording import counted, mention, span

APART = 0.5  # seconds without something between two of its appearances


@dataclass(frozen=True)
class Line:
    """One line. time: seconds, for its place. bearing: on the question, 1 the most. source: the row it writes down,
    None where it sums up several."""

    time: float
    words: str
    bearing: float = 0.0
    source: Interval | None = None


class Bearing:
    """How much rows bear on a question, by their place in what was found: 1, 1/2, 1/3 and so on, 0 for the others.

    The scores of a rank fusion hardly differ between the first place and the tenth; added up, ten passing mentions in
    a long event would outweigh the one that says it all.
    """

    def __init__(self, hits: Sequence[Hit]):
        self.hits = [(hit, 1 / place) for place, hit in enumerate(hits, 1)]
        self._rows = {(hit.passage.kind, hit.passage.ref): bearing for hit, bearing in reversed(self.hits)}

    def of(self, kind: str, ref: int) -> float:
        """Of a row: the kind of its passages, its id."""
        return self._rows.get((kind, ref), 0.0)


def joint(bearings: Iterable[float]) -> float:
    """Of several rows together: the best counts whole, the next half, the next a quarter."""
    return sum(bearing / 2**place for place, bearing in enumerate(sorted(bearings, reverse=True)))


class Notes:
    """Writes the lines. question: whose concepts are summed up. view: what was known."""

    def __init__(self, store: MemoryStore, view: MemoryView, question: str, bearing: Bearing):
        self._store = store
        self._view = view
        self._asked = set(terms(question))
        self._bearing = bearing

    def events(self, events: Iterable[EventRow], steps: bool = False) -> list[Line]:
        """What events show; steps: and in which order."""
        lines = []
        for event in events:
            more = "; then ".join(self._store.parsed(event.events_json)) if steps and event.events_json else ""
            words = ". ".join(part for part in (event.summary, more) if part)
            if words:
                bearing = max(self._bearing.of("event", event.id), self._bearing.of("step", event.id))
                lines.append(_line("event", event.id, event.t0, event.t1, words, bearing))
        return lines

    def steps(self) -> list[Line]:
        """What was found of the course of events: what was there together, for seconds."""
        found = [(hit.passage, bearing) for hit, bearing in self._bearing.hits if hit.passage.kind == "step"]
        return [_line("event", one.ref, one.t0, one.t1, one.body, bearing) for one, bearing in found]

    def mentions(self, mentions: Sequence[MentionRow]) -> list[Line]:
        """Who and what is there, and when; what is there beside something found bears half as much as that."""
        found = [(row, bearing) for row in mentions if (bearing := self._bearing.of("mention", row.id)) > 0]
        return [
            _line(
                "mention",
                row.id,
                row.t0,
                row.t1,
                mention(row.name, row.gloss),
                max([self._bearing.of("mention", row.id), *(half / 2 for one, half in found if _beside(row, one))]),
            )
            for row in mentions
        ]

    def appearances(self) -> list[Line]:
        """How often, when first and when last the concepts appear that the question names."""
        rows: dict[int, list[MentionRow]] = defaultdict(list)
        for row in self._view.mentions():
            rows[row.concept_id].append(row)
        lines = []
        for concept in self._view.concepts():
            names = {row.name for row in rows[concept.id]}
            if any((words := set(terms(name))) and words <= self._asked for name in names):
                starts = appearances(rows[concept.id])
                lines.append(Line(starts[0], counted(concept.name, starts), 1.0))
        return lines

    def relations(self, events: Iterable[int]) -> list[Line]:
        """Who does what in events, by their ids."""
        ids = set(events)
        return [
            Line(row.t0, f"[{span(row.t0, row.t1)}] {row.subj} {row.verb} {row.obj}")
            for row in self._view.relations()
            if row.event_id in ids
        ]

    def revisits(self, events: Iterable[EventRow], known: Container[int]) -> list[Line]:
        """Which of these events show what an earlier one did. known: ids of the events that may be named."""
        begins = {event.id: event.t0 for event in events}
        return [
            Line(begins[row.event_id], f"event {row.event_id} returns to what event {row.earlier_id} showed")
            for row in self._view.revisits()
            if row.event_id in begins and row.earlier_id in known
        ]

    def subtitles(self, rows: Iterable[SubtitleRow]) -> list[Line]:
        """What was said."""
        return [
            _line("subtitle", row.id, row.t0, row.t1, f'said: "{row.text}"', self._bearing.of("subtitle", row.id))
            for row in rows
        ]


def appearances(mentions: Sequence[MentionRow]) -> list[float]:
    """When each appearance begins, seconds: mentions that follow each other are one."""
    starts, end = [], float("-inf")
    for row in sorted(mentions, key=lambda row: row.t0):
        if row.t0 > end + APART:
            starts.append(row.t0)
        end = max(end, row.t1)
    return starts


def most_telling(lines: Iterable[Line], room: int, count: Callable[[str], int]) -> list[Line]:
    """Lines within `room` tokens: those that bear most on the question, the shortest among equals; in order of time."""
    best: dict[tuple[float, str], Line] = {}
    for line in lines:
        known = best.setdefault((line.time, line.words), line)
        if line.bearing > known.bearing:
            best[line.time, line.words] = line
    kept, spent = [], 0
    for line in sorted(best.values(), key=lambda line: (-line.bearing, len(line.words), line.time, line.words)):
        cost = count(line.words)
        if spent + cost <= room:
            kept.append(line)
            spent += cost
    return sorted(kept, key=lambda line: (line.time, line.words))


def words_of(lines: Iterable[Line]) -> str:
    """Lines as a text."""
    return "\n".join(line.words for line in lines)


def _line(level: str, ref: int, t0: float, t1: float, words: str, bearing: float) -> Line:
    return Line(t0, f"[{span(t0, t1)}] {words}", bearing, Interval(level, ref, t0, t1))


def _beside(one: MentionRow, other: MentionRow) -> bool:
    return one.event_id == other.event_id and min(one.t1, other.t1) > max(one.t0, other.t0)
