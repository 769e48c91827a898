"""`vtc chat`: one video, many questions."""

from __future__ import annotations

from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(chat)


def chat(
    video: Annotated[
        str, typer.Argument(metavar="VIDEO", help="A file, a URL, a folder of images, or the file of a memory.")
    ],
    memory: Annotated[
        bool | None,
        typer.Option(
            "--memory/--no-memory",
            rich_help_panel=options.MEMORY,
            help="Answer from the video's memory; make it first.  [default: if there is one]",
        ),
    ] = None,
    at: options.At = None,
    subs: options.Subs = None,
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
    method: options.Method = None,
    budget: options.CacheBudget = None,
    chunk: options.Chunk = None,
    system: options.System = None,
    temperature: options.Temperature = None,
    seed: options.Seed = None,
    max_new_tokens: options.MaxNewTokens = None,
    jsonl: options.Jsonl = False,
    quiet: options.Quiet = None,
    progress: options.Progress = None,
    verbose: options.Verbose = False,
) -> None:
    """Watch a video once, or open its memory, and answer questions until Ctrl-D.

    \b
    Examples:
      vtc chat match.mp4
      vtc chat match.mp4 --memory
      vtc chat lecture.mp4 --budget 512MB -m infinipot-v
      printf 'who speaks?\\nwhere?\\n' | vtc chat talk.mp4
      vtc chat talk.mp4 --jsonl < questions.txt > answers.jsonl

    Each line is a question, and each question gets one line on stdout; `/help` lists the commands. Ctrl-C interrupts an
    answer, and not the chat. Questions do not see each other: each is asked of the video alone.

    Exit codes: 0 all answered; 1 failed; 2 wrong usage; 3 some questions failed; 4 the machine lacks something;
    130 interrupted.
    """
    flags = dict(locals())  # the parameters by name; the configuration takes the keys it knows
    from vtc_cli.cli.chatting import converse
    from vtc_cli.config.layers import effective, settings

    values = effective(flags)
    code = converse(
        video,
        settings(values),
        memory=memory,
        jsonl=jsonl,
        quiet=values["quiet"].value,
        progress=progress,
        verbose=verbose,
    )
    raise typer.Exit(code)
