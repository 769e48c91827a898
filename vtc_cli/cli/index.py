"""`vtc index`: memories of videos, made once and asked many times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command

BATCH = "Many videos"


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(index)


def index(
    videos: Annotated[
        list[str] | None, typer.Argument(metavar="VIDEO...", help="Files, folders, globs, or `-` for stdin.")
    ] = None,
    files: Annotated[
        str | None,
        typer.Option(metavar="LIST", rich_help_panel=BATCH, help="File with one path per line; `-` is stdin."),
    ] = None,
    null: Annotated[
        bool,
        typer.Option("--null", "-0", rich_help_panel=BATCH, help="Paths in --files end with NUL (`find -print0`)."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Make memories anew that are there already.")] = False,
    snapshot: Annotated[
        bool,
        typer.Option(
            "--snapshot", help="Keep what the model has in view at the end, too: glances need no pictures then."
        ),
    ] = False,
    manager: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="What decides about clips: rules, vlm, or a folder of `vtc train manager`."),
    ] = None,
    settings_file: Annotated[
        Path | None, typer.Option("--settings", metavar="FILE", help="Settings of this run, as `vtc tune` writes them.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be watched and written, and do nothing.")
    ] = False,
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
    pixels: options.Pixels = None,
    subs: options.Subs = None,
    reader: options.Reader = None,
    method: options.Method = None,
    budget: options.CacheBudget = None,
    chunk: options.Chunk = None,
    system: options.System = None,
    json: options.Json = False,
    quiet: options.Quiet = None,
    progress: options.Progress = None,
    verbose: options.Verbose = False,
) -> None:
    """Watch videos once and remember them: clips, events, who and what occurs, and when.

    \b
    Examples:
      vtc index match.mp4
      vtc index footage/ --fps 2
      vtc index talk.mp4 --subs talk.en.srt
      vtc index film.mp4 -m mm-mem:captions=none
      vtc index film.mp4 --settings tuned.toml
      vtc index film.mp4 --snapshot --budget 512MB -m infinipot-v
      vtc index film.mp4 --dry-run
      vtc ask match.mp4 "when is the first goal?" --memory

    A memory is one file per video, under VTC_HOME, found by what the video holds: renaming changes nothing. A run that
    was stopped goes on where it was. Its path is printed for each video.

    Exit codes: 0 all remembered; 1 failed; 2 wrong usage; 3 some videos failed or were damaged;
    4 the machine lacks something; 130 interrupted (run again to go on).
    """
    flags = dict(locals())  # the parameters by name; the configuration takes the keys it knows
    from vtc_cli.cli.remembering import index_all
    from vtc_cli.config.layers import effective, settings
    from vtc_cli.jobs.memory_options import with_option
    from vtc_cli.jobs.request import read_sources

    values = effective(flags, named=settings_file)
    sources = read_sources(videos or [], files=files, null=null)
    code = index_all(
        sources,
        settings(values) if manager is None else with_option(settings(values), "manager", manager),
        force=force,
        snapshot=snapshot,
        dry_run=dry_run,
        json=json,
        quiet=values["quiet"].value,
        progress=progress,
        verbose=verbose,
    )
    raise typer.Exit(code)
