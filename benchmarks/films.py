"""Films of the bundled world as files, for what has to be decoded while it is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HEIGHT, RATE = 128, 2  # pixels, pictures per second


def filmed(film: Any, path: Path) -> Path:
    """The file of a film, made where it is missing; one that was begun and not ended is not taken for it."""
    from vtc_cli.train.world import write_mp4

    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.mp4")
        write_mp4(film, partial, RATE, HEIGHT)
        partial.replace(path)
    return path
