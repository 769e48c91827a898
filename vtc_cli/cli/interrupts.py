"""Ctrl-C that cannot get lost."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interrupts:
    """Remembers a Ctrl-C until the run has ended.

    Python raises KeyboardInterrupt wherever the main thread is, and drops it when that is inside a finaliser or a
    callback of a library; a batch would go on as if nobody had asked. `check` raises it again between two answers.
    """

    def __init__(self) -> None:
        self._asked = False
        self._mine = False

    def check(self) -> None:
        """Raises KeyboardInterrupt when Ctrl-C was pressed since the beginning and nothing came of it."""
        if self._asked:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupts:
        # Elsewhere than in the main thread Python gives signals to nobody; a handler of the caller's stays.
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._heard)
            self._mine = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        raise KeyboardInterrupt
