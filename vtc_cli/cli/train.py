"""`vtc train`: the bundled model, made again; the manager of a memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command, Group
from vtc_cli.cli.train_manager import manager

RECIPE, MACHINE = "Recipe", "Machine"


def register(app: typer.Typer) -> None:
    train = typer.Typer(cls=Group, rich_markup_mode=None, help=_train.__doc__)
    train.callback(invoke_without_command=True)(_train)
    train.command(cls=Command)(tiny)
    train.command(cls=Command)(manager)
    app.add_typer(train, name="train")


def _train(context: typer.Context) -> None:
    """Train the small model that comes with the package, or the manager of a memory.

    \b
    Examples:
      vtc train tiny --folder runs/tiny
      vtc train manager --exact
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def tiny(
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the run lives: its log, its state.")] = Path(
        "runs/tiny"
    ),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="The checkpoint.  [default: FOLDER/checkpoint]"),
    ] = None,
    vision_steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, rich_help_panel=RECIPE, help="Steps of the tower's stage.  [default: 1300]"),
    ] = None,
    language_steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, rich_help_panel=RECIPE, help="Steps of the decoder's stage.  [default: 1500]"),
    ] = None,
    units: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, rich_help_panel=RECIPE, help="Pairs of frames per step.  [default: 32]"),
    ] = None,
    peak: Annotated[
        float | None,
        typer.Option(metavar="RATE", min=0, rich_help_panel=RECIPE, help="Highest learning rate.  [default: 0.0015]"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, rich_help_panel=RECIPE, help="Of the first weights.  [default: 0]"),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(metavar="N", rich_help_panel=RECIPE, help="Blocks of the tower.  [default: 8]")
    ] = None,
    hidden: Annotated[
        int | None, typer.Option(metavar="N", rich_help_panel=RECIPE, help="Width of the tower.  [default: 192]")
    ] = None,
    layers: Annotated[
        int | None, typer.Option(metavar="N", rich_help_panel=RECIPE, help="Layers of the decoder.  [default: 8]")
    ] = None,
    text_hidden: Annotated[
        int | None, typer.Option(metavar="N", rich_help_panel=RECIPE, help="Width of the decoder.  [default: 256]")
    ] = None,
    begin_from: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="CHECKPOINT", rich_help_panel=RECIPE, help="Begin with these weights, not random ones."
        ),
    ] = None,
    microscopic: Annotated[
        bool,
        typer.Option(
            "--microscopic", rich_help_panel=RECIPE, help="A minute's run that shows that it works; learns nothing."
        ),
    ] = False,
    device: Annotated[
        str, typer.Option(metavar="DEV", rich_help_panel=MACHINE, help="auto, cpu, cuda, cuda:1 or mps.")
    ] = "cpu",
    threads: Annotated[
        int,
        typer.Option(metavar="N", min=1, rich_help_panel=MACHINE, help="More than the free cores is far slower."),
    ] = 1,
    compile: Annotated[
        bool,
        typer.Option(
            "--compile/--no-compile",
            rich_help_panel=MACHINE,
            help="Fuse the blocks: about twice as fast, needs a C++ compiler.",
        ),
    ] = False,
    notes: Annotated[str, typer.Option(metavar="TEXT", help="For the model card: what the recipe does not say.")] = "",
    quiet: options.Quiet = None,
) -> None:
    """Train the bundled model from nothing to a checkpoint folder.

    \b
    Examples:
      vtc train tiny --folder runs/tiny
      vtc train tiny --folder runs/more --from runs/tiny/checkpoint --vision-steps 600
      vtc train tiny --folder runs/micro --microscopic
      vtc ask clip.mp4 "which way does the star move?" --model runs/tiny/checkpoint

    The run can be stopped at any time; the same command goes on where it stopped, and ends with the same weights as one
    that was never stopped. A folder keeps the recipe it began with, and refuses another. Films are drawn by a second
    process.
    """
    given = {
        "vision_steps": vision_steps,
        "language_steps": language_steps,
        "units": units,
        "peak": peak,
        "seed": seed,
        "depth": depth,
        "hidden": hidden,
        "layers": layers,
        "text_hidden": text_hidden,
        "begin_from": begin_from,
    }
    from dataclasses import asdict

    from vtc_cli.errors import MachineError
    from vtc_cli.train.recipe import MICROSCOPIC, claim

    asked = {name: value for name, value in given.items() if value is not None}
    if microscopic:
        asked = asdict(MICROSCOPIC) | asked
    place = output or folder / "checkpoint"
    _compiler(compile)
    import torch

    from vtc_cli.cli.training import Progress, stoppable
    from vtc_cli.models.device import pick_device
    from vtc_cli.train.forward import Blocks
    from vtc_cli.train.loop import Stopped
    from vtc_cli.train.tiny import make_tiny

    where, _ = pick_device(device)
    recipe = claim(folder, asked)
    torch.set_num_threads(threads)
    again = f"go on with: vtc train tiny --folder {folder}"
    try:
        with stoppable(Progress(bool(quiet))) as progress:
            size = make_tiny(folder, recipe, place, torch.device(where), Blocks.choose(compile), notes, progress)
    except Stopped as stop:
        typer.echo(f"{stop}; {again}", err=True)
        raise typer.Exit(130) from None
    except KeyboardInterrupt:
        typer.echo(f"stopped; what was saved last is kept; {again}", err=True)
        raise
    except OSError as error:
        raise MachineError(f"the run cannot be written: {error}", f"make room, then {again}") from None
    typer.echo(str(place))
    if not quiet:
        typer.echo(f"{size / 1e6:.1f} MB; try it: vtc demo --model {place}", err=True)


def _compiler(wanted: bool) -> None:
    import os
    import shutil

    from vtc_cli.errors import MachineError

    names = (os.environ.get("CXX"), "c++", "g++", "clang++", "cl")
    if wanted and not any(name and shutil.which(name) for name in names):
        raise MachineError("--compile needs a C++ compiler, and there is none", "install g++, or leave --compile out")
