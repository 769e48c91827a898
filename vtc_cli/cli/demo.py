"""`vtc demo`: the whole way from an mp4 to answers, on a clip whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(demo)


def demo(
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another film: any number.")] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the clip here.  [default: the cache]")
    ] = None,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="Ask another model.")] = "tiny",
    method: options.Method = None,
    budget: options.CacheBudget = None,
    device: options.Device = None,
    report: options.Report = None,
    quiet: options.Quiet = None,
) -> None:
    """Render a clip, ask three questions, compare with the truth.

    \b
    Examples:
      vtc demo
      vtc demo --seed 8 --output film.mp4
      vtc demo -m uniform:retain=1/2

    Works offline with the bundled model. The film comes from a seed the model was not trained on. Exit code 0
    means that it ran, whatever was right or wrong.
    """
    flags = {"model": model, "method": method, "budget": budget, "device": device, "report": report, "quiet": quiet}
    from vtc_cli.cli.answers import one_line
    from vtc_cli.cli.asking import show_report
    from vtc_cli.cli.screen import Screen, library_noise
    from vtc_cli.config.layers import effective, settings
    from vtc_cli.jobs.batch import Tally, run_batch
    from vtc_cli.jobs.demo import for_film, is_right, prepare
    from vtc_cli.jobs.request import Request
    from vtc_cli.jobs.run import Runner

    values = effective(flags)
    silent = values["quiet"].value
    film = prepare(seed, output=output)
    if not silent:
        typer.echo(f"film: {film.path} ({film.seconds:g} s, seed {seed})\n", err=True)
    screen = Screen(quiet=silent)
    tally, last, right = Tally(), None, 0
    with library_noise(verbose=False):
        runner = Runner(for_film(settings(values)), events=screen)
        request = Request((str(film.path),), film.questions)
        for question, record in zip(film.questions, run_batch(request, runner, tally, events=screen), strict=True):
            if record["error"] is not None:
                raise typer.Exit(tally.exit_code)
            correct = is_right(record["answer"], question.truth or "")
            right, last = right + correct, record
            verdict = "right" if correct else f"wrong, it is {question.truth}"
            typer.echo(f"{question.text}\n  {one_line(record['answer'])}  ({verdict})")
    typer.echo(f"{right} of {len(film.questions)} right")
    if last is not None and values["report"].value is not False and not silent:
        typer.echo("", err=True)
        show_report(last)
    if not silent:
        typer.echo(f'\nask it yourself: vtc ask {film.path} "{film.questions[0].text}" --model {model}', err=True)
    raise typer.Exit(tally.exit_code)
