"""Freed memory goes back to the system, where the C library can."""

import sys

import psutil
import pytest

from vtc_cli.engine.heap import _trim, give_back


@pytest.mark.skipif(not sys.platform.startswith("linux") or _trim() is None, reason="needs glibc")
def test_pages_in_the_middle_of_the_heap_are_returned():
    """Small blocks are kept by the allocator when freed below one that is still in use; trimming returns them."""
    blocks = [bytearray(64 * 1024) for _ in range(2000)]
    kept = blocks[-1]
    full = psutil.Process().memory_info().rss
    del blocks
    give_back()
    assert full - psutil.Process().memory_info().rss > 50e6
    assert len(kept) == 64 * 1024


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    _trim.cache_clear()
    assert _trim() is None
    give_back()
    monkeypatch.undo()
    _trim.cache_clear()
