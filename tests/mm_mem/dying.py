"""Builds of one film that end as `kill -9` ends them, each at a chosen point; a program, so that nothing is shared.

    python -m tests.mm_mem.dying FOLDER POINT...

A point is `frame:N` (before frame N is taken in), `look:N` (as the narrator is asked for the Nth time, from 0) or
`row:N` (in the transaction that has just written its Nth row, from 0). Each leaves FOLDER/POINT; the exit code is 0
when every build was killed there.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from vtc_mm_mem.builder import Builder
from vtc_mm_mem.events import Closing
from vtc_mm_mem.manager import Manager

from tests.mm_mem.fakes import Narration, moments, scenes, texture
from vtc_cli.memory import MemoryStore

FILM = [*scenes(*[(texture(place), 5 + 4 * (place % 4)) for place in range(8)]), *scenes((np.zeros((32, 32, 3)), 4))]


TOGETHER = 3  # events that are described together: several groups, and the last one is not whole


def run(store: MemoryStore, narration: Narration, until: int | None = None, together: int = TOGETHER) -> None:
    """Watch from where the store stands, frame `until` not being reached."""
    builder = Builder(store, narration, Manager(), Closing(together=together))
    resume = builder.resume
    for index, moment in enumerate(moments(FILM)):
        if until is not None and index == until:
            return
        if resume is None or (moment.time >= resume.again and moment.time > resume.done):
            builder.take(moment)
    builder.finish(float(len(FILM)))
    store.finish()


def killed() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process does not outlive this")


class Fatal(Narration):
    """Its process is killed as it is asked once too often."""

    def __init__(self, after: int):
        super().__init__()
        self.left = after

    def look(self, frames: Any, **options: Any) -> Any:
        if self.left == 0:
            killed()
        self.left -= 1
        return super().look(frames, **options)


class FatalStore(MemoryStore):
    """Its process is killed in the transaction that has written one row too many."""

    left = -1

    def add(self, row: object) -> None:
        super().add(row)
        if self.left == 0:
            killed()
        self.left -= 1


def die(path: Path, point: str) -> NoReturn:
    what, _, number = point.partition(":")
    count = int(number)
    with FatalStore.create(path, {}) as store:
        if what == "row":
            assert isinstance(store, FatalStore)
            store.left = count
        run(store, Fatal(count if what == "look" else -1), until=count if what == "frame" else None)
        if what == "frame":
            killed()
    raise SystemExit(f"{point} was never reached")


def main(folder: Path, points: list[str]) -> int:
    """A child per point. This process has computed nothing yet: it has no threads that a child would wait for."""
    for point in points:
        child = os.fork()
        if child == 0:
            try:
                die(folder / point, point)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            print(f"{point}: ended with {os.waitstatus_to_exitcode(status)}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
