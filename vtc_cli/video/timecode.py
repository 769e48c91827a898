"""Times as people write them: `90`, `1:30`, `01:02:03.5`."""

from __future__ import annotations

import re

from vtc_cli.errors import UsageError

_PLAIN = re.compile(r"\d+(\.\d+)?|\.\d+")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)")


def parse_time(text: str) -> float:
    """Seconds from `90`, `90.5`, `90s`, `1:30` or `01:02:03.5`.

    Raises UsageError for anything else, negative times included.
    """
    written = text.strip()
    bare = written[:-1] if written.endswith("s") else written
    if _PLAIN.fullmatch(bare):
        return float(bare)
    match = _CLOCK.fullmatch(written)
    if match:
        hours, minutes, seconds = float(match[1] or 0), float(match[2]), float(match[3])
        if seconds < 60 and (match[1] is None or minutes < 60):
            return hours * 3600 + minutes * 60 + seconds
    raise UsageError(f"{text!r} is not a time", "Write seconds (90), minutes (1:30) or hours (01:02:03.5).")


def format_time(seconds: float) -> str:
    """`00:10:24`, or `00:10:24.5` where there is a fraction (tenths), as error messages show times."""
    tenths = round(max(seconds, 0.0) * 10)
    whole, fraction = divmod(tenths, 10)
    text = f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{text}.{fraction}" if fraction else text
