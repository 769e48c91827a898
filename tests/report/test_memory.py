"""Readings are real, bounded in number, and absent where nothing was measured."""

from __future__ import annotations

import sys
from itertools import pairwise
from mmap import mmap

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vtc_cli.report.memory import MemoryWatch, lifetime_peak, resident


def touched(size: int) -> mmap:
    """Memory of its own pages: what the allocator hands out may have been resident before."""
    pages = mmap(-1, size)
    while pages.tell() < size:
        pages.write(b"x" * min(1 << 20, size - pages.tell()))
    return pages


def test_peak_sees_memory_that_was_held_at_a_reading() -> None:
    watch = MemoryWatch()
    held = touched(64 << 20)
    watch.sample(0.0, kv=10)
    held.close()
    watch.sample(1.0, kv=20)
    use = watch.use()
    assert use.rss_after_load is not None
    assert use.rss_peak is not None
    assert use.rss_peak - use.rss_after_load > 48 << 20
    assert [sample.kv for sample in use.timeline] == [10, 20]


@pytest.mark.skipif(sys.platform == "win32", reason="the system keeps no lifetime peak")
def test_new_lifetime_peak_between_readings_is_not_missed() -> None:
    watch = MemoryWatch()
    peak, now = lifetime_peak(), resident()
    assert peak is not None
    assert now is not None
    held = touched(peak - now + (96 << 20))
    held.close()
    use = watch.use()
    assert use.rss_peak is not None
    assert use.rss_peak > peak
    assert use.rss_lifetime_peak == use.rss_peak


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the system's count cannot be begun anew")
def test_a_peak_between_readings_is_not_missed_after_a_larger_video() -> None:
    watch = MemoryWatch()
    del (larger := [touched(256 << 20)])[:]
    before = watch.use()
    watch.begin()
    held = touched(96 << 20)
    held.close()
    use, start = watch.use(), resident()
    assert use.rss_peak is not None
    assert start is not None
    assert before.rss_peak is not None
    assert start + (64 << 20) < use.rss_peak < before.rss_peak - (64 << 20)
    assert use.rss_lifetime_peak is not None
    assert use.rss_lifetime_peak >= before.rss_peak
    assert larger == []


def test_begin_forgets_peaks_but_keeps_the_baseline() -> None:
    watch = MemoryWatch()
    held = touched(128 << 20)
    watch.sample(0.0)
    high = watch.use()
    held.close()
    watch.begin()
    low = watch.use()
    assert low.rss_after_load == high.rss_after_load
    assert low.timeline == ()
    assert low.rss_peak is not None
    assert high.rss_peak is not None
    assert high.rss_peak - low.rss_peak > 96 << 20


@given(st.integers(0, 700), st.integers(2, 20))
def test_timeline_is_bounded_even_and_ends_with_the_last_reading(readings: int, samples: int) -> None:
    watch = MemoryWatch(samples=samples)
    for index in range(readings):
        watch.sample(float(index), kv=index)
    times = [sample.time for sample in watch.use().timeline]
    assert len(times) <= samples
    if readings:
        assert times[0] == 0.0
        assert times[-1] == readings - 1
        steps = {later - earlier for earlier, later in pairwise(times[:-1])}
        assert len(steps) <= 1


def test_what_the_machine_lacks_is_none() -> None:
    use = MemoryWatch("cpu").use()
    assert use.gpu_peak is None
    assert use.gpu_reserved_peak is None
    assert use.gpu_after_load is None
    assert use.mps_peak is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_peak_is_since_begin() -> None:
    held = torch.zeros(1 << 20, device="cuda:0")
    watch = MemoryWatch("cuda:0")
    more = torch.zeros(64 << 20, dtype=torch.uint8, device="cuda:0")
    del more
    use = watch.use()
    assert use.gpu_after_load is not None
    assert use.gpu_peak is not None
    assert use.gpu_reserved_peak is not None
    assert use.gpu_after_load >= held.nbytes
    assert use.gpu_reserved_peak >= use.gpu_peak >= use.gpu_after_load + (64 << 20)
    watch.begin()
    after = watch.use().gpu_peak
    assert after is not None
    assert after < use.gpu_peak


def test_a_timeline_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="two samples"):
        MemoryWatch(samples=1)
