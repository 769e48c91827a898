"""Decoding ahead of the model: a thread fills a small bounded queue while the consumer works.

The thread may also make the pictures as small as the model wants them, so that little memory waits in the queue and
resizing, too, happens beside the model.
"""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from vtc_cli.video.frame import Frame

POLL_SECONDS = 0.2  # how often a waiting consumer looks up, so that Ctrl-C works on every platform
JOIN_SECONDS = 2.0  # how long closing waits for a decoder that is stuck in a read; the thread is a daemon


Shrink = Callable[[Frame], Frame]


def prefetch(frames: Iterable[Frame], depth: int = 4, shrink: Shrink | None = None) -> Prefetch:
    """Iterate `frames` in a thread, at most `depth` waiting ahead; use as an iterator or a context manager.

    shrink: what the thread does to each frame before it waits, such as `VideoLM.shrink` at a video's geometry.
    At most depth + 2 frames exist at once: those waiting, the one being decoded or shrunk, the consumer's own.
    Raises ValueError for depth < 1. What the source or `shrink` raises, the consumer gets, with its traceback.
    """
    return Prefetch(frames, depth, shrink)


@dataclass
class _Shared:
    """What thread and consumer share. The thread holds no reference to the `Prefetch`, so dropping that ends it."""

    waiting: queue.Queue[Any]
    shrink: Shrink | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    decode_seconds: float = 0.0
    shrink_seconds: float = 0.0


@dataclass(frozen=True)
class _End:
    error: BaseException | None


class Prefetch(Iterator[Frame]):
    """Frames decoded ahead. `decode_seconds`, `shrink_seconds`: spent inside the source and shrinking so far (in the
    thread, overlapping the consumer). `wait_seconds`: the consumer stood still for lack of a frame.
    """

    def __init__(self, frames: Iterable[Frame], depth: int = 4, shrink: Shrink | None = None):
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        self._shared = _Shared(queue.Queue(maxsize=depth), shrink)
        self._thread = threading.Thread(target=_fill, args=(frames, self._shared), name="vtc-decode", daemon=True)
        self._over = False
        self.wait_seconds = 0.0
        # Runs when this object is dropped, and at interpreter exit before libraries are torn down.
        self._finish = weakref.finalize(self, _stop, self._shared, self._thread)
        self._thread.start()

    @property
    def decode_seconds(self) -> float:
        """Seconds spent inside the source so far."""
        return self._shared.decode_seconds

    @property
    def shrink_seconds(self) -> float:
        """Seconds spent shrinking so far."""
        return self._shared.shrink_seconds

    def __iter__(self) -> Prefetch:
        return self

    def __next__(self) -> Frame:
        if self._over:
            raise StopIteration
        began = time.perf_counter()
        try:
            item = self._take()
        finally:
            self.wait_seconds += time.perf_counter() - began
        if isinstance(item, _End):
            self.close()
            if item.error is not None:
                raise item.error
            raise StopIteration
        return item

    def _take(self) -> Any:
        while True:
            try:
                return self._shared.waiting.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue

    def close(self) -> None:
        """Stop the thread and close the source. Safe to call twice."""
        self._over = True
        self._finish()

    def __enter__(self) -> Prefetch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _fill(frames: Iterable[Frame], shared: _Shared) -> None:
    end = _End(None)
    try:
        _pump(frames, shared)
    except BaseException as error:
        end = _End(error)
    if not shared.stop.is_set():
        shared.waiting.put(end)


def _pump(frames: Iterable[Frame], shared: _Shared) -> None:
    iterator = iter(frames)
    try:
        while not shared.stop.is_set():
            began = time.perf_counter()
            try:
                frame = next(iterator, None)
            finally:
                shared.decode_seconds += time.perf_counter() - began
            if frame is None:
                return
            if shared.shrink is not None:
                began = time.perf_counter()
                frame = shared.shrink(frame)
                shared.shrink_seconds += time.perf_counter() - began
            shared.waiting.put(frame)
            del frame  # or it would live until the next one is decoded
    finally:
        # A generator must be closed by the thread that runs it: that releases the decoder.
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


def _stop(shared: _Shared, thread: threading.Thread) -> None:
    shared.stop.set()
    while True:  # makes room, so that a thread blocked in `put` wakes up and sees `stop`
        try:
            shared.waiting.get_nowait()
        except queue.Empty:
            break
    if thread is not threading.current_thread():
        thread.join(JOIN_SECONDS)
