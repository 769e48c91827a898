"""`vtc tune`: the thresholds of a memory, searched on films whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command

FILMS, SEARCH = "Films", "Search"


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(tune)


def tune(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The settings file to write.")] = Path(
        "tuned.toml"
    ),
    folder: Annotated[
        Path, typer.Option(metavar="FOLDER", rich_help_panel=SEARCH, help="Where the run lives; it goes on from there.")
    ] = Path("runs/tune"),
    questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=FILMS,
            help="Your own films: as for `vtc bench --suite files`, with options.",
        ),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", rich_help_panel=FILMS, help="What `video` in --questions is relative to."),
    ] = None,
    films: Annotated[
        int, typer.Option(metavar="N", min=1, rich_help_panel=FILMS, help="Procedural films, without --questions.")
    ] = 8,
    length: Annotated[
        str, typer.Option(metavar="TIME", rich_help_panel=FILMS, help="Of each procedural film, like 2m or 300.")
    ] = "2m",
    held_out: Annotated[
        float,
        typer.Option(
            metavar="SHARE", min=0, max=0.9, rich_help_panel=FILMS, help="Of the films: kept apart, to check on."
        ),
    ] = 0.33,
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
    from vtc_cli.jobs.amounts import parse_length
    from vtc_cli.jobs.lessons import World
    from vtc_cli.jobs.tuning import Search
    from vtc_cli.jobs.writing import check_place

    check_place(output)
    values = effective({name: value for name, value in flags.items() if name not in ("seed", "output")})
    try:
        seconds = parse_length(length)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--length") from None
    tune_on(
        settings(values),
        World(films=films, length=seconds, seed=seed),
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
