"""From gist down to pixels, as far as the answer is unsure: four stages, one posterior each, and why it stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from vtc_cli import Frame, UsageError
from vtc_cli.memory import (
    GATE,
    ClipRow,
    Inquiry,
    Interval,
    Look,
    Recall,
    Recollection,
    Step,
    at_one_size,
    posterior,
)
from vtc_mm_mem.candidates import PROPOSAL_TOKENS, Candidates, weigh
from vtc_mm_mem.gathering import CLIPS, CLOSE_EVENTS, Evidence, Gathering, trimmed
from vtc_mm_mem.noting import Line, most_telling, words_of
from vtc_mm_mem.resting import rests_on, said_by
from vtc_mm_mem.spending import Limits, Spending
from vtc_mm_mem.wording import NOT_SHOWN, SUPPORTED, YES_NO, filled, notes, span

STAGES = ("S0", "S1", "S2", "S3")
JUDGED = 4
"""Candidates of a stage that are looked at one by one."""

SHARE = {"S0": 0.2, "S1": 0.15, "S2": 0.3}
"""Of all visual tokens, that a stage may take at the most while there is a deeper one: a small budget that a glance or
the events used up would leave the video itself unread, where a thing of seconds can be seen."""

JUDGING = 0.1
"""Of all visual tokens, for choosing what a stage looks at; where that is too little for a picture of each, the order
of the search stands."""

TELLING = 3
"""Passages that the words of a question and its answer find, which say where the answer was seen."""

WORSE = 0.2
"""Nats by which the last stage may be less sure than the best one and still be the answer."""

Item = TypeVar("Item")

YES_OR_NO = {"yes": "", "no": ""}


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


@dataclass(frozen=True)
class Shown:
    """What a stage's posterior was read from: pictures that were looked at, and notes."""

    look: Look
    lines: Sequence[Line]

    @property
    def text(self) -> str:
        return words_of(self.lines)


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
        self._steps: list[Step] = []
        self._shown: list[Shown] = []
        self._support: dict[int, bool] = {}
        stages = [stage for stage in STAGES[: STAGES.index(how.last) + 1] if stage != how.without]
        self._last = stages[-1]
        self._short = False

    def run(self) -> Recollection:
        """The answer, and how it came about."""
        events = self._found.close_events
        stages: dict[str, Callable[[], Evidence]] = {
            "S0": self._found.glance,
            "S1": self._found.symbolic,
            "S2": lambda: self._found.episodic(self._best(events(), self._found.few_frames, CLOSE_EVENTS)),
            "S3": lambda: self._found.sensory(self._clips()),
        }
        stopped = "bottom"
        for stage in STAGES[: STAGES.index(self._how.last) + 1]:
            if stage == self._how.without:
                continue
            if (why := self._spent.exhausted()) is not None:
                stopped = why
                break
            step = self._step(stage, stages[stage])
            if step is None:
                continue
            self._steps.append(step)
            sure = len(step.answers) > 1 and step.posterior.confident(self._how.gate) and not _absent(step)
            if sure and (self._inquiry.choices is None or self._supported(len(self._steps) - 1)):
                stopped = "confident"
                break
        if not self._steps:
            raise UsageError(
                "nothing is known of this moment: no frame had been watched", "ask about a later one with --at"
            )
        return self._answer("tokens" if self._short and stopped == "bottom" else stopped)

    def _step(self, stage: str, gather: Callable[[], Evidence]) -> Step | None:
        before = (self._spent.calls, self._spent.visual_tokens)
        glance = self._inquiry.glance if stage == "S0" else None
        evidence = gather() if glance is None else Evidence((), (), (), note=self._inquiry.glanced)
        room = self._room(evidence.frames, 1.0 if stage == self._last else SHARE.get(stage, 1.0))
        if evidence.frames and not room:
            self._short = True
            return None
        evidence = trimmed(evidence, room)
        self._evidence.append(evidence)
        lines = self._lines()
        text = words_of(lines)
        look = self._look(evidence.frames, evidence.detail) if glance is None else glance
        if look is None:
            return None
        if glance is not None:
            self._spent.looked(0)
        if self._candidates.asks_when:
            self._candidates.times(self._found.hits, self._found.when.order)
        with look.beginning(notes(text)):
            if not self._candidates.asks_when or not self._candidates.proposed:
                self._candidates.propose(look, text, self._inquiry.seed, several=not self._steps)
            belief = weigh(look, self._candidates, text, self._how.both_orders)
        self._shown.append(Shown(look, lines))
        return Step(
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

    def _clips(self) -> Sequence[ClipRow]:
        events = [item for item in self._evidence[-1].intervals if item.level == "event"] if self._evidence else []
        chosen = [self._found.events[item.id] for item in events if item.id in self._found.events]
        clips = self._found.close_clips(chosen)
        return self._best(clips, lambda clip: self._found.pictures.of_clip(clip, 4), CLIPS)

    def _best(self, items: Sequence[Item], frames: Callable[[Item], list[Frame]], keep: int) -> Sequence[Item]:
        """The `keep` items the narrator finds most helpful, of the first few; the order they came in among equals.

        One look is left for the stage itself.
        """
        if len(items) <= keep:
            return items
        text = words_of(self._lines())
        prompt = filled(YES_NO, text, {"question": self._inquiry.question})
        scores: list[float] = []
        for item in items[:JUDGED]:
            if self._spent.calls + 1 >= self._how.limits.calls or self._spent.exhausted() is not None:
                break
            shown = frames(item)
            few = shown[: self._room(shown, JUDGING / JUDGED)]
            if shown and not few:
                break
            look = self._look(few, detail=False)
            scores.append(-1.0 if look is None else posterior([look.weigh(prompt, YES_OR_NO)]).shares["yes"])
        judged = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        order = [*judged, *(place for place in range(len(items)) if place not in judged)]
        return [items[place] for place in order[:keep]]

    def _answer(self, stopped: str) -> Recollection:
        place = self._place()
        step = self._steps[place]
        label = step.posterior.best
        text = step.answers[label]
        given = self._inquiry.choices is not None
        shown = text != NOT_SHOWN and self._told(place)
        supported = (self._supported(place) or self._said(place)) if given else shown
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
            trace=tuple(self._steps),
            calls=self._spent.calls,
            visual_tokens=self._spent.visual_tokens,
            tokens=self._candidates.tokens,
            notes=self._notes(stopped),
        )

    def _place(self) -> int:
        """The last step, unless it is clearly less sure than the best one that covers its labels.

        Where only `not shown` was to choose from, there is nothing to be sure of, and that it is not shown a later step
        knows better; so it does where an option was likely that nothing shows.
        """
        last = len(self._steps) - 1
        sure = [
            place
            for place, step in enumerate(self._steps)
            if step.posterior.coverage >= 0.5
            and len(step.answers) > 1
            and (place == last or (not _absent(step) and self._support.get(place, True)))
        ]
        best = min(sure, key=lambda place: self._steps[place].posterior.entropy, default=last)
        worse = self._steps[last].posterior.entropy - self._steps[best].posterior.entropy
        return best if worse > WORSE or (sure and last not in sure) else last

    def _supported(self, place: int) -> bool:
        """Whether the narrator finds the likeliest option of a step shown at all; from the look it was weighed in.

        Of given options one is always the likeliest: between two things that six pictures of an hour do not show, a
        narrator is sure by habit.
        """
        if place not in self._support:
            step, shown = self._steps[place], self._shown[place]
            answer = step.answers[step.posterior.best]
            prompt = filled(SUPPORTED, shown.text, {"question": self._inquiry.question, "answer": answer})
            reading = posterior([shown.look.weigh(prompt, YES_OR_NO)])
            self._support[place] = reading.shares["yes"] > 0.5 and reading.coverage > 0
        return self._support[place]

    def _told(self, place: int) -> bool:
        """Whether an answer may stand: times are proposed by the search, from passages that may share but a word with
        the question, and then a look has to find that it is shown."""
        return not self._candidates.asks_when or self._candidates.named or self._supported(place)

    def _said(self, place: int) -> bool:
        """Whether a note that stood beside the question says the likeliest of the given answers."""
        step = self._steps[place]
        best = step.posterior.best
        others = [text for label, text in step.answers.items() if label != best]
        return said_by(self._shown[place].lines, self._inquiry.question, step.answers[best], others)

    def _rests_on(self, place: int, text: str) -> tuple[Interval, ...]:
        hits = self._found.find(f"{self._inquiry.question} {text}", TELLING)
        read = {line.source for line in self._shown[place].lines if line.source is not None}
        return rests_on(hits, self._steps[place].intervals, read)

    def _notes(self, stopped: str) -> tuple[str, ...]:
        if stopped in ("calls", "tokens", "seconds"):
            return (f"the search ended at its budget of {stopped}; allow more with -m mm-mem:{_option(stopped)}=...",)
        return ()


def _absent(step: Step) -> bool:
    """Whether `not shown` is the likeliest answer: true of what was looked at, which is a few pictures of a long video.

    So it ends no search; whoever says that something is nowhere has to have looked where it would be.
    """
    return step.answers[step.posterior.best] == NOT_SHOWN


def _with_times(text: str, intervals: Sequence[Interval]) -> str:
    if not intervals or text.startswith("at "):
        return text
    return f"{text.rstrip('.')} ({span(intervals[0].t0, intervals[0].t1)})"


def _option(stopped: str) -> str:
    return {"calls": "calls", "tokens": "visual_tokens", "seconds": "seconds"}[stopped]
