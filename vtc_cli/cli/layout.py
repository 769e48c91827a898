"""Lists at the width of a terminal; unbroken in a pipe, where a line is a row."""

from __future__ import annotations

import shutil
import sys
import textwrap

NARROWEST = 20  # columns a text gets even where its head leaves fewer


def hang(head: str, text: str, under: int | None = None) -> str:
    """`head`, then `text` with its later lines under its first one, or `under` columns from the left."""
    if not sys.stdout.isatty():
        return head + text
    width = max(shutil.get_terminal_size().columns, len(head) + NARROWEST)
    return textwrap.fill(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * (len(head) if under is None else under),
        break_long_words=False,  # a path or an address is copied whole
        break_on_hyphens=False,
    )
