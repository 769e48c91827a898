"""Files that stand where a memory would and hold nothing, as creations of earlier editions left them."""

from __future__ import annotations

from pathlib import Path

from vtc_cli.errors import VtcError
from vtc_cli.memory.store import MemoryStore, NoMemoryError


def is_made(path: Path) -> bool:
    """Whether there is a memory at `path`, or anything else that is not for us to write over."""
    try:
        MemoryStore.open(path).close()
    except NoMemoryError:
        return False
    except VtcError:  # damaged, of another version, something else: whoever opens it is told
        return True
    return True
