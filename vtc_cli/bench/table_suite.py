"""A suite of questions that are all known beforehand: a file of one's own, or a published benchmark."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from hashlib import blake2b
from typing import Any

from vtc_cli.bench.scoring.expected import Check
from vtc_cli.bench.suite import Case, Task
from vtc_cli.errors import UsageError
from vtc_cli.jobs.questions import Question
from vtc_cli.video.frame import Clip

Official = Callable[[Sequence[Mapping[str, Any]]], dict[str, float]]
Open = Callable[[str], Clip]


@dataclass(frozen=True)
class Item:
    """One question about one film.

    film: its name, as `Open` takes it. question: its text, options, own name and truth. start, end: seconds of the film
    that are watched; a question about a stream ends when it is asked. The rest: see `Task`.
    """

    film: str
    question: Question
    skill: str
    check: Check
    start: float = 0.0
    end: float | None = None
    chance: float | None = None
    group: str | None = None
    points: Callable[[str], float] | None = None


class TableSuite:
    """See `Suite`. Films in the order of their first question; with a `seed`, in an order drawn with it.

    items: every question. open: takes a film's name; raises VideoError where it cannot be read. skills: only these.
    rule: the suite's own figures. facts: what else decides the questions. Raises UsageError for unknown skills.
    """

    def __init__(
        self,
        name: str,
        items: Sequence[Item],
        open: Open,
        *,
        skills: Sequence[str] | None = None,
        seed: int | None = None,
        rule: Official | None = None,
        facts: Mapping[str, Any] | None = None,
    ):
        self.name, self._open, self._rule, self._seed = name, open, rule, seed
        there = Counter(item.skill for item in items)
        self.skills = tuple(there) if skills is None else _chosen(name, skills, tuple(there))
        self.sizes: Mapping[str, int] | None = {skill: there[skill] for skill in self.skills}
        self._items = [item for item in items if item.skill in self.skills]
        self.facts: dict[str, Any] = {
            "suite": name,
            "skills": list(self.skills),
            "questions": _digest(items),
            **({} if seed is None else {"seed": seed}),
            **(facts or {}),
        }

    def cases(self) -> Iterator[Case]:
        """One per film and span of it: questions asked at the same moment share a watching."""
        films: dict[tuple[str, float, float | None], list[Item]] = {}
        for item in self._items:
            films.setdefault((item.film, item.start, item.end), []).append(item)
        order = list(films)
        if self._seed is not None:
            order.sort(key=lambda film: blake2b(f"{self._seed} {film}".encode(), digest_size=16).digest())
        for film, start, end in order:
            names = _names([item.question.id for item in films[film, start, end]])
            tasks = tuple(_task(item, name) for item, name in zip(films[film, start, end], names, strict=True))
            yield Case(_name(film, start, end), tasks, partial(self._part, film, start, end), film)

    def official(self, lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """See `Suite.official`."""
        return self._rule(lines) if self._rule is not None and lines else {}

    def _part(self, film: str, start: float, end: float | None) -> Clip:
        from vtc_cli.bench.span import ClipSpan
        from vtc_cli.bench.still import StillClip

        clip = self._open(film)
        whole = (not start and end is None) or isinstance(clip, StillClip)  # a picture is the same at any time
        return clip if whole else ClipSpan(clip, start, end)


def _names(ids: Sequence[str | None]) -> list[str]:
    """A name for each question of a case, no two the same: answers are kept, and found again, by it."""
    names: list[str] = []
    for number, id in enumerate(ids):
        name = f"#{number}" if id is None else id
        while name in names:
            name = f"{name} #{number}"
        names.append(name)
    return names


def _task(item: Item, name: str) -> Task:
    asked = item.question
    named = Question(asked.text, asked.choices, name, asked.truth)
    return Task(named, item.skill, item.check, chance=item.chance, group=item.group, points=item.points)


def _name(film: str, start: float, end: float | None) -> str:
    first, last = f"{start:.12g}", f"{end:.12g}" if end is not None else None
    if last is None:
        return f"{film} from {first} s" if start else film
    return f"{film} from {first} to {last} s" if start else f"{film} until {last} s"


def _chosen(suite: str, named: Sequence[str], there: Sequence[str]) -> tuple[str, ...]:
    lower = {skill.casefold(): skill for skill in there}
    for skill in named:
        if skill.casefold() not in lower:
            close = get_close_matches(skill.casefold(), lower, 1)
            raise UsageError(
                f"the suite {suite} has no skill `{skill}`",
                f"did you mean `{lower[close[0]]}`?" if close else f"there are: {', '.join(there)}",
            )
    if not named:
        raise UsageError("--skills names no skill", f"there are: {', '.join(there)}")
    return tuple(dict.fromkeys(lower[skill.casefold()] for skill in named))


def _digest(items: Sequence[Item]) -> str:
    """What tells these questions from others: films by name, spans, words, options and truths."""
    state = blake2b(digest_size=16)
    for item in items:
        asked = item.question
        options = None if asked.choices is None else list(asked.choices.items())
        row = [item.film, item.start, item.end, item.skill, asked.text, options, asked.truth, asked.id]
        state.update(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    return state.hexdigest()
