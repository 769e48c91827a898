"""Memories whose last rows are still in the log beside the file, in a place where nothing can be written.

SQLite reads a log by an index that it keeps next to it, and a process that was killed folded nothing into the file. The
file and its log are copied to where there is room for an index; the copy is read, and goes when it has been read.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from vtc_cli.errors import MachineError

TRIES = 5
_HEAD = 32  # bytes of a log that change whenever it is begun anew


def copied(path: Path) -> TemporaryDirectory[str] | None:
    """A folder with a copy of the memory and its log, under the same names; None where the file can be read as it is.

    Raises MachineError when there is no room for the copy, or a process that writes is always faster.
    """
    if os.access(path.parent, os.W_OK):
        return None
    log = Path(f"{path}-wal")
    for _ in range(TRIES):
        folder = None
        try:
            if not (head := _head(log)):
                return None
            folder = TemporaryDirectory(prefix="vtc-", ignore_cleanup_errors=True)
            # What is folded into the file meanwhile is in the log, too, until that is begun anew: so the file first.
            for part in (path, log):
                shutil.copyfile(part, Path(folder.name, part.name))
            if _head(log) == head:
                return folder
        except FileNotFoundError:  # folded and gone, meanwhile
            pass
        except OSError as error:
            if folder is not None:
                folder.cleanup()
            raise MachineError(
                f"{path} cannot be read where it is, as the folder cannot be written and some of it is still in the "
                f"log beside it; and it cannot be copied: {error.strerror or error}",
                "make room, set TMPDIR to a folder with room, or copy the memory's folder to where it can be written",
            ) from None
        if folder is not None:
            folder.cleanup()
    raise MachineError(f"{path}: another process is writing to it", "run the command again")


def _head(log: Path) -> bytes:
    """How the log begins; nothing where there is none."""
    try:
        with log.open("rb") as file:
            return file.read(_HEAD)
    except FileNotFoundError:
        return b""
