"""A process on a pseudo-terminal, and what it shows there."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals and signals of POSIX")


@contextmanager
def on_a_terminal(words: Sequence[str], **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A running process and the other side of its terminal, to read from and to type into. Killed where it still runs
    at the end. variables: of its environment, over this process's own."""
    import pty

    main, other = pty.openpty()
    running = subprocess.Popen(
        words, stdin=other, stdout=other, stderr=other, env={**os.environ, "TERM": "xterm", **variables}
    )
    os.close(other)
    try:
        yield running, main
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()
        os.close(main)


def read_until(main: int, *wanted: bytes, seconds: float = 120) -> None:
    """Read what a terminal shows until all of `wanted` has come, in this order."""
    shown, place, deadline = b"", 0, time.monotonic() + seconds
    for part in wanted:
        while (found := shown.find(part, place)) < 0 and time.monotonic() < deadline:
            if select.select([main], [], [], 0.2)[0]:
                try:
                    shown += os.read(main, 65536)
                except OSError:
                    break
        assert found >= 0, (part, shown.decode(errors="replace"))
        place = found + len(part)
