"""Searching a memory's thresholds: a seeded coordinate search for the best score on films with known answers.

The score is that of a semantic information bottleneck: what the memory tells about the answers, less what its text
costs (MM-Mem, section 3.2), measured and not estimated; a handful of numbers in place of an adapter's millions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from vtc_cli.errors import UsageError
from vtc_cli.jobs.ledger import Ledger
from vtc_cli.memory.contract import Narrator
from vtc_cli.memory.lessons import Lesson, Marks, examine
from vtc_cli.methods.registry import Chosen
from vtc_cli.methods.stages import VideoMemory

SCHEMA = "vtc.tune/1"
Options = dict[str, Any]
Watcher = Callable[["Trial"], None]


@dataclass(frozen=True)
class Search:
    """How to search. price: nats that one text token per minute of film costs. rounds: over all options, at most.
    seed: draws the order in which options are tried."""

    price: float = 0.001
    rounds: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Trial:
    """One set of values and how it did. known: it was in the run's file already."""

    options: Mapping[str, Any]
    marks: Marks
    score: float
    known: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        count = len(self.marks.logs)
        return {
            "options": dict(self.options),
            "score": round(self.score, 6),
            "nats": round(sum(self.marks.logs) / count, 6),
            "right": self.marks.right,
            "questions": count,
            "tokens_per_minute": round(self.marks.per_minute, 3),
        }


@dataclass(frozen=True)
class Tuned:
    """What a search found. began, best: on the films it searched. checked: the same two on films it never saw, None
    without any. trials: every set of values tried, the best first. tried: their names."""

    began: Trial
    best: Trial
    checked: tuple[Trial, Trial] | None
    trials: tuple[Trial, ...]
    tried: tuple[str, ...]

    @property
    def better(self) -> bool:
        """Whether the values found beat those it began with, on the films that were kept apart where there are any."""
        before, after = self.checked or (self.began, self.best)
        return after.score > before.score

    def frontier(self) -> list[Trial]:
        """Trials that no other beats in both nats and tokens, the shortest text first."""
        kept: list[Trial] = []
        for trial in sorted(self.trials, key=lambda item: (item.marks.per_minute, -_nats(item))):
            if not kept or _nats(trial) > _nats(kept[-1]):
                kept.append(trial)
        return kept


class Tuner:
    """One search. lessons: to search on; apart: films to check on. folder: of the run, which keeps every film's marks,
    so that a search that was stopped goes on.

    Raises UsageError for a memory with nothing to search, and for lessons without questions.
    """

    def __init__(
        self,
        chosen: Chosen,
        lessons: Sequence[Lesson],
        apart: Sequence[Lesson],
        narrator: Narrator,
        search: Search,
        folder: Path,
        *,
        facts: Mapping[str, Any] | None = None,
        watcher: Watcher | None = None,
    ):
        assert isinstance(chosen.method, VideoMemory)
        self._method: VideoMemory = chosen.method
        self._space = dict(self._method.tunable())
        if not self._space:
            raise UsageError(f"`{chosen.name}` has no thresholds to search", "choose another memory with --method")
        if not any(lesson.exam for lesson in lessons):
            raise UsageError("the films have no questions with options", "give more films, or longer ones")
        self._lessons = [lesson for lesson in lessons if lesson.exam]
        self._apart = [lesson for lesson in apart if lesson.exam]
        self._narrator, self._search = narrator, search
        self._facts = dict(facts or {})
        self._watcher = watcher or (lambda trial: None)
        self._trials: dict[str, Trial] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._log = MarksLog(folder / "marks.jsonl")

    def run(self) -> Tuned:
        """Search until a round changes nothing, or rounds are over."""
        try:
            start = {name: getattr(self._method, name) for name in self._space}
            best = began = self._try(start, self._lessons)
            rng = np.random.default_rng(self._search.seed)
            for _ in range(self._search.rounds):
                before = best
                for name in [str(item) for item in rng.permutation(list(self._space))]:
                    for value in self._space[name]:
                        best = self._step(best, {**best.options, name: value})
                if best is before:
                    break
            trials = sorted(self._trials.values(), key=lambda item: -item.score)
            checked = None
            if self._apart:
                checked = (self._try(began.options, self._apart), self._try(best.options, self._apart))
            return Tuned(began, best, checked, tuple(trials), tuple(self._space))
        finally:
            self._log.close()

    def _step(self, best: Trial, options: Options) -> Trial:
        try:
            trial = self._try(options, self._lessons)
        except ValueError:  # a combination that the method refuses
            return best
        return trial if trial.score > best.score + 1e-9 else best

    def _try(self, options: Mapping[str, Any], lessons: Sequence[Lesson]) -> Trial:
        key = json.dumps(dict(options), sort_keys=True)
        searching = lessons is self._lessons
        if searching and key in self._trials:
            return self._trials[key]
        method = replace(self._method, **options)
        parts, known = [], True
        for lesson in lessons:
            name = self._name(method, lesson)
            found = self._log.find(name)
            if found is None:
                known = False
                found = examine(method, lesson, self._narrator)
                self._log.add(name, lesson.name, found)
            parts.append(found)
        marks = Marks.together(parts)
        trial = Trial(dict(options), marks, marks.score(self._search.price), known)
        if searching:
            self._trials[key] = trial
            self._watcher(trial)
        return trial

    def _name(self, method: VideoMemory, lesson: Lesson) -> str:
        """What the marks of a film depend on: everything about the memory, the film, its exam and the model."""
        exam = [(item.question, dict(item.choices or {}), label) for item, label in lesson.exam]
        words = [asdict(method), lesson.digest, lesson.duration, exam, self._narrator.embedder, self._facts]
        return blake2b(json.dumps(words, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


class MarksLog:
    """Marks by name, one line each, appended as they come. Raises UsageError for a file that cannot be written."""

    def __init__(self, path: Path):
        self._ledger = Ledger(path)
        self._found = {line["name"]: _read(line) for line in self._ledger.records if line["schema"] == SCHEMA}

    def find(self, name: str) -> Marks | None:
        return self._found.get(name)

    def add(self, name: str, film: str, marks: Marks) -> None:
        line = {
            "schema": SCHEMA,
            "name": name,
            "film": film,
            "logs": list(marks.logs),
            "right": marks.right,
            "tokens": marks.tokens,
            "minutes": marks.minutes,
        }
        self._ledger.append(line)
        self._found[name] = marks

    def close(self) -> None:
        self._ledger.close()


def settings_file(tuned: Tuned, name: str, options: Mapping[str, Any], comment: Sequence[str]) -> str:
    """The TOML of a settings file with the values found. options: those that were asked for and are no default."""
    found = {**options, **{key: tuned.best.options[key] for key in tuned.tried}}
    spec = ",".join(f"{key}={_written(value)}" for key, value in found.items())
    lines = [*(f"# {line}" for line in comment), f"method = [{json.dumps(f'{name}:{spec}')}]"]
    return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _nats(trial: Trial) -> float:
    return sum(trial.marks.logs) / len(trial.marks.logs)


def _read(line: Mapping[str, Any]) -> Marks:
    return Marks(tuple(line["logs"]), line["right"], line["tokens"], line["minutes"])
