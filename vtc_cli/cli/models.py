"""`vtc models`: the models that run, what they cost, and which are on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from vtc_cli.cli.complete import complete_models
from vtc_cli.cli.help import Command
from vtc_cli.cli.options import Json


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(models)


def models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", autocompletion=complete_models, help="Hub id, local folder or `tiny`."),
    ] = None,
    json: Json = False,
) -> None:
    """List the models that run here, or what one of them costs.

    \b
    Examples:
      vtc models
      vtc models tiny
      vtc models Qwen/Qwen3-VL-2B-Instruct --json

    Any checkpoint of a supported family runs, by Hub id or local folder. Nothing is downloaded by this command.
    """
    from vtc_cli.jobs.inventory import family_rows, model_row, model_rows
    from vtc_cli.report.units import size

    rows = [model_row(name)] if name is not None else model_rows()
    if json:
        from json import dumps

        typer.echo(dumps(rows[0] if name is not None else {"models": rows, "families": family_rows()}, indent=2))
        return
    if name is not None:
        row = rows[0]
        typer.echo(f"{row['id']}  ({row['family']}, {row['where']})")
        typer.echo(f"  parameters   {row['parameters']:,}")
        for dtype, amount in row["weight_bytes"].items():
            cost = row["kv_bytes_per_token"][dtype]
            typer.echo(f"  {dtype:<12} {size(amount)} of weights, {cost:,} bytes of cache per token")
        typer.echo(f"  context      {row['context']:,} tokens")
        if row["notes"]:
            typer.echo(f"  {row['notes']}")
        return
    width = max(len(row["id"]) for row in rows)
    for row in rows:
        weights = size(row["weight_bytes"]["bfloat16"])
        typer.echo(f"{row['id']:<{width}}  {row['parameters'] / 1e9:6.3f} B  {weights:>8} in bfloat16  {row['where']}")
    typer.echo("\nfamilies:", err=True)
    for family in family_rows():
        typer.echo(f"  {family['name']} ({', '.join(family['model_types'])}): {family['notes']}", err=True)
