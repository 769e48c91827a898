"""Amounts as options: read when the command line is, so that a mistake is told with the name of its option."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer


def parsed(parse: str) -> Callable[[Any], Any]:
    """A typer parser by the name of a function of `jobs.amounts`, imported when it is needed."""

    def read(value: Any) -> Any:
        from vtc_cli.jobs import amounts

        try:
            return getattr(amounts, parse)(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return read
