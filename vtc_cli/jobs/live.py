"""Watching a source as it comes, for as long as it lasts, and answering meanwhile from what has been seen so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError, UsageError, VtcError
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.live_memory import LiveMemory
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.recalling import MemoryRunner
from vtc_cli.jobs.run import Runner
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import from_memory, methods_of, split_memory
from vtc_cli.jobs.sources import is_live
from vtc_cli.memory.store import DiskFullError, MemoryStore
from vtc_cli.report.identity import fingerprint, record_id
from vtc_cli.report.units import clock
from vtc_cli.video.frame import Clip, ClipInfo, Frame
from vtc_cli.video.live import Arrivals, Feed

if TYPE_CHECKING:
    from vtc_cli.engine.session import Session
    from vtc_cli.jobs.watched import Watched
    from vtc_cli.models.contract import VideoLM

Record = dict[str, Any]
POLL = 0.2  # seconds that typed questions may wait while no frame comes


@dataclass(frozen=True)
class Pace:
    """How a source is watched.

    speed: of a file, in times real time; None: as fast as the model takes frames, and none is dropped.
    patience: seconds to try to reach a live source again. every: seconds of video between askings of the standing
    questions. keep: seconds that a memory reaches back.
    """

    speed: float | None = 1.0
    patience: float = 300.0
    every: float | None = None
    keep: float = 86_400.0

    def __post_init__(self) -> None:
        for name, least in (("every", 0.0), ("keep", 0.0), ("speed", 0.0)):
            value = getattr(self, name)
            if value is not None and not least < value < math.inf:
                raise UsageError(f"--{name} must be above 0, not {value:g}")


class LiveWatch:
    """One source, watched as it comes. `run` may be called once.

    standing: questions asked every `pace.every` seconds of video. known: time of the newest frame that was watched.
    remembers: it writes a memory.
    answering: an answer is being made now; KeyboardInterrupt then ends the answer and not the watch.
    opened: opens the source, `open_clip` unless given.
    Raises UsageError at once for what cannot be: a method that looks at the question, questions without `every`.
    """

    def __init__(
        self,
        source: str,
        settings: Settings,
        events: Events | None = None,
        model: VideoLM | None = None,
        *,
        pace: Pace | None = None,
        standing: Sequence[Question] = (),
        opened: Callable[[], Clip] | None = None,
        live: bool | None = None,
    ):
        self.source, self.events, self.pace = source, events or Events(), pace or Pace()
        self.standing = tuple(standing)
        if self.standing and self.pace.every is None:
            raise UsageError("it is not said how often to ask", "add --every 10, in seconds; or type questions")
        if self.pace.every is not None and not self.standing:
            raise UsageError("--every has no question to ask", 'add one: vtc watch camera:0 --every 10 "who is there?"')
        end, settings = settings.end, replace(settings, start=0.0, end=None, max_frames=None, at=None, subs=None)
        self._end, self._ended = math.inf if end is None else end, False
        # What watching and answering need, before anything is opened.
        self.remembers = from_memory(settings)
        methods_of(split_memory(settings)[1] if self.remembers else settings, question_known=False)
        self._memories = MemoryRunner(settings, self.events, model) if self.remembers else None
        self._runner = self._memories.watcher if self._memories is not None else Runner(settings, self.events, model)
        self._live = _goes_on(source) if live is None else live
        self._open = opened or self._open_clip
        self._feed: Feed | None = None
        self._info: ClipInfo | None = None
        self._watched: Watched | None = None
        self._memory: LiveMemory | None = None
        self._began = 0.0
        self._next = self.pace.every or math.inf
        self._first = True
        self._asked_at = Arrivals(None, 0, 0)
        self.known: float | None = None
        self.answering = False
        self.last: Record | None = None

    @property
    def at(self) -> None:
        """Answers are always as of now."""
        return None

    @property
    def store(self) -> MemoryStore | None:
        """The memory that is being written; None without one."""
        return self._memory.store if self._memory is not None else None

    @property
    def session(self) -> Session | None:
        """What watches; None before the first frame."""
        return self._watched.session if self._watched is not None else None

    @property
    def look(self) -> None:
        """What is over cannot be looked at again."""
        return None

    def run(self, hear: Callable[[], Question | None], stay: Callable[[bool], bool]) -> Iterator[Record]:
        """Records of the answers, failed ones among them, until the source ends or it is told to stop.

        hear: the next question that waits, None when none does; asked between frames, from the first one on.
        stay: whether to go on; given whether the source is over. Raises VtcError; what was remembered stays.
        """
        self._runner.prepare()
        feed = Feed(
            self.source,
            self._open,
            self._runner.settings.fps,
            live=self._live,
            speed=self.pace.speed,
            patience=self.pace.patience,
            tell=lambda text: self.events.warning(f"{self.source}: {text}"),
        )
        self._feed = feed
        try:
            with feed:
                try:
                    while self._info is None and stay(False):
                        self._info = feed.info(POLL)
                        if self._info is not None:
                            self._begin(self._info)
                    yield from self._going_on(feed, hear, stay)
                except DiskFullError:
                    raise  # what takes frames in is ahead of what could be written: nothing can be finished
                except VtcError:
                    self._finish()
                    raise
                self._finish()
        except DiskFullError as error:
            raise MachineError(error.message, self._after_full_disk()) from error
        finally:
            if self._memory is not None:
                self._memory.close()

    def ask(self, question: Question) -> Record | None:
        """The record of one answer from what has been seen; None for one that was interrupted."""
        assert self._feed is not None
        self._asked_at = self._feed.arrivals
        self.answering = True
        try:
            self.last = record = self._fresh(self._ask(question))
            self._first = False
        except VtcError as error:
            return self._runner.failure(self.source, None, question, error)
        except KeyboardInterrupt:
            self.events.warning("the answer was interrupted")
            return None
        finally:
            self.answering = False
        return record

    def _open_clip(self) -> Clip:
        from vtc_cli.video import open_clip

        return open_clip(self.source, self._runner.settings.reader)

    def _begin(self, info: ClipInfo) -> None:
        self._runner.check(info)
        if self._memories is not None:
            self._memory = LiveMemory(self._memories, info, self.pace.keep)
            self.events.told(f"remembering into {self._memory.store.path}")
        room = self._runner.room(self.standing)
        observe = self._memory.observe if self._memory is not None else None
        # A bigger step would make what is known older, and nothing else.
        self._watched = self._runner.begin(info, None, room, observe, self._runner.settings.chunk or 1)
        self._began = time.perf_counter()
        assert self._feed is not None
        self._feed.shrink = partial(self._runner.prepare().shrink, geometry=self._watched.geometry)

    def _going_on(
        self, feed: Feed, hear: Callable[[], Question | None], stay: Callable[[bool], bool]
    ) -> Iterator[Record]:
        while stay(over := feed.over or self._ended):
            frame = None if over else feed.take(POLL)
            if over:
                time.sleep(POLL)  # only questions can come now
            if frame is not None and frame.time >= self._end:
                self._ended = True
            elif frame is not None:
                self._watch(frame)
                yield from self._due(frame.time)
            while self.known is not None and (question := hear()) is not None:
                if (record := self.ask(question)) is not None:
                    yield record
        if feed.over and feed.damage is not None and not self._live:
            self.events.warning(f"{self.source} is damaged ({feed.damage.reason}); what could be read was watched")

    def _watch(self, frame: Frame) -> None:
        assert self._watched is not None
        self._watched.session.watch([frame])
        if self._memory is not None:
            self._memory.see(frame)
        self.known = frame.time
        self._runner.note(frame.time, self._watched.session)

    def _due(self, now: float) -> Iterator[Record]:
        """The standing questions, when their time has come; moments that were missed are not made up for."""
        if self.pace.every is None or now < self._next - 1e-6:
            return
        self._next = (math.floor(now / self.pace.every + 1e-6) + 1) * self.pace.every
        for question in self.standing:
            if (record := self.ask(question)) is not None:
                yield record

    def _ask(self, question: Question) -> Record:
        from vtc_cli.memory.narrator import SessionLook

        assert self._watched is not None
        assert self._info is not None
        assert self.known is not None
        took = time.perf_counter() - self._began
        if self._memory is not None:
            glance = SessionLook(self._watched.session)
            return self._memory.reply(question, self.known, glance, took if self._first else None)
        seconds = dict(self._watched.session.meter.seconds)
        watched = replace(self._watched, stage_seconds=seconds, watch_seconds=took, cold_seconds=took)
        return self._runner.reply(self._info, watched, question, self._first)

    def _fresh(self, record: Record) -> Record:
        """The record with how fresh its answer is: it knows the video until `known`, and nothing later."""
        assert self.known is not None
        arrivals = self._asked_at
        settings = {**record["settings"], "at": self.known}
        mark = fingerprint(settings)
        return {
            **record,
            "id": record_id(self.source, record["question"], mark, record["choices"]),
            "settings": {**settings, "fingerprint": mark},
            "live": {
                "known": round(self.known, 6),
                "arrived": round(arrivals.newest or 0.0, 6),
                "behind": round(max(0.0, (arrivals.newest or 0.0) - self.known), 6),
                "dropped": arrivals.dropped,
                "reconnects": arrivals.reconnects,
                "remembered": round(self._memory.reaches, 6) if self._memory is not None else None,
            },
        }

    def _after_full_disk(self) -> str:
        """What is left, and what next: unlike an indexed video, a stream that is over is not gone on with."""
        if self._memory is None or not (reached := self._memory.reaches):
            return "make room and watch again; nothing had been remembered yet"
        kept = f"what was remembered until {clock(reached)} stays in {self._memory.store.path}"
        return f"make room; {kept}, and a new watch begins a memory of its own"

    def _finish(self) -> None:
        if self.known is None:
            return
        if self._memory is not None:
            rest = self._watched.session.unfinished() if self._watched is not None else None
            if rest is not None:
                self._memory.observe(rest[0], [rest[1]])
            self._memory.finish(self.known + 1 / self._runner.settings.fps)


def _goes_on(source: str) -> bool:
    """Whether the source is happening now, so that its end is an interruption. A pipe or a page's video has an end."""
    return is_live(source) or source.lower().startswith(("rtmps://", "rtp://", "srt://", "tcp://"))
