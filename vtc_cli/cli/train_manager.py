"""`vtc train manager`: what decides about the clips of a memory, learnt from questions answered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli import options

RECIPE = "Recipe"


def manager(
    folder: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the run lives: its decisions, its report.")
    ] = Path("runs/manager"),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="The manager.  [default: FOLDER/manager]")
    ] = None,
    questions: options.OwnFilms = None,
    videos: options.OwnVideos = None,
    films: options.WorldFilms = 24,
    length: options.WorldLength = options.WORLD_LENGTH,
    held_out: options.HeldOut = 0.33,
    exact: Annotated[
        bool,
        typer.Option("--exact/--grpo", rich_help_panel=RECIPE, help="Score all three actions; or sample, with TRL."),
    ] = False,
    epochs: Annotated[int, typer.Option(metavar="N", min=1, rich_help_panel=RECIPE, help="Over all decisions.")] = 3,
    rate: Annotated[float, typer.Option(metavar="RATE", min=0, rich_help_panel=RECIPE, help="Learning rate.")] = 1e-5,
    beta: Annotated[
        float, typer.Option(metavar="WEIGHT", min=0, rich_help_panel=RECIPE, help="Of the KL to the model as it is.")
    ] = 0.1,
    batch: Annotated[int, typer.Option(metavar="N", min=1, rich_help_panel=RECIPE, help="Decisions per step.")] = 8,
    group: Annotated[
        int, typer.Option(metavar="N", min=2, rich_help_panel=RECIPE, help="Actions sampled per decision, with TRL.")
    ] = 8,
    rank: Annotated[int, typer.Option(metavar="N", min=1, rich_help_panel=RECIPE, help="Of the LoRA adapter.")] = 64,
    window: Annotated[
        int, typer.Option(metavar="N", min=2, rich_help_panel=RECIPE, help="Clips of the memory built for a decision.")
    ] = 16,
    decisions: Annotated[
        int, typer.Option(metavar="N", min=1, rich_help_panel=RECIPE, help="Drawn from each window, at most.")
    ] = 6,
    length_weight: Annotated[
        float, typer.Option(metavar="WEIGHT", min=0, rich_help_panel=RECIPE, help="Of text kept, in the reward.")
    ] = 0.1,
    shuffled: Annotated[
        bool,
        typer.Option("--shuffled", rich_help_panel=RECIPE, help="The control: rewards dealt at random, no manager."),
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", min=0, rich_help_panel=RECIPE, help="Of all that is drawn.")] = 0,
    model: options.Model = None,
    revision: options.Revision = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    attention: options.Attention = None,
    trust_remote_code: options.TrustRemoteCode = None,
    fps: options.Fps = None,
    pixels: options.Pixels = None,
    method: options.Method = None,
    chunk: options.Chunk = None,
    system: options.System = None,
    json: options.Json = False,
    quiet: options.Quiet = None,
    verbose: options.Verbose = False,
) -> None:
    """Train what decides about the clips of a memory, by the questions that the memory then answers.

    \b
    Examples:
      vtc train manager --exact --folder runs/manager
      vtc train manager --questions mine.jsonl --videos footage --model Qwen/Qwen3-VL-2B-Instruct
      vtc train manager --exact --shuffled --folder runs/control
      vtc index film.mp4 --manager runs/manager/manager

    For every decision the memory is built with each of the three actions, and the model as it is answers questions from
    it: right answers, less a price for text, are the reward. What was gathered stays in FOLDER, so that a run that was
    stopped goes on; then a LoRA adapter is trained. Needs the extra `train`. The report says what the manager is worth
    on films kept apart, beside the rules: one that does not beat them is not worth using.
    """
    flags = dict(locals())  # the parameters by name; the configuration takes the keys it knows
    from vtc_cli.cli.managing import train_on
    from vtc_cli.config.layers import effective, settings
    from vtc_cli.jobs.lessons import World

    values = effective({name: value for name, value in flags.items() if name not in ("seed", "output")})
    recipe = {
        "exact": exact,
        "epochs": epochs,
        "rate": rate,
        "beta": beta,
        "batch": batch,
        "group": group,
        "rank": rank,
        "alpha": 2 * rank,
        "window": window,
        "most": decisions,
        "length": length_weight,
        "held_out": held_out,
        "shuffled": shuffled,
    }
    train_on(
        settings(values),
        World(films=films, length=length, seed=seed, split="train"),
        recipe,
        seed=seed,
        folder=folder,
        output=output or folder / "manager",
        questions=questions,
        videos=videos,
        json=json,
        quiet=bool(values["quiet"].value),
        verbose=verbose,
    )
