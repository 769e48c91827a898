"""How well the bundled model answers, from results/tiny*.json: the tables of skills and of what it has to reach.

`python -m benchmarks.results --write` puts both into docs/tiny.md and the first into README.md; `make ruler` measures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import MissingResultError, interval, percent, points, table

Bench = Mapping[str, Any]
SKILL, MEAN, UNSEEN, KEPT = 0.90, 0.95, 0.03, 0.85  # shares of right answers
RANDOM, LAST = 0.10, 0.30  # what has to be lost: with one token in nine kept at random, with the last four frames only
THINNED, FRAMES = "random:retain=1/9", "recent:units=2"
RECALLS = {"a minute": "tiny-recall-1m", "ten minutes": "tiny-recall"}


def sections(folder: Path) -> dict[str, str]:
    """Both tables by the name of their place. folder: of the files. Raises MissingResultError."""
    read = {}
    for name in ("tiny", "tiny-unseen", *RECALLS.values()):
        path = folder / f"{name}.json"
        if not path.is_file():
            raise MissingResultError(f"{path} is not there: run `make ruler` first")
        read[name] = json.loads(path.read_text(encoding="utf-8"))
    recalls = {length: read[name] for length, name in RECALLS.items()}
    return {"skills": skills(read["tiny"], read["tiny-unseen"]), "bar": bar(read["tiny"], read["tiny-unseen"], recalls)}


def skills(seen: Bench, unseen: Bench) -> str:
    """Every skill with its interval, in words it never saw, over noise, and what guessing gets."""
    plain, other, blind = _scores(seen, "none"), _scores(unseen, "none"), _scores(seen, "blind")
    rows = [
        [skill, f"{plain[skill]['n']:,}", percent(plain[skill]["accuracy"]),
         interval(plain[skill]["low"], plain[skill]["high"]), percent(other[skill]["accuracy"]),
         percent(blind[skill]["accuracy"]), *(("", "") if skill == "all" else _guessed(seen, skill))]
        for skill in (*seen["skills"], "all")
    ]  # fmt: skip
    head = ["skill", "n", "right", "95 % interval", "in words it never saw", "over noise", "chance", "one answer"]
    return table(head, rows) + "\n"


@dataclass(frozen=True)
class Aim:
    """One line of the bar. aim: in words. measured: with its interval. reached: whether that is enough."""

    aim: str
    measured: str
    reached: bool


def bar(seen: Bench, unseen: Bench, recalls: Mapping[str, Bench]) -> str:
    """What the model has to reach, what it does, and whether that is enough. recalls: by length of their films."""
    lines = [*_short(seen, unseen), *(line for length, bench in recalls.items() for line in _recalled(length, bench))]
    rows = [[line.aim, line.measured, "reached" if line.reached else "**missed**"] for line in lines]
    return table(["to reach", "measured", ""], rows, left=3) + "\n"


def _short(seen: Bench, unseen: Bench) -> Iterator[Aim]:
    plain, other, blind = _scores(seen, "none"), _scores(unseen, "none"), _scores(seen, "blind")
    names = list(seen["skills"])
    right = {name: plain[name]["accuracy"] for name in names}
    low = _told({name: right[name] for name in sorted(names, key=right.__getitem__) if right[name] < SKILL}, percent)
    yield Aim(f"every skill {100 * SKILL:.0f} %", f"not {low}" if low else "every one", not low)
    mean = sum(right.values()) / len(names)
    yield Aim(f"{100 * MEAN:.0f} % in the mean over skills", percent(mean), mean >= MEAN)
    change = {name: other[name]["accuracy"] - plain[name]["accuracy"] for name in (*names, "all")}
    more = _told({name: change[name] for name in names if change[name] < -UNSEEN}, points)
    yield Aim(
        f"words it never saw cost no skill more than {100 * UNSEEN:.0f} points",
        f"all together {points(change['all'])}" + (f"; more: {more}" if more else ""),
        not more,
    )
    above = _told(
        {name: blind[name]["accuracy"] for name in names if blind[name]["low"] > _best_guess(seen, name)}, percent
    )
    yield Aim("over noise no skill beats guessing, at random or always the one best answer", above or "none", not above)
    yield _loss(f"one token in nine at random loses {100 * RANDOM:.0f} points", seen, THINNED, RANDOM)


def _recalled(length: str, bench: Bench) -> Iterator[Aim]:
    kept = _scores(bench, "none", "kept")["recall"]
    gone = _scores(bench, FRAMES, "gone")["recall"]
    films = f"films of {length}:"
    yield Aim(
        f"{films} {100 * KEPT:.0f} % of facts of 3 s, everything in the cache", _share(kept), kept["accuracy"] >= KEPT
    )
    yield Aim(
        f"{films} no more than guessing where the moment has gone",
        _share(gone),
        gone["low"] <= _best_guess(bench, "recall"),
    )
    yield _loss(f"{films} the last four frames alone lose {100 * LAST:.0f} points", bench, FRAMES, LAST)


def _loss(aim: str, bench: Bench, name: str, least: float) -> Aim:
    score = _scores(bench, name)["all"]
    told = f"{points(score['difference'])} ({points(score['difference_low'])} to {points(score['difference_high'])})"
    return Aim(aim, f"{told}, n {score['n']:,}", score["difference"] <= -least)


def _told(found: Mapping[str, float], say: Callable[[float], str]) -> str:
    return ", ".join(f"`{name}` {say(value)}" for name, value in found.items())


def _share(score: Mapping[str, Any]) -> str:
    return f"{percent(score['accuracy'])} ({interval(score['low'], score['high'])}), n {score['n']:,}"


def _guessed(bench: Bench, skill: str) -> tuple[str, str]:
    chance, constant = bench["chance"][skill], bench["most_common"][skill]
    return percent(chance), percent(constant)


def _best_guess(bench: Bench, skill: str) -> float:
    return max(bench["chance"][skill] or 0.0, bench["most_common"][skill] or 0.0)


def _scores(bench: Bench, name: str, evidence: str | None = None) -> Mapping[str, Any]:
    """Of a row, by skill. evidence: only questions whose moment is still `kept` in the cache, or is `gone`."""
    row = next(row for row in bench["rows"] if row["name"] == name)
    return row["scores"] if evidence is None else {skill: found[evidence] for skill, found in row["evidence"].items()}
