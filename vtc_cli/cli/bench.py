"""`vtc bench`: methods side by side on the same questions about the same films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command

SUITE = "Questions"
KEPT = (
    *("model", "revision", "device", "dtype", "attention", "quantize", "adapter"),
    *("device_map", "max_memory", "compile", "trust_remote_code"),
    *("fps", "max_frames", "pixels", "budget", "chunk", "max_new_tokens"),
)


def complete_suites(incomplete: str) -> list[str]:
    """Suites, for the shell."""
    from vtc_cli.bench.suites import SUITES

    return [name for name in SUITES if name.startswith(incomplete)]


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(bench)


def bench(
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            metavar="NAME[:K=V,...][+NAME...]",
            rich_help_panel=options.COST,
            autocompletion=options.complete_methods,
            help="One row of the comparison; repeat it. Methods of several stages are joined by `+`.",
        ),
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            rich_help_panel=options.COST,
            help="Shares like 1/3,2/9: of each unit's tokens for a pruner, of the whole cache for a cache policy.",
        ),
    ] = None,
    budget: options.CacheBudget = None,
    suite: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            rich_help_panel=SUITE,
            autocompletion=complete_suites,
            help="Where questions come from: tiny, files, or a published benchmark like videomme.",
        ),
    ] = "tiny",
    questions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel=SUITE, help="Of `files`: JSONL or CSV, a question per row."),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", rich_help_panel=SUITE, help="Of `files`: where the videos are.  [default: beside the file]"
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", rich_help_panel=SUITE, help="Of a published benchmark: the folder that holds it."),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", rich_help_panel=SUITE, help="Fetch a published benchmark that is not here.")
    ] = False,
    repo: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME[@REV]", rich_help_panel=SUITE, help="Fetch it from there, where its place has changed."
        ),
    ] = None,
    skills: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", rich_help_panel=SUITE, help="Only these.  [default: all, or recall]"),
    ] = None,
    length: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", rich_help_panel=SUITE, help="Length of every film: 8s, 10m. From 1m on, facts to recall."
        ),
    ] = None,
    limit: Annotated[str, typer.Option(metavar="N|all", rich_help_panel=SUITE, help="Questions per skill.")] = "30",
    seed: Annotated[int, typer.Option(metavar="N", rich_help_panel=SUITE, help="Other films: any number.")] = 0,
    unseen: Annotated[
        bool, typer.Option("--unseen", rich_help_panel=SUITE, help="Worded as the bundled model was never asked.")
    ] = False,
    choices: Annotated[
        bool, typer.Option("--choices", rich_help_panel=SUITE, help="As multiple choice, where there are options.")
    ] = False,
    via: Annotated[
        str, typer.Option(metavar="HOW", rich_help_panel=SUITE, help="frames: as rendered. mp4: written and decoded.")
    ] = "frames",
    blind: Annotated[
        bool, typer.Option("--blind", rich_help_panel=SUITE, help="Add a row that sees noise instead of the films.")
    ] = False,
    share_vision: Annotated[
        bool,
        typer.Option(
            "--share-vision",
            rich_help_panel=options.COST,
            help="The vision tower sees a film once for all rows; what watching took is then not measured.",
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            rich_help_panel=options.MODEL,
            autocompletion=options.complete_models,
            help="Hub id, local folder, `auto`, or `tiny`.  [default: tiny]",
        ),
    ] = None,
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
    pixels: options.Pixels = None,
    chunk: options.Chunk = None,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(metavar="N", rich_help_panel=options.ANSWER, help="Length limit of an answer.  [default: 96]"),
    ] = None,
    json: options.Json = False,
    csv: Annotated[
        bool, typer.Option("--csv", rich_help_panel=options.OUTPUT, help="A table of commas on stdout.")
    ] = False,
    wrong: Annotated[
        bool,
        typer.Option("--wrong", rich_help_panel=options.OUTPUT, help="List every wrong answer; with --csv, only them."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", rich_help_panel=options.OUTPUT, help="Write one JSON record per answer."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", rich_help_panel=options.OUTPUT, help="Go on with what --output already holds.")
    ] = False,
    quiet: options.Quiet = None,
    progress: options.Progress = None,
    verbose: options.Verbose = False,
) -> None:
    """Compare methods on questions whose answers are known, always beside no method at all.

    \b
    Examples:
      vtc bench
      vtc bench -m hiprune -m random --budgets 1/3,2/9,1/9
      vtc bench -m hiprune:retain=1/3+infinipot-v:budget=6144 --length 10m
      vtc bench -m infinipot-v -m window --budgets 1/8 --length 5m --limit 200 -o runs.jsonl
      vtc bench --skills colour,count --blind --json
      vtc bench --suite files --questions mine.jsonl --videos footage --wrong
      vtc bench --suite videomme --root Video-MME --model auto --max-frames 256 --limit all

    Published benchmarks: videomme, mlvu, longvideobench, egoschema, vnbench, mvbench, streamingbench, ovobench; of
    pictures gqa, pope, textvqa, mmbench.

    Every row watches the same frames and answers the same questions. A table on a terminal, JSON in a pipe. Exit
    codes: 0 done; 1 failed; 2 wrong usage; 3 some rows failed or some films cannot be read; 4 the machine lacks
    something; 130 interrupted (with --output, --resume goes on).
    """
    flags = dict(locals())  # the parameters by name; the configuration takes the keys it knows
    from vtc_cli.cli.benching import compare, form_of, request_of
    from vtc_cli.config.layers import effective

    form = form_of(json=json, csv=csv)
    values = effective({name: flags[name] for name in (*KEPT, "quiet")})
    given = {name: values[name].value for name in KEPT if values[name].origin != "default"}
    plan = request_of(
        {"model": "tiny", "max_new_tokens": 96, **given},
        method or [],
        budgets=budgets,
        blind=blind,
        suite=suite,
        skills=skills,
        length=length,
        limit=limit,
        seed=seed,
        unseen=unseen,
        choices=choices,
        via=via,
        questions=questions,
        videos=videos,
        root=root,
        download=download,
        repo=repo,
        share_vision=share_vision,
    )
    code = compare(
        plan,
        form,
        output=output,
        resume=resume,
        quiet=values["quiet"].value,
        progress=progress,
        verbose=verbose,
        wrong=wrong,
    )
    raise typer.Exit(code)
