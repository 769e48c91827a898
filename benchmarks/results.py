"""Every figure of docs/results.md: all methods at all sizes on the bundled model, and what the page is written from.

    python -m benchmarks.results                      run what is missing; Ctrl-C or --minutes stop it, and it goes on
    python -m benchmarks.results --estimate           one film of each part, and what the rest will take
    python -m benchmarks.results --further            more questions than the figures have, about the films after theirs
    python -m benchmarks.results --write              docs/results.md, its pictures, the tables of other pages

Answers go to runs/results, one file per part and edition of the weights, as `vtc bench -o` writes them. A part's
figures go to benchmarks/results when the run ends or is stopped; `--write` refuses parts that are not whole.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import peaks, plan, scaling
from benchmarks.advice import TOLERANCE, UnsupportedError
from benchmarks.condensed import SCHEMA, condense
from benchmarks.figures import MissingResultError, Results
from benchmarks.machine import provenance
from benchmarks.pooled import pool
from benchmarks.running import Clock, Run
from vtc_cli.bench.rows import NONE
from vtc_cli.errors import VtcError
from vtc_cli.jobs.ledger import Ledger

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
RUNS = ROOT / "runs" / "results"
MEASURED = "vtc.results.scaling/1"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="GROUP,...", help=f"of {', '.join(plan.GROUPS)}")
    parser.add_argument("--limit", type=int, default=plan.QUESTIONS, metavar="N", help="questions per row")
    parser.add_argument("--seed", type=int, default=plan.SEED, help="other films")
    parser.add_argument("--minutes", type=float, help="stop after so many; the next run goes on")
    parser.add_argument("--longest", type=float, default=scaling.MINUTES[-1], help="minutes of the longest film")
    parser.add_argument("--estimate", action="store_true", help="one film of each part, and what the rest will take")
    parser.add_argument("--further", action="store_true", help="add films to figures that have fewer questions")
    parser.add_argument("--write", action="store_true", help="write the page from benchmarks/results; nothing is run")
    parser.add_argument("--tolerance", type=float, default=100 * TOLERANCE, help="points that advice may cost")
    parser.add_argument("--model", default="tiny", help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the answers")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the figures")
    parser.add_argument("--docs", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        if options.write:
            for path in write(options.results, options.docs, options.tolerance / 100):
                print(path)
            return 0
        return run(options)
    except (VtcError, MissingResultError, UnsupportedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    """Run what is missing. Returns 0 when all of it is there, 3 when time ran out."""
    clock = Clock(options.minutes)
    only = tuple(filter(None, (options.only or "").split(",")))
    parts = plan.chosen(only, options.limit, options.seed)
    folder = options.runs / f"{weights_of(options.model)}-{options.seed}"
    earlier = found_in(options.results, parts) if options.further else {}
    parts = tuple(part.after(earlier[part.name]) if part.name in earlier else part for part in parts)
    parts = tuple(part for part in parts if part.limit > 0)
    done = True
    for shared in (False, True):  # what is timed comes first, while little else is in memory
        runs = [Run(part, folder, options.model) for part in parts if part.shared == shared]
        done &= _answer(runs, options, clock, earlier)
    if (not only or "scaling" in only) and not options.estimate:
        done &= scale(options, folder, clock)
    if (not only or "peaks" in only) and not options.estimate:
        done &= alone(options, folder, clock)
    if not done:
        print("not finished: the same command goes on with it", file=sys.stderr)
    return 0 if done or options.estimate else 3


def found_in(folder: Path, parts: Sequence[plan.Part]) -> dict[str, dict[str, Any]]:
    """The figures of parts that are there, by name. Those of what is timed are made anew: they are few."""
    paths = {part.name: folder / f"{part.name}.json" for part in parts if part.shared}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.is_file()}


def _answer(runs: Sequence[Run], options: argparse.Namespace, clock: Clock, earlier: Mapping[str, Any]) -> bool:
    """One film of each part, what the rest will take, then the rest. Whether all of them are done.

    earlier: figures of films before those of a part, by its name; what is kept has both.
    """
    try:
        for one in runs:
            one.film(clock)
            _tell(one)
        known = [one.left for one in runs if one.left is not None]
        if runs and len(known) == len(runs):
            print(f"about {_minutes(sum(known))} of processor time for the rest of these", file=sys.stderr)
        for one in runs if not options.estimate else ():
            while one.film(clock):
                _tell(one)
            _tell(one)
    finally:
        for one in runs:
            if one.whole():
                before = earlier.get(one.part.name)
                found = dated(condense(one))
                keep(options.results, {**(pool(before, found) if before else found), "done": one.done})
            one.close()
    return all(one.done for one in runs)


def scale(options: argparse.Namespace, folder: Path, clock: Clock) -> bool:
    """Measure the lengths that are missing. Whether all are there."""
    wanted = scaling.wanted(options.longest)
    with Missing(folder / "scaling.jsonl", lambda row: (row["minutes"], tuple(row["methods"]))) as missing:
        for minutes, methods in wanted:
            said = f"scaling: {minutes:g} min, {'+'.join(methods) or 'none'}"
            missing.fill((minutes, methods), said, clock, partial(scaling.measure, minutes, methods, options.model))
    rows = [missing.found[place] for place in wanted if place in missing.found]
    return _keep_measured(options.results, "scaling", scaling.SEED, rows, len(wanted))


def alone(options: argparse.Namespace, folder: Path, clock: Clock) -> bool:
    """Measure the peaks of memory that are missing. Whether all are there."""
    wanted = peaks.wanted()
    with Missing(folder / "peaks.jsonl", lambda row: (row["of"], row["name"])) as missing:
        for part, row in wanted:
            none = missing.found.get((part, NONE))
            whole = none["entries"] if none and row.share is not None else None
            measure = partial(peaks.measure, part, row.name, whole, options.model)
            missing.fill((part, row.name), f"peaks: {part}, {row.name}", clock, measure)
    rows = [missing.found[part, row.name] for part, row in wanted if (part, row.name) in missing.found]
    return _keep_measured(options.results, peaks.PART, plan.SEED, rows, len(wanted), ("of", "name", *peaks.FIGURES))


class Missing:
    """What is measured one by one, each in a process of its own: a file of lines, where those that are there stay.

    place: what tells lines apart. found: every line by it.
    """

    def __init__(self, path: Path, place: Callable[[Mapping[str, Any]], Any]):
        self._ledger = Ledger(path)
        self.found = {place(line): line for line in self._ledger.records}

    def fill(self, place: Any, said: str, clock: Clock, measure: Callable[[], Mapping[str, Any]]) -> None:
        """Measure and write one that is not there, while there is time. said: to whoever waits for it."""
        if place in self.found or clock.over:
            return
        print(said, file=sys.stderr)
        line = {"schema": MEASURED, **measure()}
        self._ledger.append(line)
        self.found[place] = line

    def __enter__(self) -> Missing:
        return self

    def __exit__(self, *_: object) -> None:
        self._ledger.close()


def _keep_measured(
    folder: Path, part: str, seed: int, rows: Sequence[Mapping[str, Any]], planned: int, names: Sequence[str] = ()
) -> bool:
    """Write the figures of what was measured one by one. names: what is kept of each line, all of it without any.

    Whether all that were planned are there.
    """
    done = len(rows) == planned
    if rows:
        told = {name: rows[0][name] for name in ("model", "machine", "versions")}
        told |= {"planned": planned, "questions": len(rows), "done": done}
        kept = [{name: row[name] for name in names} if names else row for row in rows]
        keep(folder, dated({"schema": SCHEMA, "part": part, "facts": {"seed": seed}, "rows": kept, **told}))
    return done


def keep(folder: Path, result: Mapping[str, Any]) -> Path:
    """Write a part's figures."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['part']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def dated(result: Mapping[str, Any]) -> dict[str, Any]:
    """A part's figures with the date and the command."""
    return {**result, "date": datetime.now(UTC).date().isoformat(), "command": provenance()["command"]}


