"""From gist down to pixels, as far as the answer is unsure: four stages, a posterior for each look, why it stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from vtc_cli import Frame, UsageError
from vtc_cli.memory import GATE, EventRow, Inquiry, Interval, Look, Recall, Recollection, Step, at_one_size, posterior
from vtc_mm_mem.candidates import PROPOSAL_TOKENS, Candidates, weigh
from vtc_mm_mem.gathering import CLOSE_EVENTS, Evidence, Gathering, trimmed
from vtc_mm_mem.noting import Line, most_telling, words_of
from vtc_mm_mem.resting import rests_on
from vtc_mm_mem.spending import Limits, Spending
from vtc_mm_mem.steps import Shown, Steps
from vtc_mm_mem.wording import NOT_SHOWN, YES_NO, YES_OR_NO, filled, notes, span

STAGES = ("S0", "S1", "S2", "S3")
JUDGED = 4
"""Events that are looked at one by one, to choose among them."""

SHARE = {"S0": 0.2, "S1": 0.15, "S2": 0.3}
"""Of all visual tokens, that a stage may take at the most while there is a deeper one: a small budget that a glance or
the events used up would leave the video itself unread, where a thing of seconds can be seen."""

JUDGING = 0.1
"""Of all visual tokens, for choosing events; where that is too little for a picture of each, the order
of the search stands."""

TELLING = 3
"""Passages that the words of a question and its answer find, which say where the answer was seen."""


@dataclass(frozen=True)
class Search:
    """How far down to go. last: the deepest stage. without: one that is left out, `none` for none. gate: nats. text:
    tokens of evidence in words."""

    last: str = "S3"
    without: str = "none"
    gate: float = GATE
    text: int = 2048
    both_orders: bool = True
    limits: Limits = field(default_factory=Limits)


class Ladder:
    """One search. `run` may be called once."""

    def __init__(self, inquiry: Inquiry, using: Recall, how: Search):
        if not inquiry.question.strip():
            raise UsageError("the question is empty", 'ask something, like "what happens?"')
        self._inquiry = inquiry
        self._using = using
        self._how = how
        self._spent = Spending(how.limits)
        self._found = Gathering(inquiry, using)
        self._candidates = Candidates(inquiry.question, inquiry.choices, max(1, inquiry.limit))
        self._evidence: list[Evidence] = []
        self._steps = Steps(inquiry.question, inquiry.choices is not None, how.gate)
        self._stages = [stage for stage in STAGES[: STAGES.index(how.last) + 1] if stage != how.without]
        self._short = False

    def run(self) -> Recollection:
        """The answer, and how it came about."""
        stopped = "bottom"
        looks = ((stage, gather) for stage in self._stages for gather in self._looks(stage))
        for stage, gather in looks:
            if (why := self._spent.exhausted()) is not None:
                stopped = why
                break
            if self._step(stage, gather) and self._steps.ends():
                stopped = "confident"
                break
        if not self._steps.all:
            raise UsageError(
                "nothing is known of this moment: no frame had been watched", "ask about a later one with --at"
            )
        return self._answer("tokens" if self._short and stopped == "bottom" else stopped)

    def _looks(self, stage: str) -> Sequence[Callable[[], Evidence]]:
        """What a stage looks at, one look after the other: above the last one, one."""
        if stage == "S0":
            return [self._found.glance]
        if stage == "S1":
            return [self._found.symbolic]
        if stage == "S2":
            return [lambda: self._found.episodic(self._best(self._found.close_events()))]
        seen = [item.id for item in self._evidence[-1].intervals if item.level == "event"] if self._evidence else []
        groups = self._found.close_clips(
            [self._found.events[number] for number in seen if number in self._found.events]
        )
        running = [partial(self._found.sensory, ())] if self._found.runs() else []
        return [*running, *(partial(self._found.sensory, group) for group in groups)]

    def _step(self, stage: str, gather: Callable[[], Evidence]) -> bool:
        """Whether there was something to look at, and room for it."""
        before = (self._spent.calls, self._spent.visual_tokens)
        glance = self._inquiry.glance if stage == "S0" else None
        evidence = gather() if glance is None else Evidence((), (), (), note=self._inquiry.glanced)
        room = self._room(evidence.frames, 1.0 if stage == self._stages[-1] else SHARE.get(stage, 1.0))
        if evidence.frames and not room:
            self._short = True
            return False
        evidence = trimmed(evidence, room)
        self._evidence.append(evidence)
        lines = self._lines()
        text = words_of(lines)
        look = self._look(evidence.frames, evidence.detail) if glance is None else glance
        if look is None:
            return False
        if glance is not None:
            self._spent.looked(0)
        if self._candidates.asks_when:
            self._candidates.times(self._found.hits, self._found.when.order)
        with look.beginning(notes(text)):
            if not self._candidates.asks_when or not self._candidates.proposed:
                self._candidates.propose(look, text, self._inquiry.seed, several=not self._steps.all)
            belief = weigh(look, self._candidates, text, self._how.both_orders)
        step = Step(
            stage=stage,
            posterior=belief,
            answers=self._candidates.answers(),
            intervals=evidence.intervals,
            text=text,
            frames=tuple(frame.time for frame in evidence.frames),
            calls=self._spent.calls - before[0],
            visual_tokens=self._spent.visual_tokens - before[1],
            note=evidence.note,
        )
        blind = stage == "S0" and glance is None and not self._found.in_sight(evidence.frames)
        self._steps.add(step, Shown(look, lines, blind))
        return True

    def _lines(self) -> list[Line]:
        """The notes of all stages so far."""
        lines = (line for evidence in self._evidence for line in evidence.lines)
        return most_telling(lines, self._how.text, self._using.narrator.count)

    def _room(self, frames: Sequence[Frame], share: float) -> int:
        """How many of the frames may be looked at within the limit, and this share of it."""
        each = self._using.narrator.tokens_of(frames[0]) if frames else 0
        return self._spent.frames(len(frames), each, share)

    def _look(self, frames: Sequence[Frame], detail: bool) -> Look | None:
        if not frames:
            return None
        narrator, question = self._using.narrator, self._inquiry.question
        longest = " ".join([question, *(self._inquiry.choices or {}).values()])
        room = self._how.text + 2 * narrator.count(longest) + 8 * PROPOSAL_TOKENS
        look = narrator.look(at_one_size(frames), room=room, detail=detail)
        self._spent.looked(look.visual_tokens)
        return look

    def _best(self, events: Sequence[EventRow]) -> Sequence[EventRow]:
        """The events the narrator finds most helpful, of the first few; the order they came in among equals.

        One look is left for the stage itself.
        """
        if len(events) <= CLOSE_EVENTS:
            return events
        prompt = filled(YES_NO, words_of(self._lines()), {"question": self._inquiry.question})
        scores: list[float] = []
        for event in events[:JUDGED]:
            if self._spent.calls + 1 >= self._how.limits.calls or self._spent.exhausted() is not None:
                break
            shown = self._found.few_frames(event)
            few = shown[: self._room(shown, JUDGING / JUDGED)]
            if shown and not few:
                break
            look = self._look(few, detail=False)
            scores.append(-1.0 if look is None else posterior([look.weigh(prompt, YES_OR_NO)]).shares["yes"])
        judged = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        order = [*judged, *(place for place in range(len(events)) if place not in judged)]
        return [events[place] for place in order[:CLOSE_EVENTS]]

    def _answer(self, stopped: str) -> Recollection:
        place = self._steps.answering()
        step, text = self._steps.all[place], self._steps.text(place)
        label = step.posterior.best
        given = self._inquiry.choices is not None
        shown = text != NOT_SHOWN and self._told(place)
        supported = (self._steps.supported(place) or self._steps.said(place)) if given else shown
        intervals = self._rests_on(place, text) if supported or given else ()
        answer = label if given else NOT_SHOWN if not shown else _with_times(text, intervals)
        return Recollection(
            answer=answer,
            label=label if given else None,
            stage=step.stage,
            posterior=step.posterior,
            supported=supported,
            stopped=stopped,
            intervals=intervals if supported else (),
            trace=tuple(self._steps.all),
            calls=self._spent.calls,
            visual_tokens=self._spent.visual_tokens,
            tokens=self._candidates.tokens,
            notes=self._notes(stopped),
            confidence=self._steps.confidence(place),
        )

    def _told(self, place: int) -> bool:
        """Whether an answer may stand: times are proposed by the search, from passages that may share but a word with
        the question, and then a look has to find that it is shown."""
        return not self._candidates.asks_when or self._candidates.named or self._steps.supported(place)

    def _rests_on(self, place: int, text: str) -> tuple[Interval, ...]:
        hits = self._found.find(f"{self._inquiry.question} {text}", TELLING)
        read = {line.source for line in self._steps.shown[place].lines if line.source is not None}
        return rests_on(hits, self._steps.all[place].intervals, read)

    def _notes(self, stopped: str) -> tuple[str, ...]:
        if stopped in ("calls", "tokens", "seconds"):
            return (f"the search ended at its budget of {stopped}; allow more with -m mm-mem:{_option(stopped)}=...",)
        return ()


def _with_times(text: str, intervals: Sequence[Interval]) -> str:
    if not intervals or text.startswith("at "):
        return text
    return f"{text.rstrip('.')} ({span(intervals[0].t0, intervals[0].t1)})"


def _option(stopped: str) -> str:
    return {"calls": "calls", "tokens": "visual_tokens", "seconds": "seconds"}[stopped]
