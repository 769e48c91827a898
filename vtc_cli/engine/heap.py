"""Memory that runs out is said so; memory that is free goes back to the system, so that none is seen to be held."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

from vtc_cli.errors import MachineError


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


@contextmanager
def memory(doing: str) -> Iterator[None]:
    """Turn an allocator's failure into an error that says what was being done."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MachineError(
                f"out of memory: {doing}: {str(error).splitlines()[0]}",
                "lower --budget, --chunk or --pixels, or use --dtype bfloat16",
            ) from error
        raise
