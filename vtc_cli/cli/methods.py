"""`vtc methods`: the installed methods, and everything about one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vtc_cli.cli.complete import complete_methods
from vtc_cli.cli.help import Command
from vtc_cli.cli.options import Json

if TYPE_CHECKING:
    from vtc_cli.methods.registry import Listing


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(methods)


def methods(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", autocompletion=complete_methods, help="Show this one in full.")
    ] = None,
    json: Json = False,
) -> None:
    """List the installed compression methods, or the options of one.

    \b
    Examples:
      vtc methods
      vtc methods uniform
      vtc methods --json

    Use one with `vtc ask ... -m NAME:key=value`. Methods come from installed packages; VTC_PLUGINS restricts
    which ones are seen.
    """
    from vtc_cli.cli.layout import hang
    from vtc_cli.methods.registry import available, find

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

    from vtc_cli.methods.options import describe

    cls = listing.load()
    options = describe(cls)
    if json:
        from json import dumps

        shown = [{"name": o.name, "type": o.type, "default": o.default, "help": o.help} for o in options]
        facts = {"stage": cls.stage, "needs": sorted(cls.needs), "doc": getdoc(cls), "options": shown}
        typer.echo(dumps({**_row(listing), **facts}, indent=2))
        return
    typer.echo(f"{listing.name}  ({cls.stage}, {listing.distribution} {listing.version}, {listing.entry})\n")
    typer.echo(f"{getdoc(cls) or ''}\n")
    if cls.needs:
        typer.echo(f"needs: {', '.join(sorted(cls.needs))}\n")
    typer.echo("Options:" if options else "No options.")
    for option in options:
        default = "required" if option.default is None else f"default {option.default}"
        typer.echo(f"  {option.name:<12} {option.type} ({default})")
        if option.help:
            typer.echo(f"               {option.help}")
