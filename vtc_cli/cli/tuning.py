"""The terminal side of `vtc tune`: films watched, values tried, and the table at the end."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.cli.screen import library_noise

if TYPE_CHECKING:
    from vtc_cli.jobs.lessons import World
    from vtc_cli.jobs.settings import Settings
    from vtc_cli.jobs.tuning import Search, Trial, Tuned
    from vtc_cli.memory.lessons import Lesson


def tune_on(
    settings: Settings,
    world: World,
    search: Search,
    *,
    questions: Path | None,
    videos: Path | None,
    share: float,
    folder: Path,
    output: Path,
    json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Search, write the settings file, print what was found."""
    from vtc_cli.jobs.lessons import of_file, of_world
    from vtc_cli.jobs.tuning import Tuner, settings_file
    from vtc_cli.jobs.writing import write_whole
    from vtc_cli.memory.echo import EchoingNarrator
    from vtc_cli.memory.lessons import held_out
    from vtc_cli.methods.registry import choose

    say = (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr, flush=True))
    footage = of_file(questions, videos) if questions is not None else of_world(world)
    with library_noise(verbose), taught(settings, footage, say) as (runner, lessons):
        model = runner.prepare()
        chosen = runner.rememberer.chosen
        apart = held_out(lessons, share)
        tuner = Tuner(
            chosen,
            *apart,
            EchoingNarrator(runner.narrator(model)),
            search,
            folder,
            facts={"fps": settings.fps, "pixels": settings.pixels, "system": settings.system},
            watcher=lambda trial: say(_line(trial)),
        )
        tuned = tuner.run()
    asked = {
        name: value
        for name, value in chosen.options.items()
        if value != choose(chosen.name).options[name] and name not in tuned.tried
    }
    kind = "films of the procedural world" if questions is None else str(questions)
    write_whole(output, settings_file(tuned, chosen.name, asked, _comment(tuned, search, kind, settings)))
    if json:
        print(json_format.dumps(_found(tuned, output), indent=2))
    else:
        print("\n".join(_table(tuned)))
        say(f"{output} written; use it: vtc index VIDEO --settings {output}")
    if not tuned.better:
        say("no better than the values it began with on the films that decide: there is no reason to use it")


@contextmanager
def taught(settings: Settings, footage: Any, say: Any) -> Iterator[tuple[Any, list[Lesson]]]:
    """The films, watched once; their pictures are gone afterwards."""
    from vtc_cli.jobs.lessons import watch
    from vtc_cli.jobs.recalling import MemoryRunner

    runner = MemoryRunner(settings)
    model = runner.prepare()
    lessons: list[Lesson] = []
    try:
        for item in footage:
            if not item.questions:
                continue
            lessons.append(watch(item, runner.rememberer, model))
            say(f"watched {item.name}: {len(lessons[-1].exam)} questions")
        yield runner, lessons
    finally:
        for lesson in lessons:
            lesson.moments.close()


def _line(trial: Trial) -> str:
    values = " ".join(f"{name}={value}" for name, value in trial.options.items())
    return f"{trial.score:+.4f}  {values}"


def _comment(tuned: Tuned, search: Search, kind: str, settings: Settings) -> list[str]:
    lines = [
        f"Found by `vtc tune` on {kind}, with the model {settings.model}.",
        f"Score {tuned.began.score:+.4f} before, {tuned.best.score:+.4f} with these values"
        f" (price {search.price:g}, seed {search.seed}, {len(tuned.trials)} sets of values tried).",
    ]
    if tuned.checked is not None:
        before, after = tuned.checked
        lines.append(f"On films kept apart: {before.score:+.4f} before, {after.score:+.4f} with these values.")
    return lines


def _found(tuned: Tuned, output: Path) -> dict[str, Any]:
    return {
        "output": str(output),
        "better": tuned.better,
        "began": tuned.began.as_json(),
        "best": tuned.best.as_json(),
        "kept_apart": None if tuned.checked is None else [trial.as_json() for trial in tuned.checked],
        "frontier": [trial.as_json() for trial in tuned.frontier()],
        "trials": len(tuned.trials),
    }


def _table(tuned: Tuned) -> list[str]:
    rows: list[tuple[str, Trial]] = [("before", tuned.began), ("after", tuned.best)]
    if tuned.checked is not None:
        rows += [("before, kept apart", tuned.checked[0]), ("after, kept apart", tuned.checked[1])]
    lines = [f"{'':20} {'score':>8} {'nats':>8} {'right':>9} {'tokens/min':>10}"]
    lines += [_row(name, trial) for name, trial in rows]
    lines += ["", "nothing tried beats these in both answers and tokens:"]
    return [*lines, *(_row("", trial) + "  " + _values(trial, tuned.began) for trial in tuned.frontier())]


def _row(name: str, trial: Trial) -> str:
    plain = trial.as_json()
    share = f"{plain['right']}/{plain['questions']}"
    return f"{name:20} {plain['score']:+8.4f} {plain['nats']:+8.4f} {share:>9} {plain['tokens_per_minute']:10.1f}"


def _values(trial: Trial, began: Trial) -> str:
    """What it differs in from where the search began."""
    changed: Sequence[str] = [
        f"{name}={value}" for name, value in trial.options.items() if value != began.options[name]
    ]
    return " ".join(changed) or "as before"
