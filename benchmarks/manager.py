"""Does training a manager raise its reward, and a reward dealt at random not? Does the manager beat rules, tuned
thresholds and fixed windows at equal text tokens per minute?

    python -m benchmarks.manager                          # the whole: hours on two cores
    python -m benchmarks.manager --films 4 --length 60 --tests 2 --decisions 2 --folder runs/manager-small

Films to train on are of the world's training split, films to compare on of its validation split. Whatever was gathered
stays in the folder, a line each, so that a run that was stopped goes on. Memories of different managers are compared at
the text that the trained one writes: every other one is tried with descriptions of several lengths, and the row whose
tokens per minute lie closest stands for it; which those are is told beside. Differences are paired by question, with an
interval from a bootstrap over films. Writes FOLDER/manager.json; --publish writes benchmarks/results/manager.json and
the tables of docs/memory.md as well.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.memory_page import publish

LENGTHS = (32, 64, 128, 256)  # of descriptions, tokens: how much text a memory writes


def rows(trained: Path, tuned: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The managers that are compared: name -> options of `mm-mem`."""
    found: dict[str, dict[str, Any]] = {
        "trained": {"manager": str(trained)},
        "rules": {},
        "fixed windows of 60 s": {"merge": -1.0, "same": 1.0, "longest": 60.0, "shortest": 60.0},
        "fixed windows of 30 s": {"merge": -1.0, "same": 1.0, "longest": 30.0, "shortest": 30.0},
    }
    if tuned is not None:
        found["tuned"] = tuned
    return found


