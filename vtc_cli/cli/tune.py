"""`vtc tune`: the thresholds of a memory, searched on films whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command

SEARCH = "Search"


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(tune)


def tune(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The settings file to write.")] = Path(
        "tuned.toml"
    ),
    folder: Annotated[
        Path, typer.Option(metavar="FOLDER", rich_help_panel=SEARCH, help="Where the run lives; it goes on from there.")
    ] = Path("runs/tune"),
    questions: options.OwnFilms = None,
    videos: options.OwnVideos = None,
    films: options.WorldFilms = 8,
    length: options.WorldLength = options.WORLD_LENGTH,
    held_out: options.HeldOut = 0.33,
    price: Annotated[
        float,
        typer.Option(metavar="NATS", min=0, rich_help_panel=SEARCH, help="What a text token per minute of film costs."),
    ] = 0.001,
    rounds: Annotated[
        int, typer.Option(metavar="N", min=1, rich_help_panel=SEARCH, help="Over all options, at most.")
    ] = 2,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, rich_help_panel=SEARCH, help="Of the films and the order of the search.")
    ] = 0,
    model: options.Model = None,
    revision: options.Revision = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    attention: options.Attention = None,
    quantize: options.Quantize = None,
    adapter: options.Adapter = None,
    device_map: options.DeviceMap = None,
    max_memory: options.MaxMemory = None,
    trust_remote_code: options.TrustRemoteCode = None,
    fps: options.Fps = None,
    pixels: options.Pixels = None,
    reader: options.Reader = None,
    method: options.Method = None,
    chunk: options.Chunk = None,
    system: options.System = None,
    json: options.Json = False,
    quiet: options.Quiet = None,
    verbose: options.Verbose = False,
) -> None:
    """Search the thresholds of a memory on films whose answers are known.

    \b
    Examples:
      vtc tune
      vtc tune --questions mine.jsonl --videos footage -o tuned.toml
      vtc tune -m mm-mem:captions=none --price 0
      vtc index film.mp4 --settings tuned.toml

    The score is the mean log share of the right answer, less a price for every token of text per minute of film. Each
    film is decoded and encoded once. A run that was stopped goes on where it was. Printed are the score before and
    after, also on films that were kept apart, and which values nothing beats in both answers and tokens.

    Exit codes: 0 done; 1 failed; 2 wrong usage; 4 the machine lacks something; 130 interrupted (run again to go on).
    """
    flags = dict(locals())  # the parameters by name; the configuration takes the keys it knows
    from vtc_cli.cli.tuning import tune_on
    from vtc_cli.config.layers import effective, settings
    from vtc_cli.jobs.lessons import World
    from vtc_cli.jobs.tuning import Search
    from vtc_cli.jobs.writing import check_place

    check_place(output)
    values = effective({name: value for name, value in flags.items() if name not in ("seed", "output")})
    tune_on(
        settings(values),
        World(films=films, length=length, seed=seed),
        Search(price, rounds, seed),
        questions=questions,
        videos=videos,
        share=held_out,
        folder=folder,
        output=output,
        json=json,
        quiet=bool(values["quiet"].value),
        verbose=verbose,
    )
