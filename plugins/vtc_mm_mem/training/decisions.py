"""What is learnt from: decisions about clips, each with the reward of all three actions.

A decision is one state in one window of a film. For each action the window's memory is built with that action there and
the rules after it, and the frozen model answers the questions about the window from it (the paper's equation with the
rules as the policy that follows). Everything random is drawn from a seed, so a table that was cut is gone on with.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vtc_cli.memory import Inquiry, Lesson, Log, Marks, MemoryStore, Moment, Narrator, mark, prepare
from vtc_mm_mem.builder import Builder
from vtc_mm_mem.gate import Cutter
from vtc_mm_mem.judging import Sight
from vtc_mm_mem.manager import Manager
from vtc_mm_mem.training.policy import LABELS
from vtc_mm_mem.training.state import ACTIONS, STATE_VERSION, state_of

if TYPE_CHECKING:
    from vtc_mm_mem.method import MMMem

SCHEMA = "vtc.decision/1"
Exam = Sequence[tuple[Inquiry, str]]


@dataclass(frozen=True)
class Sampling:
    """Which decisions. window: clips of a memory that is built for one. most: decisions of a window. explore: share of
    earlier decisions in a window that are drawn instead of following the rules, so that the policy sees states it would
    bring about itself. budget: text tokens per minute that cost as much as is ever taken off."""

    window: int = 16
    most: int = 6
    explore: float = 0.3
    budget: float = 240.0
    seed: int = 0


@dataclass(frozen=True)
class Reward:
    """Of one action, each part bounded so that none outweighs the others.

    answers: mean share of the right answer, 0 to 1. length: text tokens over the budget, -1 to 0. valid: -1 where the
    action would break a guard that holds anyway.
    """

    answers: float
    length: float
    valid: float


@dataclass(frozen=True)
class Decision:
    """One state. rewards: by label. rule: what the rules do there. film, start: where it comes from."""

    film: str
    start: float
    state: str
    rule: str
    rewards: Mapping[str, Reward]

    def total(self, weights: Sequence[float]) -> list[float]:
        """The weighed reward of N, M and D."""
        return [
            weights[0] * one.answers + weights[1] * one.length + weights[2] * one.valid
            for one in (self.rewards[label] for label in LABELS)
        ]


class Script:
    """A decider that does what it is told at some of the places where it is asked, and notes what it saw."""

    def __init__(self, told: Mapping[int, str], longest: float, draw: Callable[[], str | None] | None = None):
        self._told, self._longest, self._draw = told, longest, draw
        self.sights: list[Sight] = []
        self.done: dict[int, str] = {}
        self.valid: list[bool] = []

    def decide(self, sight: Sight) -> str | None:
        """See `Decider`."""
        place = len(self.sights)
        self.sights.append(sight)
        label = self._told.get(place)
        if label is None and self._draw is not None:
            label = self._draw()
        fits = sight.clip.t1 - sight.event.t0 <= self._longest + 1e-6
        self.valid.append(label != "M" or fits)
        if label is None:
            return None
        self.done[place] = label
        return ACTIONS[label]


class Table:
    """Gathers decisions. log: where they are kept, a line per window, as they come."""

    def __init__(self, method: MMMem, narrator: Narrator, sampling: Sampling, log: Log):
        self._method = replace(method, manager="rules")
        self._narrator, self._how = narrator, sampling
        self._log = log
        self._known = {line["name"]: line for line in log.records if line["schema"] == SCHEMA}

    def of(self, lesson: Lesson) -> Iterator[Decision]:
        """The decisions of a film, window by window; windows that no question is about have none."""
        for number, (moments, end) in enumerate(windows(lesson, self._how.window)):
            exam = asked_about(lesson, moments[0].time, end)
            if not exam:
                continue
            name = self._name(lesson, number, exam)
            if name not in self._known:
                found = [_plain(one) for one in self._decisions(lesson, moments, end, exam, name)]
                self._known[name] = {"schema": SCHEMA, "name": name, "film": lesson.name, "decisions": found}
                self._log.append(self._known[name])
            yield from (_read(one) for one in self._known[name]["decisions"])

    def _decisions(
        self, lesson: Lesson, moments: Sequence[Moment], end: float, exam: Exam, name: str
    ) -> Iterator[Decision]:
        rng = np.random.default_rng(int(name[:15], 16))

        def draw() -> str | None:
            return str(rng.choice(LABELS)) if rng.random() < self._how.explore else None

        walk = Script({}, self._method.longest, draw)
        self._build(lesson, moments, end, (), walk)
        places = sorted(rng.permutation(len(walk.sights))[: self._how.most].tolist())
        for place in places:
            before = {at: label for at, label in walk.done.items() if at < place}
            rewards = {}
            for label in LABELS:
                script = Script({**before, place: label}, self._method.longest)
                marks, _ = self._build(lesson, moments, end, exam, script)
                assert marks is not None
                rewards[label] = self._reward(marks, script.valid[place])
            _, actions = self._build(lesson, moments, end, (), Script(before, self._method.longest))
            rule = next(label for label, action in ACTIONS.items() if action == actions[place])
            yield Decision(lesson.name, moments[0].time, state_of(walk.sights[place]), rule, rewards)

    def _build(
        self, lesson: Lesson, moments: Sequence[Moment], end: float, exam: Exam, script: Script
    ) -> tuple[Marks | None, list[str]]:
        """The window's memory put to its exam, and what was done at each place where the script was asked."""
        method = self._method
        words = method.captions == "event" and bool(exam)
        with (
            tempfile.TemporaryDirectory(prefix="vtc-window-") as folder,
            MemoryStore.create(Path(folder) / "index.sqlite", {}) as store,
        ):
            prepare(store, self._narrator, [item for item in lesson.subtitles if item.t1 > moments[0].time])
            builder = Builder(
                store,
                self._narrator,
                Manager(method.merge, method.same, method.longest, method.shortest),
                replace(method.closing(self._narrator), words=words),
                decider=script,
            )
            for moment in moments:
                builder.take(moment)
            builder.finish(end)
            done = {float(t0): str(action) for t0, action in store.all("SELECT t0, action FROM clip")}
            actions = [done[sight.clip.t0] for sight in script.sights]
            seconds = end - moments[0].time
            return (mark(method, store, exam, self._narrator, seconds) if exam else None), actions

    def _reward(self, marks: Marks, valid: bool) -> Reward:
        answers = math.fsum(map(math.exp, marks.logs)) / len(marks.logs)
        return Reward(answers, -min(1.0, marks.per_minute / self._how.budget), 0.0 if valid else -1.0)

    def _name(self, lesson: Lesson, number: int, exam: Exam) -> str:
        asked = [(item.question, dict(item.choices or {}), label) for item, label in exam]
        parts = [lesson.digest, number, asked, asdict(self._method), asdict(self._how), STATE_VERSION]
        words = json.dumps([*parts, self._narrator.embedder], sort_keys=True, default=str)
        return blake2b(words.encode(), digest_size=16).hexdigest()


