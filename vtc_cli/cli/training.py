"""The terminal side of `vtc train`: how far a run is, and stopping it between two steps."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vtc_cli.cli.screen import is_terminal
from vtc_cli.train.loop import Watcher


class Progress(Watcher):
    """Shows a run on stderr: a bar on a terminal, lines elsewhere; nothing when quiet."""

    def __init__(self, quiet: bool):
        self._quiet = quiet
        self._lively = is_terminal(sys.stderr) and not quiet
        self._bar: Any = None
        self._stage = ""
        self._stopping = False

    def said(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        elif not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def stepped(self, stage: str, step: int, steps: int, loss: float) -> None:
        if not self._lively:
            return
        if stage != self._stage:
            from tqdm import tqdm

            self.close()
            self._bar = tqdm(total=steps, initial=step - 1, desc=stage, unit=" steps", file=sys.stderr)
            self._stage = stage
        self._bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        self._bar.update(step - self._bar.n)

    def stop(self) -> bool:
        return self._stopping

    def stop_soon(self) -> None:
        """End the run after the step it is at."""
        self._stopping = True
        self.said("stopping after this step; once more to stop at once")

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextmanager
def stoppable(progress: Progress) -> Iterator[Progress]:
    """The first Ctrl-C ends the run after the step it is at, the second one at once."""

    def first(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        progress.stop_soon()

    # Elsewhere than in the main thread Python gives signals to nobody.
    mine = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, first) if mine else None
    try:
        yield progress
    finally:
        if mine:
            signal.signal(signal.SIGINT, before)
        progress.close()
