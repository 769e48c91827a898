"""Video on the standard input: read front to back where the container allows it, else kept in a temporary file."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from vtc_cli.errors import VideoError
from vtc_cli.video.boxes import index_place_in

HEAD = 64 * 2**10  # bytes looked at to tell whether the index comes first


@dataclass
class Piped:
    """stream: to be read once, or spool: a temporary file with everything; exactly one of them is set."""

    stream: BinaryIO | None
    spool: IO[bytes] | None

    @property
    def path(self) -> Path | None:
        return Path(self.spool.name) if self.spool is not None else None

    def close(self) -> None:
        """Removes the temporary file."""
        if self.spool is not None:
            self.spool.close()


class Rejoined:
    """A stream whose first bytes have been read already. Not seekable, on purpose without a `seek` method."""

    def __init__(self, head: bytes, rest: BinaryIO):
        self._head, self._rest = head, rest

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, everything when negative; empty at the end."""
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            taken, self._head = self._head + self._rest.read(), b""
            return taken
        taken, self._head = self._head[:size], self._head[size:]
        return taken


def read_pipe(source: BinaryIO | None = None) -> Piped:
    """Take the standard input (or `source`) as a video.

    An MP4 whose index comes after its pictures needs seeking and is copied to a temporary file first; everything
    else streams. Raises VideoError when nothing arrives or the standard input is a terminal.
    """
    pipe = source if source is not None else _standard_input()
    if pipe.isatty():
        raise VideoError("-: no video on the standard input", "Pipe one in: cat clip.mp4 | vtc ask - ...")
    head = b""
    while len(head) < HEAD and (chunk := pipe.read(HEAD - len(head))):
        head += chunk
    if not head:
        raise VideoError("-: the standard input is empty", "Did the command before the pipe fail?")
    if index_place_in(head) not in ("last", "missing"):
        return Piped(Rejoined(head, pipe), None)  # type: ignore[arg-type]
    spool = tempfile.NamedTemporaryFile(prefix="vtc-", suffix=".mp4")  # noqa: SIM115 (lives as long as the clip)
    try:
        spool.write(head)
        shutil.copyfileobj(pipe, spool, 2**20)
        spool.flush()
    except BaseException as error:
        spool.close()
        if isinstance(error, OSError):
            raise VideoError(
                f"-: the stream needs a temporary file, which could not be written ({error.strerror})",
                "Set TMPDIR to a folder with room, or save the stream to a file.",
            ) from None
        raise
    return Piped(None, spool)


def _standard_input() -> BinaryIO:
    """Without Python's buffer: a thread that waits in its lock would keep the process from ending."""
    buffer: BinaryIO = sys.stdin.buffer
    return getattr(buffer, "raw", buffer)