def paired(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> dict[str, float]:
    """Mean difference, and its 95 % interval by a bootstrap over films. one, other: figures of each film, in order."""
    from vtc_cli.bench.statistics import paired_interval

    sums, sizes = [sum(a) - sum(b) for a, b in zip(one, other, strict=True)], [len(a) for a in one]
    low, high = paired_interval(sums, sizes) or (float("-inf"), float("inf"))
    return {"difference": sum(sums) / sum(sizes), "low": low, "high": high}


def rise(report: dict[str, Any]) -> dict[str, float]:
    """How much more reward the policy expects after training, in states of films kept apart."""
    films: dict[str, list[dict[str, Any]]] = {}
    for state in report["apart"]:
        films.setdefault(state["film"], []).append(state)
    return paired(*([[state[when] for state in film] for film in films.values()] for when in ("after", "before")))


@contextmanager
def lessons_of(runner: Any, world: Any) -> Iterator[list[Any]]:
    from vtc_cli.jobs.lessons import of_world, watch

    model = runner.prepare()
    found = [watch(item, runner.rememberer, model) for item in of_world(world) if item.questions]
    try:
        yield found
    finally:
        for lesson in found:
            lesson.moments.close()


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def train(options: argparse.Namespace, runner: Any) -> dict[str, Any]:
    """The manager, and the control with the same decisions."""
    from vtc_cli.jobs.ledger import Ledger
    from vtc_cli.jobs.lessons import World
    from vtc_cli.memory.echo import EchoingNarrator
    from vtc_cli.memory.lessons import TrainingRequest

    reports: dict[str, Any] = {}
    wanted = {"trained": False, "control": True}
    for name in wanted:
        kept = options.folder / name / "report.json"
        if kept.is_file() and (options.folder / name / "vtc_manager.json").is_file():
            reports[name] = json.loads(kept.read_text())
    if len(reports) == len(wanted):
        return reports
    world = World(options.films, options.length, options.seed, "train", options.questions)
    with lessons_of(runner, world) as lessons:
        model = runner.prepare()
        narrator = EchoingNarrator(runner.narrator(model))
        for name, shuffled in wanted.items():
            if name in reports:
                continue
            recipe = {
                "exact": not options.grpo,
                "epochs": options.epochs,
                "rate": options.rate,
                "most": options.decisions,
                "shuffled": shuffled,
            }
            place = options.folder / name
            with Ledger(options.folder / "decisions.jsonl") as log:
                request = TrainingRequest(options.folder, place, log, options.seed, recipe, tell)
                runner.rememberer.method.train(lessons, model, narrator, request)
            reports[name] = json.loads((options.folder / "report.json").read_text())
            (place / "report.json").write_text(json.dumps(reports[name], indent=2) + "\n")
    return reports


def compare(options: argparse.Namespace, runner: Any) -> dict[str, Any]:
    """Every manager on the same films, with descriptions of several lengths."""
    from hashlib import blake2b

    from vtc_cli.jobs.lessons import World
    from vtc_cli.jobs.tuning import MarksLog
    from vtc_cli.memory.echo import EchoingNarrator
    from vtc_cli.memory.lessons import examine

    tuned = None if options.tuned is None else options_of(options.tuned)
    log = MarksLog(options.folder / "films.jsonl")
    world = World(options.tests, options.length, 100_000 + options.seed, "validation", options.questions)
    table: dict[str, list[dict[str, Any]]] = {}
    with lessons_of(runner, world) as lessons:
        model = runner.prepare()
        for lesson in lessons:
            narrator = EchoingNarrator(runner.narrator(model))
            for row, changed in rows(options.folder / "trained", tuned).items():
                for tokens in options.lengths:
                    method = replace(runner.rememberer.method, **changed, tokens=tokens)
                    words = [row, dict(method.content()), lesson.digest, narrator.embedder, options.method]
                    name = blake2b(json.dumps(words, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()
                    marks = log.find(name)
                    if marks is None:
                        marks = examine(method, lesson, narrator)
                        log.add(name, f"{lesson.name}: {row}, {tokens} tokens", marks)
                        tell(f"{lesson.name}: {row}, {tokens} tokens: {marks.right} of {len(marks.logs)}")
                    table.setdefault(f"{row}/{tokens}", []).append(marks)
    log.close()
    from vtc_cli.memory.lessons import Marks

    merged = {name: Marks.together(parts) for name, parts in table.items()}
    target = merged[f"trained/{options.lengths[-1]}"].per_minute
    found: dict[str, Any] = {"tokens_per_minute": round(target, 2), "rows": {}, "against": {}}
    chosen: dict[str, str] = {}
    for row in rows(options.folder / "trained", tuned):
        mine = {name: marks for name, marks in merged.items() if name.rpartition("/")[0] == row}
        chosen[row] = min(mine, key=lambda name: (abs(merged[name].per_minute - target), name))
        marks = merged[chosen[row]]
        found["rows"][row] = {
            "tokens": int(chosen[row].rpartition("/")[2]),
            "tokens_per_minute": round(marks.per_minute, 2),
            "nats": round(sum(marks.logs) / len(marks.logs), 5),
            "right": marks.right,
            "questions": len(marks.logs),
        }
    mine = [marks.logs for marks in table[chosen["trained"]]]
    for row, name in chosen.items():
        if row != "trained":
            found["against"][row] = paired(mine, [marks.logs for marks in table[name]])
    found["ship"] = all(item["low"] > 0 for item in found["against"].values())
    return found


def options_of(path: Path) -> dict[str, Any]:
    """The options in a settings file of `vtc tune`."""
    import tomllib

    from vtc_cli.methods.registry import choose

    chosen = choose(tomllib.loads(path.read_text())["method"][0])
    return {name: chosen.options[name] for name in ("merge", "same", "longest", "shortest")}


def main() -> None:
    """Train, train the control, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--method", default="mm-mem:last=S2,both_orders=false")
    parser.add_argument("--folder", type=Path, default=Path("runs/manager-bench"))
    parser.add_argument("--films", type=int, default=48)
    parser.add_argument("--tests", type=int, default=24)
    parser.add_argument("--length", type=float, default=120.0)
    parser.add_argument("--questions", type=int, default=8, help="about each film")
    parser.add_argument("--decisions", type=int, default=6, help="of each window")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="of descriptions, tokens")
    parser.add_argument("--tuned", type=Path, help="settings file of `vtc tune`, to compare with")
    parser.add_argument("--grpo", action="store_true", help="train with TRL instead of exactly")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    from benchmarks.machine import provenance
    from vtc_cli.jobs.recalling import MemoryRunner
    from vtc_cli.jobs.settings import Settings

    runner = MemoryRunner(Settings(model=options.model, method=(options.method,)))
    reports = train(options, runner)
    found = {
        "what": (__doc__ or "").splitlines()[0],
        "settings": {name: str(value) for name, value in vars(options).items() if name != "publish"},
        "training": {name: {**report, "rise": rise(report)} for name, report in reports.items()},
        "comparison": compare(options, runner),
        **provenance(),
    }
    (options.folder / "manager.json").write_text(json.dumps(found, indent=2) + "\n")
    if options.publish:
        publish("manager", found)
    short = {name: report["kept_apart"] or report["learnt_from"] for name, report in found["training"].items()}
    print(json.dumps({"training": short, "comparison": found["comparison"]}, indent=2))


if __name__ == "__main__":
    main()