def windows(lesson: Lesson, clips: int) -> Iterator[tuple[list[Moment], float]]:
    """(moments, end) of stretches of so many clips; the last one may be shorter."""
    cutter, count = Cutter(), 0
    gathered: list[Moment] = []
    for moment in lesson.moments:
        if cutter.push(moment) is not None:
            count += 1
            if count == clips:
                yield gathered, moment.time
                gathered, count = [], 0
        gathered.append(moment)
    if gathered:
        yield gathered, max(lesson.duration, gathered[-1].time + 1e-3)


def asked_about(lesson: Lesson, start: float, end: float) -> list[tuple[Inquiry, str]]:
    """The questions that can be answered from [start, end) alone."""
    whole = start <= 0 and end >= lesson.duration - 1e-6
    about = lesson.about or (None,) * len(lesson.exam)
    return [
        entry
        for entry, span in zip(lesson.exam, about, strict=True)
        if whole or (span is not None and start <= span[0] and span[1] <= end)
    ]


def shuffled(decisions: Sequence[Decision], seed: int) -> list[Decision]:
    """The same states, the rewards of each dealt to its actions at random: there is nothing left to learn."""
    rng = np.random.default_rng((seed, 7))
    dealt = []
    for one in decisions:
        order = rng.permutation(len(LABELS))
        rewards = {label: one.rewards[LABELS[place]] for label, place in zip(LABELS, order, strict=True)}
        dealt.append(replace(one, rewards=rewards))
    return dealt


def _plain(one: Decision) -> dict[str, Any]:
    return {**asdict(one), "rewards": {label: asdict(reward) for label, reward in one.rewards.items()}}


def _read(line: Mapping[str, Any]) -> Decision:
    rewards = {label: Reward(**parts) for label, parts in line["rewards"].items()}
    return Decision(line["film"], line["start"], line["state"], line["rule"], rewards)
