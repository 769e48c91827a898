"""Files that stand where a memory would and hold nothing, as creations of earlier editions left them."""

from __future__ import annotations

from pathlib import Path

from vtc_cli.memory.store import MemoryStore, NoMemoryError


def found_at(path: Path, *, write: bool = False) -> MemoryStore | None:
    """The memory at `path`, opened; None where there is none, or a file that holds nothing.

    Raises VtcError as `MemoryStore.open` for anything else that is there: it is not for us to write over.
    """
    try:
        return MemoryStore.open(path, write=write)
    except NoMemoryError:
        return None
