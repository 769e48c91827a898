"""Sampling by time, and the plan that is shown before anything is decoded."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtc_cli.errors import UsageError
from vtc_cli.video.frame import ClipInfo
from vtc_cli.video.sampling import Pacer, plan_sampling
from vtc_cli.video.timecode import format_time, parse_time


def picked(times: list[float], fps: float, start: float = 0.0, end: float | None = None) -> list[float]:
    pacer = Pacer(fps, start, end)
    return [time for time in times if pacer.wants(time)]


gaps = st.lists(st.floats(0.001, 20.0), min_size=1, max_size=80)


@given(gaps, st.floats(0.05, 60.0), st.floats(0.0, 30.0))
def test_one_frame_per_due_time_and_each_the_first_that_is_due(gaps, fps, start):
    times = [sum(gaps[:k]) for k in range(len(gaps))]
    chosen = picked(times, fps, start)
    late = [time for time in times if time >= start - 1e-6]
    if late:
        assert chosen[0] == pytest.approx(min(late), abs=2e-6)
    # A frame is chosen exactly when it is the first of its stretch [start + k/fps, start + (k + 1)/fps).
    clear = [time for time in late if abs((time - start) * fps - round((time - start) * fps)) > 1e-3]
    if len(clear) == len(late):
        stretch = [math.floor((time - start) * fps) for time in late]
        firsts = [time for k, time in enumerate(late) if k == 0 or stretch[k] != stretch[k - 1]]
        assert chosen == firsts


@given(st.integers(1, 120), st.integers(1, 60), st.integers(1, 3000))
def test_constant_rates_never_drift(rate, fps, count):
    chosen = picked([n / rate for n in range(count)], fps)
    span = count / rate
    expected = min(count, math.ceil((count - 1) / rate * fps + 1e-9)) if fps < rate else count
    assert abs(len(chosen) - expected) <= 1
    assert all(time < span for time in chosen)
    for k, time in enumerate(chosen):
        if fps <= rate:
            assert k / fps - 1e-6 <= time < k / fps + 1 / rate + 1e-6


@given(gaps, st.floats(0.05, 60.0), st.floats(0.0, 10.0), st.floats(0.1, 20.0))
def test_nothing_outside_the_span(gaps, fps, start, length):
    times = [sum(gaps[:k]) for k in range(len(gaps))]
    for time in picked(times, fps, start, start + length):
        assert start - 1e-6 <= time < start + length


def test_a_gap_is_not_caught_up_with():
    times = [0.0, 0.1, 60.0, 60.1, 60.2, 60.9, 61.0]
    assert picked(times, 1.0) == [0.0, 60.0, 61.0]


def test_rounded_clocks_lose_nothing():
    milliseconds = [round(n / 30, 3) for n in range(90)]
    assert picked(milliseconds, 30.0) != milliseconds
    pacer = Pacer(30.0, slack=0.0005)
    assert [time for time in milliseconds if pacer.wants(time)] == milliseconds


def clip_info(duration: float | None = 100.0, fps: float | None = 30.0) -> ClipInfo:
    return ClipInfo("a.mp4", None, duration, (64, 48), "h264", fps, "pyav")


def test_one_per_second_by_default():
    plan = plan_sampling(clip_info())
    assert (plan.fps, plan.start, plan.end, plan.frames, plan.limit) == (1.0, 0.0, None, 100, None)


def test_max_frames_spreads_over_the_span():
    plan = plan_sampling(clip_info(), fps=2.0, max_frames=50)
    assert plan.fps == pytest.approx(0.5)
    assert plan.frames == 50
    assert "50" in plan.limit
    part = plan_sampling(clip_info(), fps=2.0, max_frames=5, start=10, end=20)
    assert (part.fps, part.frames, part.end) == (pytest.approx(0.5), 5, 20)


@given(st.floats(0.01, 5000), st.floats(0.01, 30), st.integers(1, 500))
def test_the_plan_keeps_its_promise_on_constant_rates(duration, fps, most):
    plan = plan_sampling(clip_info(duration), fps, most)
    assert 1 <= plan.frames <= most
    count = max(1, round(duration * 30))
    if count < 20000:
        chosen = picked([n / 30 for n in range(count)], plan.fps, plan.start, plan.end)
        assert 0 <= plan.frames - len(chosen) <= 1 + (plan.fps > 15)


def test_a_limit_that_does_not_bind_changes_nothing():
    plan = plan_sampling(clip_info(), max_frames=1000)
    assert (plan.fps, plan.frames, plan.limit) == (1.0, 100, None)


def test_a_short_clip_gives_its_first_frame():
    assert plan_sampling(clip_info(0.04)).frames == 1
    assert plan_sampling(clip_info(0.0)).frames == 1
    assert plan_sampling(clip_info(0.4), fps=1, max_frames=8).frames == 1


def test_no_more_frames_than_there_are():
    plan = plan_sampling(clip_info(10.0, fps=2.0), fps=10)
    assert plan.frames == 20
    assert "2 frames per second" in plan.limit


def test_live_sources_stop_at_the_limit():
    plan = plan_sampling(clip_info(None), max_frames=30)
    assert (plan.fps, plan.frames, plan.end) == (1.0, 30, None)
    assert "unknown" in plan.limit
    assert plan_sampling(clip_info(None)).frames is None
    assert plan_sampling(clip_info(None), fps=2, end=10).frames == 20


def test_an_end_beyond_the_video_is_the_videos_end():
    assert plan_sampling(clip_info(), end=500).end is None
    assert plan_sampling(clip_info(), end=99).end == 99


@pytest.mark.parametrize(
    "wrong",
    [
        {"fps": 0},
        {"fps": -1},
        {"fps": math.nan},
        {"fps": math.inf},
        {"fps": 1e300},
        {"max_frames": 0},
        {"start": -1},
        {"start": 100},
        {"start": math.nan},
        {"start": 10, "end": 10},
        {"start": 10, "end": 5},
        {"end": math.nan},
    ],
)
def test_impossible_requests(wrong):
    with pytest.raises(UsageError):
        plan_sampling(clip_info(), **wrong)


def test_the_plan_watches_a_clip():
    class Endless:
        def frames(self, fps, start, end):
            n = 0
            while True:
                yield n
                n += 1

    plan = plan_sampling(clip_info(None), max_frames=5)
    assert list(plan.frames_of(Endless())) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), (" 1.5 ", 1.5), (".5", 0.5), ("1:30", 90), ("01:02:03.5", 3723.5), ("90:00", 5400)],
)
def test_times_as_people_write_them(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1:60", "1:90:00", "a", "1:2:3:4", "1h", "nan", "1:", "s", "1e3"])
def test_what_is_not_a_time(text):
    with pytest.raises(UsageError, match="is not a time"):
        parse_time(text)


@given(st.integers(0, 10**7))
def test_times_are_written_as_they_are_read(tenths):
    assert parse_time(format_time(tenths / 10)) == pytest.approx(tenths / 10)


def test_written_times():
    assert format_time(624) == "00:10:24"
    assert format_time(3723.46) == "01:02:03.5"
    assert format_time(59.99) == "00:01:00"
