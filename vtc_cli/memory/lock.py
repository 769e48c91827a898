"""One writer per memory: a lock beside the file, released by the system when its holder dies."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vtc_cli.errors import MachineError

POLL_SECONDS = 0.2


@contextmanager
def writing(folder: Path, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold the folder's lock; True when another process had it first, which may have done the work meanwhile.

    waiting: called once before waiting for another process. The folder is made.
    Raises MachineError when it cannot be written.
    """
    file = _open(folder)
    try:
        waited = False
        while not _take(file):
            if not waited and waiting is not None:
                waiting()
            waited = True
            time.sleep(POLL_SECONDS)
        yield waited
    finally:
        os.close(file)  # and with it the lock


def check_writable(folder: Path) -> None:
    """Raise MachineError when the folder of a memory cannot be written: better said before a model is loaded."""
    os.close(_open(folder))


def _open(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        if os.access(folder, os.W_OK):
            return file
        os.close(file)  # it was there before, and no log can be made beside the memory
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise MachineError(
            f"the memory's folder {folder} cannot be written: {error.strerror or error}",
            "set VTC_HOME to a folder that can",
        ) from None


def _take(file: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: no advisory locks; SQLite's own still keep the file whole
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
