"""The options several commands share, declared once. An absent flag is None: a file or variable may decide then."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli.amounts import parsed
from vtc_cli.cli.complete import complete_methods, complete_models, complete_readers

MODEL, VIDEO, COST, ANSWER, OUTPUT = "Model", "Video", "Cost", "Answering", "Output"
MEMORY, FILMS = "Memory", "Films"

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        rich_help_panel=MODEL,
        autocompletion=complete_models,
        help="Hub id, local folder, `tiny` (bundled), or `auto`: chosen by device memory.  [default: auto]",
    ),
]
Revision = Annotated[
    str | None, typer.Option(metavar="REV", rich_help_panel=MODEL, help="Branch, tag or commit of the model.")
]
Device = Annotated[
    str | None,
    typer.Option(metavar="DEV", rich_help_panel=MODEL, help="auto, cpu, cuda, cuda:1 or mps.  [default: auto]"),
]
Dtype = Annotated[
    str | None,
    typer.Option(metavar="TYPE", rich_help_panel=MODEL, help="auto, float32, bfloat16 or float16.  [default: auto]"),
]
Attention = Annotated[
    str | None,
    typer.Option(
        metavar="KERNEL", rich_help_panel=MODEL, help="auto, sdpa, eager or flash_attention_2.  [default: auto]"
    ),
]
Quantize = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        rich_help_panel=MODEL,
        help="Weights of the decoder in fewer bits: int8 or int4.  [default: as published]",
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=MODEL, help="LoRA adapter to fold in: folder or Hub id."),
]
DeviceMap = Annotated[
    str | None,
    typer.Option(
        metavar="auto",
        rich_help_panel=MODEL,
        help="`auto`: layers of the decoder over all GPUs, the machine's memory and the disk.  [default: one device]",
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        metavar="BYTES",
        rich_help_panel=MODEL,
        help="Weights that each place may hold: `20GB`, or `cuda:0=20GB,cpu=64GB`.  [default: 9/10 of what is free]",
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile", rich_help_panel=MODEL, help="Compile the model's MLPs first: takes a while, then saves time."
    ),
]
TrustRemoteCode = Annotated[
    bool | None,
    typer.Option("--trust-remote-code", rich_help_panel=MODEL, help="Run Python code that comes with the model."),
]

Fps = Annotated[
    float | None,
    typer.Option("--fps", metavar="N", rich_help_panel=VIDEO, help="Frames watched per second of video.  [default: 1]"),
]
MaxFrames = Annotated[
    int | None,
    typer.Option(metavar="N", rich_help_panel=VIDEO, help="At most this many frames, spread over the video."),
]
Start = Annotated[
    str | None, typer.Option(metavar="TIME", rich_help_panel=VIDEO, help="Begin here: seconds, MM:SS or HH:MM:SS.")
]
End = Annotated[str | None, typer.Option(metavar="TIME", rich_help_panel=VIDEO, help="Stop here.")]
Pixels = Annotated[
    int | None,
    typer.Option(metavar="N", rich_help_panel=VIDEO, help="Pixel budget of one frame: fewer pixels, fewer tokens."),
]
Reader = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=VIDEO,
        autocompletion=complete_readers,
        help="auto, pyav, decord, torchcodec, frames or opencv.  [default: auto]",
    ),
]

Subs = Annotated[
    str | None,
    typer.Option(
        "--subs",
        metavar="FILE",
        rich_help_panel=MEMORY,
        help="Subtitles that go with the video (SRT, WebVTT).  [default: a file of its name, or a track inside]",
    ),
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", rich_help_panel=MEMORY, help="As of this moment: nothing later is known."),
]

OwnFilms = Annotated[
    Path | None,
    typer.Option(
        "--questions",
        metavar="FILE",
        rich_help_panel=FILMS,
        help="Your own films: as for `vtc bench --suite files`, with options.",
    ),
]
OwnVideos = Annotated[
    Path | None,
    typer.Option(
        "--videos", metavar="FOLDER", rich_help_panel=FILMS, help="What `video` in --questions is relative to."
    ),
]
WorldFilms = Annotated[
    int,
    typer.Option("--films", metavar="N", min=1, rich_help_panel=FILMS, help="Procedural films, without --questions."),
]
WorldLength = Annotated[
    float,
    typer.Option(
        "--length",
        metavar="TIME",
        parser=parsed("parse_length"),
        show_default=False,
        rich_help_panel=FILMS,
        help="Of each procedural film, like 2m or 300.  [default: 2m]",
    ),
]
WORLD_LENGTH = 120.0
"""Seconds, as its help says."""
HeldOut = Annotated[
    float,
    typer.Option(
        "--held-out",
        metavar="SHARE",
        min=0,
        max=0.9,
        rich_help_panel=FILMS,
        help="Of the films: kept apart, to check on.",
    ),
]

Method = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        "-m",
        metavar="NAME[:K=V,...]",
        rich_help_panel=COST,
        autocompletion=complete_methods,
        help="A compression method; repeat it, one per stage. `vtc methods` lists them.",
    ),
]
CacheBudget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="N|BYTES",
        rich_help_panel=COST,
        help="What the cache may hold: tokens (8192) or bytes (512MB). A pruner without a size of its own "
        "(`-m hiprune`) then keeps as many tokens per unit as let the whole video stay, down to a ninth.  "
        "[default: what fits the device]",
    ),
]
Chunk = Annotated[
    int | None,
    typer.Option(metavar="N", rich_help_panel=COST, help="Units prefilled per forward: speed against memory."),
]

System = Annotated[str | None, typer.Option(metavar="TEXT", rich_help_panel=ANSWER, help="System prompt.")]
Temperature = Annotated[
    float | None, typer.Option(metavar="T", rich_help_panel=ANSWER, help="0 is greedy and repeatable.  [default: 0]")
]
Seed = Annotated[int | None, typer.Option(metavar="N", rich_help_panel=ANSWER, help="Seed of sampling.  [default: 0]")]
MaxNewTokens = Annotated[
    int | None, typer.Option(metavar="N", rich_help_panel=ANSWER, help="Length limit of an answer.  [default: 256]")
]

Report = Annotated[
    bool | None,
    typer.Option(
        "--report/--no-report",
        rich_help_panel=OUTPUT,
        help="Print the cost report on stderr.  [default: on a terminal]",
    ),
]
Quiet = Annotated[
    bool | None, typer.Option("--quiet", "-q", rich_help_panel=OUTPUT, help="Nothing on stderr but errors.")
]
Progress = Annotated[
    bool | None,
    typer.Option("--progress/--no-progress", rich_help_panel=OUTPUT, help="Show progress.  [default: on a terminal]"),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", rich_help_panel=OUTPUT, help="Show what the libraries say, too.")
]
Json = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Machine-readable JSON on stdout.")]
Jsonl = Annotated[bool, typer.Option("--jsonl", rich_help_panel=OUTPUT, help="One JSON record per answer on stdout.")]
