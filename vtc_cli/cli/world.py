"""`vtc world`: films of the procedural world as files, with questions whose answers are known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vtc_cli.cli import options
from vtc_cli.cli.amounts import parsed
from vtc_cli.cli.help import Command, Group

PICTURE, QUESTIONS = "Picture", "Questions"


def register(app: typer.Typer) -> None:
    world = typer.Typer(cls=Group, rich_markup_mode=None, help=_world.__doc__)
    world.callback(invoke_without_command=True)(_world)
    world.command(cls=Command)(render)
    app.add_typer(world, name="world")


def _world(context: typer.Context) -> None:
    """Films whose truth is known, to try methods on.

    \b
    Examples:
      vtc world render --seed 7 --length 60 film.mp4
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def render(
    film: Annotated[Path, typer.Argument(metavar="FILM", help="The file to write: .mp4, .mov or .mkv.")],
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another film: any number.")] = 0,
    length: Annotated[
        float,
        typer.Option(
            metavar="TIME",
            parser=parsed("parse_length"),
            show_default=False,
            help="Seconds, MM:SS, or like 10m and 1h.  [default: 60]",
        ),
    ] = 60.0,
    scenes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Shots it is cut into.  [default: one per 8 s]")
    ] = None,
    long: Annotated[
        bool, typer.Option("--long", help="A cast that returns, and facts shown once for 3 s: for recall.")
    ] = False,
    facts: Annotated[int, typer.Option(metavar="N", min=0, help="Facts of a --long film, where it has room.")] = 16,
    split: Annotated[str, typer.Option(metavar="NAME", help="train, validation or test: which world.")] = "test",
    aspect: Annotated[
        float,
        typer.Option(
            metavar="W:H",
            parser=parsed("parse_aspect"),
            show_default=False,
            rich_help_panel=PICTURE,
            help="Shape of the picture.  [default: 1:1]",
        ),
    ] = 1.0,
    height: Annotated[
        int, typer.Option(metavar="N", min=64, max=2160, rich_help_panel=PICTURE, help="Pixels from top to bottom.")
    ] = 384,
    fps: Annotated[
        int, typer.Option("--fps", metavar="N", min=1, max=120, rich_help_panel=PICTURE, help="Pictures a second.")
    ] = 15,
    crf: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=51, rich_help_panel=PICTURE, help="Quality: 18 fine, 30 small and worn."),
    ] = 23,
    per_skill: Annotated[
        int, typer.Option(metavar="N", min=1, rich_help_panel=QUESTIONS, help="Most questions of each skill.")
    ] = 10,
    unseen: Annotated[
        bool,
        typer.Option("--unseen", rich_help_panel=QUESTIONS, help="Word them as the bundled model never saw."),
    ] = False,
    questions_only: Annotated[
        bool, typer.Option("--questions-only", rich_help_panel=QUESTIONS, help="Write no picture.")
    ] = False,
    quiet: options.Quiet = None,
) -> None:
    """Write a film of the procedural world, the truth about it, and questions to ask.

    \b
    Examples:
      vtc world render --seed 7 --length 60 film.mp4
      vtc world render --length 10m --long --aspect 16:9 film.mp4
      vtc ask film.mp4 --questions film.questions.jsonl --model tiny

    Beside FILM come two files. <name>.json holds the questions with answers, options and times, and the exact truth:
    scenes, things and where they are at every second, captions. <name>.questions.jsonl holds the same questions, one
    per line, as `vtc ask --questions` reads them. The same options always make the same film.
    """
    from vtc_cli.errors import UsageError
    from vtc_cli.jobs.world import Order
    from vtc_cli.jobs.world import render as write

    splits = ("train", "validation", "test")
    if split not in splits:
        raise UsageError(f"there is no --split {split}", f"choose one of {', '.join(splits)}")
    order = Order(
        seed=seed,
        length=length,
        scenes=scenes,
        split=split,
        aspect=aspect,
        height=height,
        fps=fps,
        crf=crf,
        long=long,
        facts=facts,
        per_skill=per_skill,
        unseen=unseen,
    )
    with _Bar(bool(quiet)) as bar:
        written = write(order, film, questions_only, drawn=bar.drawn)
    for path in (written.film, written.truth, written.questions):
        if path is not None:
            typer.echo(str(path))
    if not quiet and written.film is not None:
        ask = f"vtc ask {written.film} --questions {written.questions} --model tiny"
        typer.echo(f"{written.asked} questions; ask them: {ask}", err=True)


class _Bar:
    """How far the pictures are, on a terminal."""

    def __init__(self, quiet: bool):
        from vtc_cli.cli.screen import is_terminal

        self._lively = is_terminal(sys.stderr) and not quiet
        self._bar: Any = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def drawn(self, done: int, total: int) -> None:
        if not self._lively:
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc="drawing", unit=" frames", file=sys.stderr, leave=False, delay=0.3)
        self._bar.update(done - self._bar.n)
