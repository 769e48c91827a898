"""`vtc doctor`: what works on this machine, to read or to paste into a bug report."""

from __future__ import annotations

from typing import Annotated

import typer

from vtc_cli.cli.help import Command
from vtc_cli.cli.options import Json, Model


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(doctor)


def doctor(
    json: Json = False,
    retrieval: Annotated[
        bool, typer.Option("--retrieval", help="Load a model, and try how well its memories are found again.")
    ] = False,
    model: Model = None,
) -> None:
    """Check what works on this machine, and how to mend the rest.

    \b
    Examples:
      vtc doctor
      vtc doctor --json
      vtc doctor --retrieval --model tiny

    Covers versions, devices, video readers, plugins, model access and folders. Every reader decodes a
    one-second clip made on the spot. Exit code 0 when `vtc ask` can run here, else 4. The output holds
    no secrets: tokens are reported as set or not set. With --retrieval sixteen sentences are looked for as
    memories look for them, in their own words and in others.
    """
    from vtc_cli.cli.layout import hang
    from vtc_cli.cli.screen import library_noise
    from vtc_cli.config.layers import effective, settings
    from vtc_cli.errors import UsageError
    from vtc_cli.jobs.doctor import examine

    if model is not None and not retrieval:
        raise UsageError("--model goes with --retrieval", "`vtc models check MODEL` tries a model")
    wanted = settings(effective({"model": model})) if retrieval else None
    with library_noise(verbose=False):
        checks = examine(wanted)
    broken = any(check.state == "broken" for check in checks)
    if json:
        from dataclasses import asdict
        from json import dumps

        typer.echo(dumps({"ok": not broken, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        topic = None
        for check in checks:
            if check.topic != topic:
                typer.echo(check.topic)
                topic = check.topic
            typer.echo(hang(f"  {check.state:<7} {check.name:<18} ", check.found))
            if check.fix:
                typer.echo(hang(" " * 29, check.fix))
        typer.echo("\nsomething `vtc ask` needs is broken" if broken else "\n`vtc ask` can run here")
    raise typer.Exit(4 if broken else 0)
