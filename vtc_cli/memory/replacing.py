"""A SQLite file that is there whole or not at all: made under another name, and put in its place when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vtc_cli.errors import MachineError

BESIDE = ("-journal", "-wal", "-shm")
"""What SQLite keeps next to a file, by the end of its name."""


@contextmanager
def in_place_of(path: Path) -> Iterator[Path]:
    """Where to make a file, closed at the end of the block, that then takes the place of what is at `path`.

    What is at `path` stays until then, and for good when the block raises; what was made goes with the error. Whoever
    makes a memory holds its folder's lock, so what lies at the other name is of a process that was killed.
    Raises MachineError when a file can be neither removed nor put in place.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        remove(new)
        yield new
        remove(path)  # a log of the old file that stayed would be read as one of the new file
        os.replace(new, path)
    except BaseException as error:
        with suppress(OSError):
            remove(new)
        if isinstance(error, OSError):
            raise MachineError(f"{path} cannot be replaced: {error.strerror or error}", "set VTC_HOME") from None
        raise


def remove(path: Path) -> None:
    """The file and what SQLite keeps beside it, as far as they are there. Raises OSError."""
    for suffix in ("", *BESIDE):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
