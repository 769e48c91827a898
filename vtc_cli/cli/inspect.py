"""`vtc inspect`: pictures of what methods keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(inspect)


def inspect(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A file, or a folder of frames.")],
    method: options.Method = None,
    budget: options.CacheBudget = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME,...", rich_help_panel=options.VIDEO, help="Frames to draw: 12,1:30.  [default: six, spread]"
        ),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(metavar="TEXT", rich_help_panel=options.COST, help="The question, for methods that look at it."),
    ] = None,
    memory: Annotated[
        bool,
        typer.Option("--memory", rich_help_panel=options.MEMORY, help="Draw the video's memory; make it first."),
    ] = False,
    subs: options.Subs = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", rich_help_panel=options.OUTPUT, help="Folder for the pictures."),
    ] = Path("inspect"),
    model: options.Model = None,
    revision: options.Revision = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    attention: options.Attention = None,
    quantize: options.Quantize = None,
    adapter: options.Adapter = None,
    device_map: options.DeviceMap = None,
    max_memory: options.MaxMemory = None,
    compile: options.Compile = None,
    trust_remote_code: options.TrustRemoteCode = None,
    fps: options.Fps = None,
    max_frames: options.MaxFrames = None,
    start: options.Start = None,
    end: options.End = None,
    pixels: options.Pixels = None,
    reader: options.Reader = None,
    chunk: options.Chunk = None,
    system: options.System = None,
    quiet: options.Quiet = None,
    verbose: options.Verbose = False,
) -> None:
    """Draw what methods keep of a video: chosen frames, attention, and the cache over time.

    \b
    Examples:
      vtc inspect match.mp4 -m hiprune:retain=1/4 --at 12,1:30 -o seen
      vtc inspect hour.mp4 -m infinipot-v --budget 6144
      vtc inspect clip.mp4 -m hiprune++ --question "Who scores?"
      vtc inspect hour.mp4 --memory

    DIR gets index.html, which holds everything and needs no network; each picture as PNG; and inspect.json, the numbers
    behind them. Nothing is asked of the model: the video is watched as `vtc ask` would watch it. With --memory (or
    -m mm-mem) the clips, events and concepts of its memory are drawn over time; the video is watched for other pictures
    too where methods, a budget, --at or --question are given.
    """
    own = ("video", "at", "question", "memory", "output", "verbose")
    flags = {name: value for name, value in locals().items() if name not in ("own", *own)}
    from contextlib import closing

    from vtc_cli.cli.screen import Screen, library_noise
    from vtc_cli.config.layers import effective, settings
    from vtc_cli.jobs.inspect import inspect_video, parse_times
    from vtc_cli.jobs.setup import with_memory

    values = effective(flags)
    screen = Screen(quiet=values["quiet"].value)
    wanted = with_memory(settings(values), wanted=memory, evidence=False, plan=False)
    with library_noise(verbose), closing(screen):
        written = inspect_video(video, wanted, output, at=parse_times(at), question=question, events=screen)
    typer.echo(str(written[0]))
    if not values["quiet"].value:
        pictures = len(written) - 2
        typer.echo(f"{pictures} picture{'s' if pictures != 1 else ''} and {written[-1].name} beside it", err=True)
