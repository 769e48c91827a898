"""The memory of a stream: written while it is watched, whole at every moment, and no older than it may be."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.recalling import MemoryRunner
from vtc_cli.jobs.remembering import Remembered, Taking
from vtc_cli.memory.forgetting import forget_before
from vtc_cli.memory.lock import writing
from vtc_cli.memory.place import FILE, home, lasting
from vtc_cli.memory.store import MemoryStore
from vtc_cli.video.frame import ClipInfo, Frame

if TYPE_CHECKING:
    from vtc_cli.memory.narrator import SessionLook
    from vtc_cli.models.contract import Unit

RECENT = 64
"""Frames kept at the model's size: those of the clip that still runs, which no row shows yet."""

SWEEPS = 20
"""How often in the span that is kept what is older is let go."""


class LiveMemory:
    """Takes in units as a session makes them, and answers from everything that was committed until now.

    keep: seconds of the stream that stay remembered. Raises MachineError where it cannot be written.
    """

    def __init__(self, runner: MemoryRunner, info: ClipInfo, keep: float):
        self._runner, self._info, self._keep = runner, info, keep
        self._recent: deque[Frame] = deque(maxlen=RECENT)
        self._swept = 0.0
        self._held = ExitStack()
        model = runner.prepare()
        narrator = runner.narrator(model)
        folder = _folder(info.source)
        self._held.enter_context(writing(folder))
        try:
            settings = runner.rememberer.content(info, model, narrator, ())
            facts = {
                "source": lasting(info.source),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "live": True,
            }
            method = runner.rememberer.chosen.name
            self.store = self._held.enter_context(
                MemoryStore.create(folder / FILE, settings, {**facts, "method": method})
            )
            with self.store.transaction():
                self.store.set("embedder", narrator.embedder)
            self._builder = runner.rememberer.method.build(self.store, narrator)
            self._taking = Taking(self._builder)
        except BaseException:
            self._held.close()
            raise

    def see(self, frame: Frame) -> None:
        """A frame that was watched, at once: its unit may wait for another, and a question may come before that."""
        self._recent.append(frame)

    def observe(self, frames: Sequence[Frame], units: Sequence[Unit]) -> None:
        """The next frames with their units; see `Session`."""
        self._taking.units(frames, units)
        now = frames[-1].time
        if now - self._swept >= self._keep / SWEEPS:
            self._swept = now
            forget_before(self.store, now - self._keep)

    @property
    def reaches(self) -> float:
        """Seconds until which rows are committed; 0 before the first clip is over."""
        return self.store.reaches or 0.0

    def reply(self, question: Question, at: float, glance: SessionLook, took: float | None) -> dict[str, Any]:
        """The record of one answer as of `at`. glance: the session that watches. took: seconds of watching, for the
        first record. Raises VtcError."""
        return self._runner.reply(
            Remembered(self.store, built=True),
            question,
            at=at,
            glance=glance,
            took=took,
            info=self._info,
            sampled=lambda start, end: [frame for frame in self._recent if start <= frame.time <= end],
        )

    def finish(self, end: float) -> None:
        """The stream is over at `end` seconds: what is open is closed, and the memory is complete."""
        self._builder.finish(end)
        self.store.finish()

    def close(self) -> None:
        """Let go of the file, which is whole, finished or not. One that nothing was written to goes."""
        empty = self.store.one("SELECT 1 FROM clip") is None
        self._held.close()
        if empty:
            folder = self.store.path.parent
            for name in (FILE, f"{FILE}-wal", f"{FILE}-shm", "lock"):
                (folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # something of someone else's lies there
                folder.rmdir()


def _folder(source: str) -> Path:
    """A new folder: a stream cannot be recognised when it comes again, so its memory is named by when it began."""
    named = re.sub(r"[^A-Za-z0-9.]+", "-", Path(source).name).strip("-.")[:40] or "stream"
    first = f"live-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{named}"
    for number in range(1, 10_000):
        folder = home() / (first if number == 1 else f"{first}-{number}")
        if not folder.exists():
            return folder
    raise AssertionError("thousands of watches in one second")
