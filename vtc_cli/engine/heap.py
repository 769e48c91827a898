"""Give freed memory back to the system, so that what a long video needs is what it is seen to take."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache


@cache
def _trim() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`; None where the C library is another."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return None


def give_back() -> None:
    """Return the free pages of the heap to the system, where its allocator can; milliseconds.

    Forwards over a growing cache free blocks of ever new sizes. The allocator keeps them, in pieces, and the process
    slowly grows to a high-water mark that depends on luck (up to 5 % over an hour, measured) although nothing is held.
    """
    trim = _trim()
    if trim is not None:
        trim(0)
