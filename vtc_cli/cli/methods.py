"""`vtc methods`: the installed methods, everything about one of them, and what suits a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vtc_cli.cli.complete import complete_methods, complete_models
from vtc_cli.cli.help import Command
from vtc_cli.cli.options import Device, Dtype, Json

if TYPE_CHECKING:
    from vtc_cli.methods.registry import Listing


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(methods)


def methods(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", autocompletion=complete_methods, help="Show this one in full.")
    ] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            autocompletion=complete_models,
            help="Let the method find the options that suit this model.",
        ),
    ] = None,
    video: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Calibrate on pictures of this video; repeat it.  [default: drawn films]"),
    ] = None,
    pictures: Annotated[
        int | None, typer.Option(metavar="N", help="How many pictures to calibrate on.  [default: 64]")
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    json: Json = False,
) -> None:
    """List the installed compression methods, or the options of one.

    \b
    Examples:
      vtc methods
      vtc methods uniform
      vtc methods hiprune --calibrate tiny
      vtc methods --json

    Use one with `vtc ask ... -m NAME:key=value`. Methods come from installed packages; VTC_PLUGINS restricts
    which ones are seen.
    """
    from vtc_cli.cli.layout import hang
    from vtc_cli.errors import UsageError
    from vtc_cli.methods.registry import available, find

    if calibrate is not None:
        if name is None:
            raise UsageError("--calibrate needs the name of a method", "vtc methods hiprune --calibrate tiny")
        _calibrate(name, calibrate, video or [], 64 if pictures is None else pictures, device, dtype, json)
        return
    if video or pictures is not None or device or dtype:
        raise UsageError("--video, --pictures, --device and --dtype belong to --calibrate", "add --calibrate MODEL")
    if name is not None:
        _show_one(find(name), json)
        return
    rows = [_row(listing) for listing in available()]
    if json:
        from json import dumps

        typer.echo(dumps(rows, indent=2))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        state = f"BROKEN: {row['problem']}" if row["problem"] else row["summary"] or ""
        clash = f"  (also in {', '.join(row['clash'])}; name it DISTRIBUTION:{row['name']})" if row["clash"] else ""
        head = f"{row['name']:<{width}}  {row['stage'] or '?':<8}  {row['distribution']} {row['version']}  "
        typer.echo(hang(head, state + clash))
    if not rows:
        typer.echo("no methods are installed, or VTC_PLUGINS admits none", err=True)


def _calibrate(
    name: str, model: str, videos: list[str], pictures: int, device: str | None, dtype: str | None, json: bool
) -> None:
    from vtc_cli.cli.screen import library_noise
    from vtc_cli.jobs.calibrate import calibrate

    with library_noise(verbose=False):
        result = calibrate(name, model, videos, pictures, device or "auto", dtype or "auto")
    if json:
        from json import dumps

        typer.echo(dumps(result.as_json(), indent=2))
        return
    found = result.found
    typer.echo(f"{result.method} on {result.model}, {result.source}\n")
    table = [list(found.columns), *([str(value) for value in row] for row in found.rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        typer.echo("  ".join(value.rjust(width) for value, width in zip(row, widths, strict=True)).rstrip())
    typer.echo()
    for note in found.notes:
        typer.echo(note)
    typer.echo(f"\nuse it with: -m {result.spec}")


def _row(listing: Listing) -> dict[str, Any]:
    look = listing.glance()
    return {
        "name": listing.name,
        "stage": look.stage,
        "summary": look.summary,
        "distribution": listing.distribution,
        "version": listing.version,
        "entry": listing.entry,
        "clash": [other for other in listing.clash if other != listing.distribution],
        "problem": look.problem,
    }


def _show_one(listing: Listing, json: bool) -> None:
    from inspect import getdoc

    from vtc_cli.cli.layout import hang
    from vtc_cli.methods.options import describe, explain

    cls = listing.load()
    options = describe(cls)
    if json:
        from json import dumps

        shown = [{"name": o.name, "type": o.type, "default": o.default, "help": o.help} for o in options]
        facts = {"stage": cls.stage, "needs": sorted(cls.needs), "doc": getdoc(cls), "options": shown}
        typer.echo(dumps({**_row(listing), **facts}, indent=2))
        return
    typer.echo(f"{listing.name}  ({cls.stage}, {listing.distribution} {listing.version}, {listing.entry})\n")
    for paragraph in explain(cls):
        typer.echo(f"{hang('', paragraph)}\n")
    if cls.by_question():
        other = f"; where it comes later, use `{cls.instead}`" if cls.instead else ""
        typer.echo(f"{hang('', f'The question must be known before the video is watched{other}.')}\n")
    typer.echo("Options:" if options else "No options.")
    for option in options:
        default = "required" if option.default is None else f"default {option.default}"
        typer.echo(f"  {option.name:<12} {option.type} ({default})")
        if option.help:
            typer.echo(hang(" " * 15, option.help))
