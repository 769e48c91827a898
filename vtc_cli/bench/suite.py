"""What a suite is: films with questions whose answers are known, in an order that never changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from vtc_cli.errors import UsageError
from vtc_cli.jobs.questions import Question
from vtc_cli.video.frame import Clip

PATIENCE = 400  # cases in a row without a question that is still wanted


@dataclass(frozen=True)
class Task:
    """One question of a suite.

    question: its `id` is unique within the case, its `truth` the right answer as text. skill: what it tests.
    check: whether what was said is right. about: (start, end) seconds of the film where the answer can be seen, None
    where that is no particular moment. chance: what guessing gets right, from 0 to 1; None where it cannot be said.
    tolerance: where the truth is a number, how far from it an answer may be. group: tasks of a case with the same one
    are asked all or none, since the suite's own rule looks at them together. points: from 0 to 1, for suites that grade
    answers more finely than right and wrong.
    """

    question: Question
    skill: str
    check: Callable[[str], bool]
    about: tuple[float, float] | None = None
    chance: float | None = None
    tolerance: float | None = None
    group: str | None = None
    points: Callable[[str], float] | None = None


@dataclass(frozen=True)
class Case:
    """One film and its questions. id: unique within the suite. open: called once; the clip can be watched again.

    film: what parts of one film have in common, None for one that no other case shows any of.
    """

    id: str
    tasks: tuple[Task, ...]
    open: Callable[[], Clip]
    film: str | None = None


class Suite(Protocol):
    """A source of cases.

    name: as on the command line. skills: those that will be asked. facts: plain values that decide the cases; two
    suites with the same facts have the same cases. sizes: questions of each skill, None for a suite without end.
    """

    name: str
    skills: tuple[str, ...]
    facts: dict[str, Any]
    sizes: Mapping[str, int] | None

    def cases(self) -> Iterator[Case]:
        """The cases in order, the same in every run; may be without end. Nothing is rendered or decoded yet."""
        ...

    def official(self, lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """The figures of the suite's own rule, by name, from the lines of one row; empty where `right` is the rule."""
        ...


def limited(suite: Suite, limit: int) -> Iterator[Case]:
    """The first cases until every skill has `limit` questions; each case keeps only the questions that are wanted.

    A smaller limit takes a part of what a larger one takes. A group of questions is taken whole, even beyond the limit.
    Raises UsageError when a skill finds no more questions in `PATIENCE` cases of a suite without end.
    """
    taken: Counter[str] = Counter()
    without = 0
    for case in suite.cases():
        wanted: list[Task] = []
        groups: set[str] = set()
        for task in case.tasks:
            if task.skill in suite.skills and (taken[task.skill] < limit or task.group in groups):
                taken[task.skill] += 1
                wanted.append(task)
                if task.group is not None:
                    groups.add(task.group)
        without = 0 if wanted else without + 1
        if wanted:
            yield replace(case, tasks=tuple(wanted))
        if all(taken[skill] >= limit for skill in suite.skills):
            return
        if without == PATIENCE and suite.sizes is None:
            _give_up(suite.skills, taken, limit)


def _give_up(skills: Sequence[str], taken: Counter[str], limit: int) -> None:
    short = [skill for skill in skills if taken[skill] < limit]
    raise UsageError(
        f"the suite has no more questions of the skill `{short[0]}`: {taken[short[0]]} of {limit} found, and none in "
        f"the last {PATIENCE} films",
        "leave that skill out with --skills, lower --limit, or change --length",
    )
