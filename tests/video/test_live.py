"""A source read beside its watcher: late frames, pace, interruptions, silence. Clocks are the tests' own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest
import torch

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.video import live as module
from vtc_cli.video.frame import Clip, ClipInfo, Damage, Frame
from vtc_cli.video.live import ROOM, Feed

IMAGE = torch.zeros(3, 4, 4, dtype=torch.uint8)


@dataclass
class Footage:
    """A clip of the times it is given; `pause` is called before each frame."""

    times: Iterator[float] | Sequence[float]
    pause: Callable[[float], None] = lambda time: None
    damage: Damage | None = None
    size: tuple[int, int] = (4, 4)
    closed: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.info = ClipInfo("fake", None, None, self.size, "none", None, "test")

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        for time in self.times:
            self.pause(time)
            yield Frame(time, IMAGE)

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        raise AssertionError("a stream is not looked at again")

    def close(self) -> None:
        self.closed.append(True)


def opening(*clips: Clip | Exception) -> Callable[[], Clip]:
    """Opens one after another."""
    waiting = iter(clips)

    def opened() -> Clip:
        clip = next(waiting)
        if isinstance(clip, Exception):
            raise clip
        return clip

    return opened


def everything(feed: Feed) -> list[float]:
    found = []
    while not feed.over:
        if (frame := feed.take(5.0)) is not None:
            found.append(frame.time)
    return found


def _take_for_ever(feed: Feed, found: list[float]) -> None:
    while True:
        if (frame := feed.take(5.0)) is not None:
            found.append(frame.time)


@pytest.fixture(autouse=True)
def _soon(monkeypatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)


def test_without_a_clock_nothing_is_dropped() -> None:
    with Feed("fake", opening(Footage(range(50))), 1.0, live=False, speed=None) as feed:
        assert everything(feed) == list(range(50))
        assert feed.arrivals.dropped == 0


def test_of_late_frames_the_oldest_go_and_few_wait() -> None:
    read = threading.Event()

    def last(time: float) -> None:
        if time == 100:
            read.set()

    with Feed("fake", opening(Footage(range(101), last)), 1.0, live=True, patience=0) as feed:
        assert read.wait(5)
        found = everything(feed)
    assert found[-ROOM:] == list(range(101 - ROOM, 101))
    assert feed.arrivals.newest == 100
    assert feed.arrivals.dropped == 101 - len(found)


def test_an_endless_source_never_piles_up() -> None:
    enough = threading.Event()

    def some(time: float) -> None:
        if time == 5000:
            enough.set()

    clip = Footage(map(float, count()), some)
    with Feed("fake", opening(clip), 1.0, live=True) as feed:
        assert enough.wait(20)
        assert len(feed._waiting) <= ROOM
        assert feed.arrivals.dropped >= 5000 - ROOM - 1
    assert clip.closed == [True]  # and it stops when it is told to


def test_a_file_keeps_its_time() -> None:
    waited = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            return False

    feed = Feed("fake", opening(Footage([0.0, 1.0, 2.0])), 1.0, live=False, speed=2.0, clock=lambda: 10.0)
    feed._stop = Stop()
    with feed:
        assert everything(feed) == [0.0, 1.0, 2.0]
    assert waited == [0.5, 1.0]


def test_a_stream_that_drops_out_is_opened_again_and_its_time_goes_on() -> None:
    now, told = [100.0], []

    def passes(time: float) -> None:
        now[0] += 1.0

    first, second = Footage([0.0, 1.0, 2.0], passes), Footage([7.0, 8.0], passes, size=(8, 4))
    gone = VideoError("fake: cannot be opened (connection refused)", "Check the network.")
    feed = Feed(
        "fake", opening(first, gone, second, gone, gone, gone, gone, gone), 1.0, live=True, patience=1.0,
        tell=told.append, clock=lambda: now[0] + 0.4 * len(told),
    )  # fmt: skip
    found: list[float] = []
    with feed, pytest.raises(VideoError, match="could not be reached again within 1 seconds"):
        _take_for_ever(feed, found)
    assert found[:3] == [0.0, 1.0, 2.0]
    assert found[3] > 2.0  # what passed meanwhile is part of the times
    assert found[4] == found[3] + 1
    assert feed.arrivals.reconnects >= 2
    assert "the stream ended; trying again" in told[0]
    assert "connection refused" in told[1]
    assert any("8 x 4 now" in text for text in told)
    assert first.closed == second.closed == [True]


def test_waits_grow_up_to_a_limit(monkeypatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 1.0)
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            if len(waits) == 7:
                self.set()
            return self.is_set()

    gone = VideoError("gone")
    feed = Feed("fake", opening(Footage([0.0]), *[gone] * 9), 1.0, live=True, patience=1e9, clock=lambda: 0.0)
    feed._stop = Stop()
    with feed:
        assert everything(feed) == [0.0]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_an_address_that_never_worked_is_not_tried_again() -> None:
    opened = []

    def refuses() -> Clip:
        opened.append(1)
        raise VideoError("fake: no such host")

    with Feed("fake", refuses, 1.0, live=True) as feed, pytest.raises(VideoError, match="no such host"):
        feed.info(5.0)
    assert opened == [1]


def test_a_failure_on_the_way_reaches_the_watcher() -> None:
    def breaks(time: float) -> None:
        if time == 2:
            raise VideoError("fake: broken")

    with Feed("fake", opening(Footage([0, 1, 2], breaks)), 1.0, live=False, speed=None) as feed:
        assert [feed.take(5.0).time, feed.take(5.0).time] == [0, 1]
        with pytest.raises(VideoError, match="broken"):
            feed.take(5.0)


def test_a_source_without_a_picture_says_so_and_is_given_up() -> None:
    now, told, silence = [0.0], [], threading.Event()
    clip = Footage([0.0], lambda time: silence.wait(5) and None)
    feed = Feed("fake", opening(clip), 1.0, live=True, patience=60.0, tell=told.append, clock=lambda: now[0])
    with feed:
        assert feed.take(0.01) is None
        now[0] = 11.0
        assert feed.take(0.01) is None
        assert feed.take(0.01) is None
        assert told == ["no picture comes (11 seconds); still waiting"]
        now[0] = 61.0
        with pytest.raises(VideoError, match="fake has sent no picture for 61 seconds"):
            feed.take(0.01)
        silence.set()


def test_a_file_that_waits_for_its_time_is_not_silent() -> None:
    now, told = [0.0], []
    feed = Feed("fake", opening(Footage([0.0, 100.0])), 1.0, live=False, tell=told.append, clock=lambda: now[0])
    with feed:
        assert feed.take(5.0).time == 0.0
        while not feed._pacing:
            pass
        now[0] = 50.0
        assert feed.take(0.01) is None
    assert told == []


@pytest.mark.parametrize("speed", [0.0, -1.0, 1e9])
def test_an_impossible_speed_is_refused(speed) -> None:
    with pytest.raises(UsageError, match="speed"):
        Feed("fake", opening(), 1.0, live=False, speed=speed)
