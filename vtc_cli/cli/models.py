"""`vtc models`: the models that run, what they cost, and which are on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from vtc_cli.cli.complete import complete_models
from vtc_cli.cli.help import Command
from vtc_cli.cli.options import Json


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(models)


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", autocompletion=complete_models, help="Hub id, local folder, `tiny` or a family."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the models that run, or what one costs, or what a family can do.

    \b
    Examples:
      vtc models
      vtc models tiny
      vtc models Qwen/Qwen3-VL-2B-Instruct --json
      vtc models qwen2.5-vl

    Any checkpoint of a supported family runs, by Hub id or local folder. Nothing is downloaded by this command.
    """
    from vtc_cli.jobs.inventory import family_row, family_rows, model_row, model_rows
    from vtc_cli.report.units import size

    if name is not None and (family := family_row(name)) is not None:
        _family(family, json)
        return
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
        if (family := family_row(row["family"])) is not None:
            _stages(family)
        return
    width = max(len(row["id"]) for row in rows)
    for row in rows:
        weights = size(row["weight_bytes"]["bfloat16"])
        typer.echo(f"{row['id']:<{width}}  {row['parameters'] / 1e9:6.3f} B  {weights:>8} in bfloat16  {row['where']}")
    typer.echo("\nfamilies:", err=True)
    for family in family_rows():
        without = f" No {', no '.join(_SPELT[stage] for stage in family['cannot'])}." if family["cannot"] else ""
        typer.echo(f"  {family['name']} ({', '.join(family['model_types'])}): {family['notes']}{without}", err=True)


_SPELT = {"pruner": "pruners", "layers": "layer policies", "cache": "cache policies"}


def _family(family: Mapping[str, Any], json: bool) -> None:
    """What a family is and can do."""
    if json:
        from json import dumps

        typer.echo(dumps(family, indent=2))
        return
    typer.echo(f"{family['name']}  (model_type {', '.join(family['model_types'])})")
    typer.echo(f"  {family['notes']}")
    _stages(family)
    for number, checkpoint in enumerate(family["recommended"]):
        typer.echo(f"  {'for example' if not number else '':<12} {checkpoint}")


def _stages(family: Mapping[str, Any]) -> None:
    typer.echo(f"  {'methods':<12} {', '.join(_SPELT[stage] for stage in family['stages'])}")
    for stage, why in family["cannot"].items():
        typer.echo(f"  {'':<12} no {_SPELT[stage]}: {why}")
