"""What is compared for the page of results: which rows, on which films, how many questions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Any

from vtc_cli.bench.rows import Row, rows_of
from vtc_cli.bench.runner import Plan
from vtc_cli.bench.suite import Case
from vtc_cli.bench.suites.tiny import TinySuite, Wanted
from vtc_cli.errors import UsageError
from vtc_cli.jobs.settings import Settings
from vtc_cli.methods.registry import Listing, available

OURS = "vtc-cli"  # methods of other packages that happen to be installed are not part of the page
QUESTIONS = 1000  # of each row that does not look at the question, unless told otherwise
SEED = 7  # used for nothing else, so that no default was chosen on these films
SHARES = ("1/3", "2/9", "1/9", "1/18")  # of a unit's tokens
CACHES = ("1/4", "1/8", "1/16")  # of the entries of the whole film
TOGETHER = "1/8"  # where pruners and caches are put together
CLIP = 300.0  # seconds of a film with questions about any moment of it
COST_CLIP = 40.0  # seconds of the films whose watching is timed for pruners
FEWER = 10  # a cache that looks at the question watches five minutes for each: it gets a tenth of the questions
GROUPS = ("pruners", "caches", "costs", "peaks", "scaling")


@dataclass(frozen=True)
class Part:
    """One comparison, in a file of its own.

    name: of the files. group: what `--only` calls it. about: one line for people. rows: `none` first.
    wanted: which films and questions. limit: questions per skill. shared: the tower sees each film once for all rows;
    where it does not, watching is timed. first: how many films are passed over, since they were answered earlier.
    """

    name: str
    group: str
    about: str
    rows: tuple[Row, ...]
    wanted: Wanted
    limit: int
    shared: bool = True
    first: int = 0

    def plan(self, model: str, tokens: int = 96) -> Plan:
        """The same for `vtc bench`. tokens: the most an answer may have."""
        settings = Settings(model=model, max_new_tokens=tokens)
        return Plan(LaterFilms(self.wanted, self.first), self.rows, settings, self.limit, self.shared)

    @property
    def file(self) -> str:
        """Of its answers, without suffix: those of other films are in another."""
        return self.name if not self.first else f"{self.name}-from-{self.first}"

    def after(self, figures: Mapping[str, Any]) -> Part:
        """The same about the films that follow those of `figures`, for the questions that these lack."""
        of_skill = [figures["rows"][0]["skills"].get(skill, [0])[0] for skill in TinySuite(self.wanted).skills]
        films = figures["films"] + len(figures["left_out"])
        return replace(self, first=films, limit=self.limit - min(of_skill))


class LaterFilms(TinySuite):
    """The same films without the first `first` of them."""

    def __init__(self, wanted: Wanted, first: int):
        super().__init__(wanted)
        self._first = first

    def cases(self) -> Iterator[Case]:
        """See `Suite`."""
        return islice(super().cases(), self._first, None)


def parts(questions: int = QUESTIONS, seed: int = SEED) -> tuple[Part, ...]:
    """Every comparison of the page. questions: per row. Raises UsageError for fewer than one."""
    if questions < 1:
        raise UsageError(f"{questions} questions per row: at least 1 is wanted")
    short, films = Wanted(seed=seed), Wanted(length=CLIP, seed=seed)
    skills = len(TinySuite(short).skills)
    timed = Wanted(("colour",), COST_CLIP, seed)
    plain, asking = rows_of_caches(by_question=False), rows_of_caches(by_question=True)
    return (
        Part("pruners", "pruners", "short films, every skill; what enters the language model is thinned",
             rows_of_pruners(), short, math.ceil(questions / skills)),
        Part("caches", "caches", "films of five minutes, questions about any moment; the cache is bounded",
             plain, films, questions),
        Part("caches-asked", "caches", "the same for caches that look at the question, on fewer films",
             asking, films, math.ceil(questions / FEWER)),
        Part("costs-pruners", "costs", "what watching takes, row by row, nothing shared",
             rows_of_pruners(blind=False), timed, 3, False),
        Part("costs-caches", "costs", "what watching takes, row by row, nothing shared",
             (*plain, *asking[1:]), films, 1, False),
    )  # fmt: skip


def rows_of_pruners(blind: bool = True) -> tuple[Row, ...]:
    """Every pruner, and every layer policy that keeps a share, at each of `SHARES`."""
    names = [*names_of("pruner"), *(name for name in names_of("layers") if _has(name, "retain"))]
    specs = [f"{name}:retain={share}" for share in SHARES for name in names if _has(name, "retain")]
    return rows_of(specs, blind=blind)


def rows_of_caches(by_question: bool) -> tuple[Row, ...]:
    """Every cache policy at each of `CACHES`. Those that do not look at the question also beside pruners."""
    asked = [name for name in names_of("cache") if looks_at_question(name) == by_question]
    fixed = [name for name in asked if _has(name, "units")]  # says itself how much it holds
    rows = rows_of([name for name in asked if name not in fixed], ",".join(CACHES))
    rows += rows_of(fixed)[1:]
    if not by_question:
        rows += rows_of(list(together()), TOGETHER)[1:]
    return rows


def together() -> Iterator[str]:
    """Pruner and cache at once, for the same bytes as the cache alone."""
    for pruner in ("hiprune:retain=1/3", "uniform:retain=1/3"):
        for policy in ("infinipot-v", "uniform-cache", "window"):
            yield f"{pruner}+{policy}"
    yield "hiprune:retain=1/9+infinipot-v"


def names_of(stage: str) -> list[str]:
    """The methods of a stage that come with this package, by name."""
    return [name for name, item in _ours().items() if item.glance().stage == stage]


def looks_at_question(name: str) -> bool:
    """Whether a method has to know the question before the film is watched."""
    return _ours()[name].load().by_question()


def chosen(only: Sequence[str] = (), questions: int = QUESTIONS, seed: int = SEED) -> tuple[Part, ...]:
    """The parts of some groups; all without names. Raises UsageError for a group that does not exist."""
    if unknown := [name for name in only if name not in GROUPS]:
        raise UsageError(f"--only {unknown[0]}: there are {', '.join(GROUPS)}")
    return tuple(part for part in parts(questions, seed) if not only or part.group in only)


def _has(name: str, option: str) -> bool:
    return option in getattr(_ours()[name].load(), "__dataclass_fields__", {})


@cache
def _ours() -> dict[str, Listing]:
    return {item.name: item for item in available() if item.distribution == OURS}
