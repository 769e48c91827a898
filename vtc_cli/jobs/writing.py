"""Files that are whole or not there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from vtc_cli.errors import UsageError, VtcError


def check_place(output: Path) -> None:
    """Raise UsageError unless a file of that name can be made: its folder is there, and it is not one itself."""
    if output.is_dir():
        raise UsageError(f"--output {output} is a folder", "name a file in it, like report.html")
    if not output.parent.is_dir():
        raise UsageError(f"the folder {output.parent} is not there", f"make it first: mkdir -p {output.parent}")


def write_whole(path: Path, text: str) -> None:
    """Write text under another name and give it its own when it is complete. Raises VtcError when that fails.

    What UTF-8 cannot hold, such as a file name that is no text, becomes `?`.
    """
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
