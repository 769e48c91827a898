"""The suites there are, by name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from vtc_cli.errors import UsageError

if TYPE_CHECKING:
    from vtc_cli.bench.suite import Suite
    from vtc_cli.bench.suites.tiny import Wanted

SUITES = ("tiny",)


def find_suite(name: str, wanted: Wanted) -> Suite:
    """The suite called `name`. Raises UsageError for an unknown one, and for what it cannot give."""
    if name not in SUITES:
        close = get_close_matches(name, SUITES, 1)
        raise UsageError(
            f"there is no suite `{name}`", f"did you mean `{close[0]}`?" if close else f"there is {', '.join(SUITES)}"
        )
    from vtc_cli.bench.suites.tiny import TinySuite

    return TinySuite(wanted)
