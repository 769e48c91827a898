"""A source read beside whoever watches it: paced, the newest kept when the watcher is late, opened again when it drops.

The rule for late frames: at most `ROOM` wait. When another comes, the oldest that waits is dropped, so what the watcher
takes next is never more than `ROOM` frames behind, and memory is bounded however slow it is.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.video.frame import Clip, ClipInfo, Damage, Frame

ROOM = 8
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds between two attempts; doubled each time
SILENCE = 10.0  # seconds without a picture that are worth a word
JOIN_SECONDS = 2.0  # how long closing waits for a reader that is stuck in a read; the thread is a daemon


@dataclass(frozen=True)
class Arrivals:
    """How a feed stands. newest: seconds of the newest frame that has arrived, None before the first. dropped: frames
    that came while the watcher was late. reconnects: times the source was opened again."""

    newest: float | None
    dropped: int
    reconnects: int


class Feed:
    """Frames of a source, read by a thread. Use it as a context manager.

    name: of the source, for messages. open: opens it; called again when a live one drops out. fps: frames wanted per
    second of video.
    live: the source has its own pace, and its end is an interruption. Else `speed` times real time is kept; None is as
    fast as frames are taken, and then none is dropped.
    patience: seconds to go on trying to reach a live source that dropped out; 0: its end is the end.
    tell: called with what the user should know, from either thread.

    Frame times go on over interruptions: the time that nothing could be seen in is part of them.
    """

    def __init__(
        self,
        name: str,
        open: Callable[[], Clip],
        fps: float,
        *,
        live: bool,
        speed: float | None = 1.0,
        patience: float = 300.0,
        tell: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ):
        if speed is not None and not 0 < speed <= 1000:
            raise UsageError(f"the speed must be above 0 and at most 1000 times real time, not {speed:g}")
        self._name, self._open, self._fps = name, open, fps
        self._live, self._speed, self._patience = live, None if live else speed, patience
        self._drops = live or speed is not None
        self._tell, self._clock = tell, clock
        self.shrink: Callable[[Frame], Frame] | None = None
        self.damage: Damage | None = None
        self._condition = threading.Condition()
        self._stop = threading.Event()
        self._waiting: deque[Frame] = deque()
        self._arrivals = Arrivals(None, 0, 0)
        self._info: ClipInfo | None = None
        self._error: BaseException | None = None
        self._over = False
        self._zero: float | None = None  # of the clock, when the first frame came
        self._quiet_since = clock()
        self._warned = False
        self._pacing = False
        self._thread = threading.Thread(target=self._run, name="vtc-live", daemon=True)

    @property
    def arrivals(self) -> Arrivals:
        """How it stands now."""
        with self._condition:
            return self._arrivals

    def info(self, seconds: float) -> ClipInfo | None:
        """The source's facts, waiting so long for them; None when they are not there yet. Raises what opening raised.

        A source without a word says so, and a live one raises VideoError when patience ends."""
        with self._condition:
            self._condition.wait_for(lambda: self._info is not None or self._over, seconds)
            if self._info is None:
                if self._over and self._error is not None:
                    raise self._error
                self._check_silence("nothing has come from it yet")
            return self._info

    def take(self, seconds: float) -> Frame | None:
        """The oldest waiting frame, waiting so long for one; None when there is none yet, or `over`.

        Raises VideoError: the source failed, or a live one has been silent for longer than patience.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._over, seconds)
            if self._waiting:
                frame = self._waiting.popleft()
                self._condition.notify_all()
                return frame
            if self._over and self._error is not None:
                error, self._error = self._error, None
                raise error
            if not self._over:
                self._check_silence("no picture comes")
            return None

    @property
    def over(self) -> bool:
        """Whether everything has been taken, an error too, and nothing more will come."""
        with self._condition:
            return self._over and not self._waiting and self._error is None

    def close(self) -> None:
        """Stop reading. A reader that is stuck in a read is left behind."""
        self._stop.set()
        with self._condition:
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_silence(self, words: str) -> None:
        silent = self._clock() - self._quiet_since
        if self._pacing:
            return
        if self._live and self._patience and silent > max(self._patience, SILENCE):
            raise VideoError(f"{self._name} has sent no picture for {silent:.0f} seconds", "Is it switched on?")
        if silent > SILENCE and not self._warned:
            self._warned = True
            self._tell(f"{words} ({silent:.0f} seconds); still waiting")

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._connections()
        except BaseException as raised:
            error = raised
        with self._condition:
            self._error, self._over = error, True
            self._condition.notify_all()

    def _connections(self) -> None:
        wait, since = FIRST_WAIT, self._clock()
        while not self._stop.is_set():
            before, reason, hint = self._arrivals.newest, "the stream ended", None
            try:
                clip = self._open()
            except VideoError as error:
                if not self._retries:
                    raise  # an address that never worked is not tried again
                reason, hint = error.message, error.hint
            else:
                try:
                    self._read(clip)
                except VideoError as error:
                    if not self._retries:
                        raise
                    reason, hint = error.message, error.hint
                finally:
                    self.damage = clip.damage
                    clip.close()
            if self._stop.is_set() or not self._live or not self._patience:
                return
            if self._arrivals.newest != before:
                wait, since = FIRST_WAIT, self._clock()
            if self.damage is not None and reason == "the stream ended":
                reason = self.damage.reason
            if self._clock() - since + wait > self._patience:
                raise VideoError(
                    f"{self._name} could not be reached again within {self._patience:.0f} seconds ({reason})", hint
                )
            self._warned = True
            self._tell(f"{reason}; trying again in {wait:g} second{'s' * (wait != 1)}")
            self._stop.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)
            with self._condition:
                self._arrivals = replace(self._arrivals, reconnects=self._arrivals.reconnects + 1)

    @property
    def _retries(self) -> bool:
        return self._live and self._patience > 0 and self._zero is not None

    def _read(self, clip: Clip) -> None:
        with self._condition:
            if self._info is None:
                self._info = clip.info
            elif self._info.size != clip.info.size:
                self._tell(f"pictures are {clip.info.size[0]} x {clip.info.size[1]} now; they are scaled to the first")
            self._condition.notify_all()
        offset: float | None = None
        for frame in clip.frames(self._fps):
            if self._stop.is_set():
                return
            if self._zero is None:
                self._zero = self._clock()
            if offset is None:
                offset = self._offset(frame)
            timed = replace(frame, time=frame.time + offset)
            if self._speed is not None:
                late = self._zero + timed.time / self._speed - self._clock()
                if late > 0 and self._paced(late):
                    return
            self._put(self.shrink(timed) if self.shrink is not None else timed)

    def _paced(self, seconds: float) -> bool:
        """Wait until a frame is due; True when told to stop."""
        self._pacing = True
        stopped = self._stop.wait(seconds)
        self._quiet_since, self._pacing = self._clock(), False
        return stopped

    def _offset(self, frame: Frame) -> float:
        """What this connection's times lack to be those of the watch: what passed since its first picture."""
        newest = self._arrivals.newest
        if newest is None:
            return 0.0
        assert self._zero is not None
        return max(self._clock() - self._zero, newest + 1 / self._fps) - frame.time

    def _put(self, frame: Frame) -> None:
        with self._condition:
            if not self._drops:
                self._condition.wait_for(lambda: len(self._waiting) < ROOM or self._stop.is_set())
            dropped = self._arrivals.dropped
            if len(self._waiting) >= ROOM:
                self._waiting.popleft()
                dropped += 1
            self._waiting.append(frame)
            self._arrivals = replace(self._arrivals, newest=frame.time, dropped=dropped)
            self._quiet_since, self._warned = self._clock(), False
            self._condition.notify_all()
