"""Files that are whole or not there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from vtc_cli.errors import UsageError, VtcError


def check_place(output: Path) -> None:
    """Raise UsageError unless a file of that name can be made: its folder is there, and nothing else has the name."""
    check_name(output)
    if not output.parent.is_dir():
        raise UsageError(f"the folder {output.parent} is not there", f"make it first: mkdir -p {output.parent}")


def check_name(output: Path) -> None:
    """Raise UsageError when what has this name now is no file: writing it whole would replace a device or a pipe."""
    if str(output) == "-":
        raise UsageError("the output `-` would be a file of that name", "name a file")
    if output.is_dir():
        raise UsageError(f"{output} is a folder", "name a file in it")
    if output.exists() and not output.is_file():
        raise UsageError(
            f"{output} is a device or a pipe, not a file", "name a file: it is written whole or not at all"
        )


def write_whole(path: Path, text: str) -> None:
    """Write text under another name and give it its own when it is complete. Raises VtcError when that fails.

    What UTF-8 cannot hold, such as a file name that is no text, becomes `?`. A link stays one; the file it leads to is
    replaced.
    """
    path = path.resolve()
    partial = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        partial.write_bytes(text.encode("utf-8", "replace"))
        os.replace(partial, path)
    except OSError as error:
        problem = f"cannot write {path}: {error.strerror or error}"
        raise VtcError(problem, "name another --output, or make room") from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
