"""The terminal side of `vtc train manager`: films watched, decisions gathered, steps, and what it came to."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.cli.screen import library_noise
from vtc_cli.cli.tuning import taught

if TYPE_CHECKING:
    from vtc_cli.jobs.lessons import World
    from vtc_cli.jobs.settings import Settings


def train_on(
    settings: Settings,
    world: World,
    recipe: Mapping[str, Any],
    *,
    seed: int,
    folder: Path,
    output: Path,
    questions: Path | None,
    videos: Path | None,
    json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Train, and print what the manager is worth."""
    from vtc_cli.jobs.ledger import Ledger
    from vtc_cli.jobs.lessons import of_file, of_world
    from vtc_cli.memory.echo import EchoingNarrator
    from vtc_cli.memory.lessons import TrainingRequest

    say = (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr, flush=True))
    footage = of_file(questions, videos) if questions is not None else of_world(world)
    with library_noise(verbose), taught(settings, footage, say) as (runner, lessons):
        model = runner.prepare()
        narrator = EchoingNarrator(runner.narrator(model))
        with Ledger(folder / "decisions.jsonl") as log:
            request = TrainingRequest(folder, output, log, seed, recipe, say)
            made = runner.rememberer.method.train(lessons, model, narrator, request)
    report = json_format.loads((folder / "report.json").read_text(encoding="utf-8"))
    if json:
        print(json_format.dumps({"manager": str(made), **report}, indent=2))
        return
    print("\n".join(_table(report)))
    apart = report["kept_apart"] or report["learnt_from"]
    say(f"{made} written; use it: vtc index VIDEO --manager {made}")
    if apart["after"] <= apart["rules"]:
        say("on the films that decide it is no better than the rules: there is no reason to use it")


def _table(report: Mapping[str, Any]) -> list[str]:
    names = ("states", "blind", "rules", "before", "after", "best")
    lines = ["mean reward".ljust(14) + "".join(f"{name:>10}" for name in names)]
    for title, key in (("learnt from", "learnt_from"), ("kept apart", "kept_apart")):
        if report[key] is not None:
            cells = [report[key][name] for name in names]
            lines.append(
                title.ljust(14)
                + "".join(
                    f"{cell:>10}" if name == "states" else f"{cell:>10.4f}"
                    for name, cell in zip(names, cells, strict=True)
                )
            )
    return lines
