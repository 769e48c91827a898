"""`vtc report`: files of results as one HTML page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(report)


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUNS.jsonl...", help="Files written by `vtc ask -o` or `vtc bench -o`."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    thumbnails: Annotated[
        int, typer.Option(metavar="N", min=0, help="Most pictures of evidence; 0 opens no video.")
    ] = 60,
    videos: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Look for videos here too, by name; repeat it.", show_default=False),
    ] = None,
    quiet: options.Quiet = None,
) -> None:
    """Show results as one page: accuracy against cost, time, memory, every question.

    \b
    Examples:
      vtc report answers.jsonl -o report.html
      vtc report monday.jsonl tuesday.jsonl -o both.html
      vtc report runs.jsonl --videos footage/ --thumbnails 200

    The page is one HTML file. It needs no network and no script, prints well, and holds the numbers behind each figure.
    Videos that are where they were give pictures of the moments answers looked at. Nothing is shown that is not in
    the files.
    """
    from vtc_cli.cli.answers import one_line
    from vtc_cli.cli.screen import library_noise
    from vtc_cli.jobs.report import make_report

    files = runs or []
    folders = videos or []
    command = _command(files, output, thumbnails, folders)
    with library_noise(verbose=False):
        made = make_report(files, output, thumbnails=thumbnails, videos=folders, command=command)
    if not quiet:
        for note in made.notes:
            typer.echo(f"warning: {one_line(note)}", err=True)
    sys.stdout.write(f"{made.path}\n")


def _command(files: list[Path], output: Path, thumbnails: int, videos: list[Path]) -> str:
    """How to make the page again."""
    import shlex

    from vtc_cli.jobs.report import THUMBNAILS

    words = ["vtc", "report", *map(str, files), "-o", str(output)]
    words += [] if thumbnails == THUMBNAILS else ["--thumbnails", str(thumbnails)]
    return shlex.join(words + [word for folder in videos for word in ("--videos", str(folder))])
