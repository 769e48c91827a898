"""Where an MP4 keeps its index: enough of the box format to know whether a pipe can be read front to back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, Literal

Place = Literal["first", "last", "missing"]

_TOP_LEVEL = frozenset({b"ftyp", b"free", b"skip", b"wide", b"mdat", b"moov", b"styp", b"uuid", b"pdin", b"meta"})


def index_place(path: str | Path) -> Place | None:
    """Where the `moov` box is relative to the pictures; None when this is not an MP4 or QuickTime file."""
    with Path(path).open("rb") as file:
        return _walk(file)


def index_place_in(head: bytes) -> Place | None:
    """The same from the first bytes of a stream; `missing` when they end before deciding, `last` never."""
    return _walk(io.BytesIO(head))


def _walk(file: BinaryIO) -> Place | None:
    pictures_first, boxes = False, 0
    while True:
        header = file.read(8)
        if len(header) < 8:
            return "missing" if boxes else None
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if kind not in _TOP_LEVEL and boxes == 0:
            return None
        if kind == b"moov":
            return "last" if pictures_first else "first"
        pictures_first = pictures_first or kind == b"mdat"
        taken = 8
        if size == 1:  # a 64-bit size follows
            size, taken = int.from_bytes(file.read(8), "big"), 16
        if size == 0 or size < taken:  # to the end of the file, or nonsense
            return "missing"
        boxes += 1
        file.seek(size - taken, io.SEEK_CUR)
