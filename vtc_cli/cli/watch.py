"""`vtc watch`: a source as it comes, asked meanwhile."""

from __future__ import annotations

from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command

LIVE = "Watching"


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(watch)


def watch(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A camera, a stream, `-`, or a file played in time.")],
    questions: Annotated[
        list[str] | None, typer.Argument(metavar='["QUESTION"...]', help="Asked again and again, with --every.")
    ] = None,
    every: Annotated[
        float | None, typer.Option(metavar="SECONDS", rich_help_panel=LIVE, help="Ask so often, in seconds of video.")
    ] = None,
    speed: Annotated[
        str,
        typer.Option(
            metavar="X|max", rich_help_panel=LIVE, help="Of a file: times real time; `max` waits for no clock."
        ),
    ] = "1",
    retry: Annotated[
        str,
        typer.Option(metavar="TIME", rich_help_panel=LIVE, help="Try so long to reach a stream again; 0: do not."),
    ] = "5:00",
    memory: Annotated[
        bool, typer.Option("--memory", rich_help_panel=options.MEMORY, help="Remember on disk, as it goes.")
    ] = False,
    keep: Annotated[
        str, typer.Option(metavar="TIME", rich_help_panel=options.MEMORY, help="How far back the memory reaches.")
    ] = "24:00:00",
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
    end: options.End = None,
    pixels: options.Pixels = None,
    reader: options.Reader = None,
    method: options.Method = None,
    budget: options.CacheBudget = None,
    chunk: options.Chunk = None,
    system: options.System = None,
    temperature: options.Temperature = None,
    seed: options.Seed = None,
    max_new_tokens: options.MaxNewTokens = None,
    jsonl: options.Jsonl = False,
    quiet: options.Quiet = None,
    verbose: options.Verbose = False,
) -> None:
    """Watch a stream for as long as it lasts, and answer what is typed or due.

    \b
    Examples:
      vtc watch camera:0
      vtc watch camera:0 --every 10 "is anyone at the door?"
      vtc watch rtsp://10.0.0.7/live --memory --every 60 "what has changed?" --jsonl
      vtc watch match.mp4 --speed 2
      ffmpeg -i in.avi -f matroska - | vtc watch - --every 5 "what happens?"

    An answer is printed as TIME<TAB>ANSWER: the time of the newest frame it knows. Typed lines are questions; `/help`
    lists the commands. Ctrl-C interrupts an answer, and otherwise ends the watch, as Ctrl-D does.

    Exit codes: 0 the source or the input ended; 1 failed; 2 wrong usage; 3 some questions failed; 4 the machine lacks
    something; 130 interrupted (a memory is finished first).
    """
    flags = dict(locals())  # the parameters by name; the configuration takes the keys it knows
    from vtc_cli.cli.watching import follow, pace_of
    from vtc_cli.config.layers import effective, settings
    from vtc_cli.jobs.setup import with_memory

    values = effective(flags)
    code = follow(
        source,
        with_memory(settings(values), wanted=memory, evidence=False, plan=False),
        questions or [],
        pace_of(speed=speed, retry=retry, keep=keep, every=every),
        jsonl=jsonl,
        quiet=values["quiet"].value,
        verbose=verbose,
    )
    raise typer.Exit(code)
