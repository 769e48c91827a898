"""What thinning costs when the choice is as good as it can be: a pruner that knows where everything is.

    python -m benchmarks.truth                     # 24 questions of each skill, every row: about ten minutes on a core
    python -m benchmarks.truth --limit 4 --shares 1/3 -o truth.json

Every row answers the same questions about the same short films of the bundled world:

- `truth`: tokens of things, digits and words first, by the world's own label map, the rest at random;
- `truth, filled up`: the same tokens, and every other one replaced by the mean of those left out, so that the language
  model gets as many as it is used to;
- `hiprune` and `random`, to be compared.

What `truth` loses no choice of tokens can win back: it is lost to there being fewer. What `filled up` loses of that is
lost because something was told by the tokens of empty places.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from benchmarks.machine import provenance
from vtc_cli import Frame, Kept, Session, SharePruner, TokenPruner, Unit, VideoLM, load_model
from vtc_cli.bench.shared_vision import SharedVision
from vtc_cli.bench.statistics import paired_interval, wilson
from vtc_cli.bench.suite import Case, limited
from vtc_cli.bench.suites.tiny import TinySuite, Wanted
from vtc_cli.train.world import Film, label_map

SEED = 11  # films that nothing else is measured on
CHUNK = 4  # units prefilled together
Labels = Callable[[Unit], Tensor]  # int64 [tokens]: above 0 where something is, below where it cannot be said


@dataclass
class Truth(SharePruner):
    """Keep tokens of things, then those that may be of things, then any, drawn by the unit's number."""

    needs: ClassVar[frozenset[str]] = frozenset()
    labels: Labels | None = None

    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        assert self.labels is not None
        kind = self.labels(unit)
        drawn = torch.rand(len(kind), generator=torch.Generator().manual_seed(unit.index))
        order = (2 * (kind > 0) + (kind < 0) + drawn).argsort(descending=True, stable=True)
        return Kept(order[:budget].sort().values)


def filled(model: VideoLM, pruner: Truth) -> VideoLM:
    """A model whose units hold what the pruner keeps, and the mean of the rest in every other place."""
    other, encode = copy.copy(model), model.encode

    def fill(unit: Unit) -> Unit:
        count = len(unit.tokens)
        left = torch.ones(count, dtype=torch.bool)
        left[pruner.keep(unit, pruner.budget(count)).indices] = False
        rows = [torch.where(left[:, None], part[left].mean(0), part) for part in (unit.tokens, *unit.deep)]
        return replace(unit, tokens=rows[0], deep=tuple(rows[1:]))

    def encoded(*args: Any, **named: Any) -> list[Unit]:
        return [fill(unit) for unit in encode(*args, **named)]

    other.encode = encoded  # type: ignore[method-assign]
    return other


def labels_of(film: Film, size: tuple[int, int], frames: Sequence[Frame], per_unit: int) -> Labels:
    """What is in every token of a unit of the film."""

    def labels(unit: Unit) -> Tensor:
        first = unit.index * per_unit
        times = frames[first].time, frames[min(first + per_unit, len(frames)) - 1].time
        return torch.from_numpy(label_map(film, times, size, size[0] // unit.grid[0])[..., 0].reshape(-1).copy())

    return labels


def shown(suite: TinySuite, case: Case, per_unit: int) -> tuple[list[Frame], Labels]:
    """The frames of a film, one a second, and what is in every token of its units of `per_unit` frames."""
    film, size = suite.film(case.id)
    clip = case.open()
    frames = list(clip.frames(1.0))
    clip.close()
    return frames, labels_of(film, size, frames, per_unit)


def main() -> None:
    """Measure, print a table, write the figures."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--model", default="tiny")
    asked.add_argument("--limit", type=int, default=24, help="questions per skill")
    asked.add_argument("--shares", default="1/3,2/9,1/9", help="of a unit's tokens")
    asked.add_argument("--seed", type=int, default=SEED, help="other films")
    asked.add_argument("-o", "--output", type=Path, help="where the figures go")
    options = asked.parse_args()
    suite, shares = TinySuite(Wanted(seed=options.seed)), tuple(options.shares.split(","))
    shared = SharedVision(load_model(options.model))
    right: defaultdict[str, list[list[tuple[str, bool]]]] = defaultdict(list)
    for number, case in enumerate(limited(suite, options.limit)):
        shared.forget()
        for name, found in answers(shared.model, suite, case, shares).items():
            right[name].append(found)
        if number % 10 == 0:
            print(f"{number + 1} films", file=sys.stderr)
    info = shared.model.info
    result = {
        "schema": "vtc.truth/1",
        **provenance(),
        "model": {"name": info.name, "revision": info.revision},
        "seed": options.seed,
        "films": len(right["none"]),
        "rows": [summed(name, films, right["none"]) for name, films in right.items()],
    }
    for row in result["rows"]:
        low, high = row["interval"] or (0.0, 0.0)
        print(f"{row['name']:<24} {row['right']:>5} of {row['n']}  {100 * row['difference']:+6.1f}"
              f"  ({100 * low:+.1f} to {100 * high:+.1f})")  # fmt: skip
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def answers(
    model: VideoLM, suite: TinySuite, case: Case, shares: Sequence[str]
) -> Mapping[str, list[tuple[str, bool]]]:
    """(skill, whether it was right) of every question of a film, by row."""
    frames, labels = shown(suite, case, model.info.frames_per_unit)
    rows: dict[str, tuple[VideoLM, TokenPruner | str | None]] = {"none": (model, None)}
    for share in shares:
        known = Truth(retain=float(Fraction(share)), labels=labels)
        rows[f"truth at {share}"] = (model, known)
        rows[f"truth at {share}, filled up"] = (filled(model, known), None)
        for name in ("hiprune", "random"):
            rows[f"{name} at {share}"] = (model, f"{name}:retain={share}")
    found = {}
    for name, (seen, pruner) in rows.items():
        session = Session(seen, pruner=pruner, cache=None, chunk=CHUNK)
        session.watch(frames)
        found[name] = [(task.skill, task.check(session.ask(task.question.text).text)) for task in case.tasks]
    return found


def summed(
    name: str, films: Sequence[Sequence[tuple[str, bool]]], base: Sequence[Sequence[tuple[str, bool]]]
) -> dict[str, Any]:
    """A row's figures beside those of `none`. interval: 95 %, of the difference, films drawn."""
    skills: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for skill, good in (item for film in films for item in film):
        skills[skill][0] += 1
        skills[skill][1] += good
    n, right = (sum(pair[index] for pair in skills.values()) for index in (0, 1))
    changes = [sum(g for _, g in film) - sum(g for _, g in other) for film, other in zip(films, base, strict=True)]
    return {
        "name": name,
        "n": n,
        "right": right,
        "share": wilson(right, n),
        "difference": sum(changes) / n,
        "interval": paired_interval(changes, [len(film) for film in films]),
        "skills": dict(sorted(skills.items())),
    }


if __name__ == "__main__":
    main()
