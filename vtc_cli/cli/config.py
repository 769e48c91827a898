"""`vtc config`: the effective value of every setting and the place that decided it."""

from __future__ import annotations

from typing import Any

import typer

from vtc_cli.cli.help import Command
from vtc_cli.cli.options import Json


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(config)


def config(json: Json = False) -> None:
    """Show the settings in effect and where each one comes from.

    \b
    Examples:
      vtc config
      VTC_MODEL=tiny vtc config --json

    Flags win over VTC_* variables, those over ./vtc.toml, that over the user file, that over the defaults.
    In the files, keys are written like the flags: `max-frames = 600`, `method = ["uniform:retain=1/4"]`.
    """
    from vtc_cli.config.layers import effective, user_file

    values = effective({})
    if json:
        from json import dumps

        shown = {
            value.key.written: {"value": plain(value.value), "origin": value.origin, "variable": value.key.variable}
            for value in values.values()
        }
        typer.echo(dumps({"settings": shown, "user_file": str(user_file())}, indent=2))
        return
    width = max(len(value.key.written) for value in values.values())
    for value in values.values():
        typer.echo(f"{value.key.written:<{width}}  {_written(value.value):<20}  {value.origin}")
    typer.echo(f"\nuser file: {user_file()}{'' if user_file().exists() else ' (not there)'}", err=True)


def plain(value: Any) -> Any:
    """A setting as JSON: budgets as they are typed, tuples as lists."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return [plain(item) for item in value] if isinstance(value, tuple) else str(value)


def _written(value: Any) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
