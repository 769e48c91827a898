"""Decoding ahead: bounded, prompt to stop, honest about errors."""

from __future__ import annotations

import gc
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator

import pytest
import torch

from tests.video.film import number_of
from vtc_cli.video import open_clip, prefetch
from vtc_cli.video.frame import Frame

WAIT = 10.0  # seconds a test waits for another thread before it fails


def frame(number: int) -> Frame:
    return Frame(float(number), torch.zeros(3, 1, 1, dtype=torch.uint8))


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vtc-decode"]


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    yield
    gc.collect()
    assert decoders() == []


class Source:
    """Frames 0, 1, 2, ...; notes what was made and whether it was closed."""

    def __init__(self, count: int = 10**9, fails: BaseException | None = None):
        self.made, self.closed_by, self.count, self.fails = 0, "", count, fails
        self.progress = threading.Condition()

    def __iter__(self) -> Iterator[Frame]:
        try:
            while self.made < self.count:
                with self.progress:
                    self.made += 1
                    self.progress.notify_all()
                yield frame(self.made - 1)
            if self.fails is not None:
                raise self.fails
        finally:
            self.closed_by = threading.current_thread().name

    def wait_for(self, happened: Callable[[], bool]) -> None:
        with self.progress:
            assert self.progress.wait_for(happened, WAIT)


def test_all_frames_in_order():
    assert [item.time for item in prefetch(Source(50), depth=3)] == [float(n) for n in range(50)]


def test_nothing_to_iterate():
    assert list(prefetch([])) == []


def test_at_most_depth_frames_wait():
    source = Source()
    with prefetch(source, depth=3) as ahead:
        source.wait_for(lambda: source.made >= 4)  # three waiting and one that does not fit
        assert next(ahead).time == 0.0
        source.wait_for(lambda: source.made >= 5)
        threading.Event().wait(0.05)
        assert source.made == 5
    assert source.closed_by == "vtc-decode"


def test_errors_travel_with_their_traceback():
    ahead = prefetch(Source(3, ValueError("bad picture")))
    assert [next(ahead).time for _ in range(3)] == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="bad picture") as caught:
        next(ahead)
    assert "__iter__" in "".join(traceback.format_tb(caught.value.__traceback__))
    assert list(ahead) == []


def test_abandoned_without_closing():
    source = Source()
    ahead = prefetch(source, depth=2)
    next(ahead)
    del ahead
    gc.collect()
    assert source.closed_by == "vtc-decode"


def test_left_by_break_and_by_error():
    source = Source()
    with prefetch(source) as ahead:
        for item in ahead:
            if item.time == 5.0:
                break
    assert source.closed_by == "vtc-decode"

    def interrupted() -> None:
        with prefetch(Source()) as ahead:
            next(ahead)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_closing_twice_and_reading_after():
    ahead = prefetch(Source())
    next(ahead)
    ahead.close()
    ahead.close()
    assert list(ahead) == []


def test_an_error_while_closing_the_source_is_not_lost():
    class Stubborn:
        def __iter__(self):
            return self

        def __next__(self):
            raise StopIteration

        def close(self):
            raise OSError("cannot close")

    with pytest.raises(OSError, match="cannot close"):
        list(prefetch(Stubborn()))


def test_waiting_and_decoding_are_counted():
    ready = threading.Event()

    def slow() -> Iterator[Frame]:
        ready.wait(WAIT)
        yield frame(0)

    with prefetch(slow()) as ahead:
        threading.Timer(0.05, ready.set).start()
        next(ahead)
        assert ahead.wait_seconds > 0
        assert ahead.decode_seconds > 0


def test_frames_are_shrunk_by_the_thread_that_decodes() -> None:
    by, source = [], Source(5)

    def shrink(item: Frame) -> Frame:
        by.append(threading.current_thread().name)
        return Frame(item.time + 100, item.image)

    with prefetch(source, depth=2, shrink=shrink) as ahead:
        assert [item.time for item in ahead] == [100.0, 101.0, 102.0, 103.0, 104.0]
        assert ahead.shrink_seconds > 0
    assert by == ["vtc-decode"] * 5
    assert source.closed_by == "vtc-decode"


def test_what_was_shrunk_is_let_go() -> None:
    """Only the small pictures wait."""
    large: list[weakref.ref[Frame]] = []

    def frames() -> Iterator[Frame]:
        for number in range(3):
            item = frame(number)
            large.append(weakref.ref(item))
            yield item
            del item

    with prefetch(frames(), depth=3, shrink=lambda item: Frame(item.time, item.image)) as ahead:
        small = list(ahead)
    gc.collect()
    assert len(small) == 3
    assert [reference() for reference in large] == [None] * 3


def test_an_error_while_shrinking_reaches_the_consumer() -> None:
    source = Source()

    def shrink(item: Frame) -> Frame:
        if item.time == 2.0:
            raise ValueError("not a picture")
        return item

    with prefetch(source, depth=4, shrink=shrink) as ahead:
        assert [next(ahead).time, next(ahead).time] == [0.0, 1.0]
        with pytest.raises(ValueError, match="not a picture"):
            next(ahead)
    assert source.closed_by == "vtc-decode"


def test_depth_must_be_positive():
    with pytest.raises(ValueError, match="at least 1"):
        prefetch([], depth=0)


def test_a_real_film(film):
    clip = open_clip(str(film("plain")))
    with prefetch(clip.frames(fps=10), depth=2) as ahead:
        assert [number_of(item.image) for item in ahead] == list(range(0, 90, 3))
        assert ahead.decode_seconds > 0


def test_looking_back_while_watching(film):
    clip = open_clip(str(film("long")))
    seen = []
    with prefetch(clip.frames(fps=2), depth=2) as ahead:
        for item in ahead:
            seen.append(number_of(item.image))
            if len(seen) % 5 == 0:
                assert number_of(next(clip.at([item.time / 2])).image) == int(item.time / 2 * 30 + 1e-6)
    assert seen == list(range(0, 300, 15))