def write(folder: Path, root: Path = ROOT, tolerance: float = TOLERANCE) -> list[Path]:
    """The page, its pictures, the tables of docs/methods and the README, from a folder of figures: what was written.

    Raises MissingResultError and UnsupportedError before anything is changed.
    """
    from benchmarks import bar, pareto
    from benchmarks.page import IMAGES, METHODS, PAGE, README, RULER, filled, page, sections

    results = Results.read(folder)
    text, found = page(results, tolerance), {**sections(results), **bar.sections(folder)}
    made = pareto.save(results, root / IMAGES)
    (root / PAGE).parent.mkdir(parents=True, exist_ok=True)
    (root / PAGE).write_text(text, encoding="utf-8")
    made.append(root / PAGE)
    for path in [*sorted((root / METHODS).glob("*.md")), *filter(Path.is_file, [root / README, root / RULER])]:
        before = path.read_text(encoding="utf-8")
        if (after := filled(before, found)) != before:
            path.write_text(after, encoding="utf-8")
            made.append(path)
    return made


def weights_of(model: str) -> str:
    """What tells editions of the weights apart, as a name for a folder."""
    from vtc_cli import load_model

    revision = load_model(model).info.revision or "unknown"
    return revision.rpartition(":")[2][:12]


def _tell(one: Run) -> None:
    answers, planned = len(one.lines), one.plan.answers
    left = "" if one.left is None else f", about {_minutes(one.left)} of processor time left"
    print(f"{one.part.name}: {answers:,} of {planned:,} answers{'' if one.done else left}", file=sys.stderr)


def _minutes(amount: float) -> str:
    return f"{amount:.0f} s" if amount < 120 else f"{amount / 60:.0f} min"


if __name__ == "__main__":
    sys.exit(main())
