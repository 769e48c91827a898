"""`vtc ask`: answers about videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command

BATCH = "Many videos, many questions"


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(ask)


def ask(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar='VIDEO... "QUESTION"', help="Files, folders, globs, URLs, `-`; the question comes last."
        ),
    ] = None,
    files: Annotated[
        str | None,
        typer.Option(metavar="LIST", rich_help_panel=BATCH, help="File with one path per line; `-` is stdin."),
    ] = None,
    null: Annotated[
        bool,
        typer.Option("--null", "-0", rich_help_panel=BATCH, help="Paths in --files end with NUL (`find -print0`)."),
    ] = False,
    questions: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", rich_help_panel=BATCH, help="One question per line, or JSONL with question, choices, id."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", rich_help_panel=BATCH, help="Append one JSON record per answer."
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", rich_help_panel=BATCH, help="Skip what --output already holds."),
    ] = True,
    record: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="RECORD", rich_help_panel=BATCH, help="Repeat the run of this record; flags still win."
        ),
    ] = None,
    choice: Annotated[
        list[str] | None,
        typer.Option(
            "--choice", "-c", metavar="A=TEXT", rich_help_panel=options.ANSWER, help="An allowed answer; repeat it."
        ),
    ] = None,
    memory: Annotated[
        bool,
        typer.Option("--memory", rich_help_panel=options.MEMORY, help="Answer from the video's memory; make it first."),
    ] = False,
    at: options.At = None,
    evidence: Annotated[
        Path | None,
        typer.Option(metavar="DIR", rich_help_panel=options.MEMORY, help="Save the frames an answer rests on here."),
    ] = None,
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
    json: options.Json = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", rich_help_panel=options.OUTPUT, help="One JSON record per line, as they come.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", rich_help_panel=options.OUTPUT, help="Print the plan and its cost; answer nothing."),
    ] = False,
    report: options.Report = None,
    quiet: options.Quiet = None,
    progress: options.Progress = None,
    verbose: options.Verbose = False,
) -> None:
    """Answer questions about videos. Answers go to stdout, everything else to stderr.

    \b
    Examples:
      vtc ask clip.mp4 "what colour is the car?"
      vtc ask match.mp4 "who scores?" --start 40:00 --fps 2
      vtc ask lecture.mp4 "how many speakers?" -c A=one -c B=two -c C=more
      vtc ask hour.mp4 "summarise" -m uniform:retain=1/4 --budget 512MB
      vtc ask hour.mp4 "summarise" --dry-run
      vtc ask hour.mp4 "when does the dog appear?" --memory --evidence frames/
      vtc ask footage/ --questions q.jsonl -o answers.jsonl
      find . -name '*.mp4' -print0 | vtc ask --files - -0 "any people?"
      ffmpeg -i in.avi -f matroska - | vtc ask - "what happens?"
      vtc ask --from record.json --seed 2

    Exit codes: 0 answered; 1 failed; 2 wrong usage; 3 some videos failed or were damaged;
    4 the machine lacks something; 130 interrupted (what was written stays valid; run again to go on).
    """
    flags = dict(locals())  # the parameters by name; the configuration takes the keys it knows
    from vtc_cli.cli.asking import answer, form_of, show_plans
    from vtc_cli.config.layers import effective, settings
    from vtc_cli.jobs.repeat import read_recorded, repeat_request
    from vtc_cli.jobs.request import read_request
    from vtc_cli.jobs.setup import with_memory

    recorded = read_recorded(record) if record is not None else None
    values = effective(flags, recorded=recorded.settings if recorded is not None else None)
    if recorded is not None:
        request = repeat_request(recorded, inputs or [], files or questions or choice)
    else:
        request = read_request(inputs or [], files=files, null=null, questions=questions, choices=choice or [])
    form = form_of(json=json, jsonl=jsonl)
    asked = with_memory(settings(values), wanted=memory, evidence=evidence is not None, plan=dry_run)
    if dry_run:
        show_plans(request, asked, form)
        return
    code = answer(
        request,
        asked,
        form,
        evidence=evidence,
        output=output,
        resume=resume,
        report=values["report"].value,
        quiet=values["quiet"].value,
        progress=progress,
        verbose=verbose,
    )
    raise typer.Exit(code)
