"""Killed anywhere and resumed: the memory is the one an uninterrupted build makes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from vtc_mm_mem.builder import Builder
from vtc_mm_mem.events import Closing
from vtc_mm_mem.manager import Manager
from vtc_mm_mem.method import MMMem

from tests.mm_mem.dying import FILM, TOGETHER, run
from tests.mm_mem.fakes import Narration, built, moments, scenes, texture
from vtc_cli import MachineError
from vtc_cli.memory import EventRow, MemoryStore
from vtc_cli.memory.store import dump
from vtc_cli.memory.tables import TABLES


class KilledError(Exception):
    """The process is gone."""


class Dying(Narration):
    """A narrator during whose nth description the process is killed."""

    def __init__(self, after: int):
        super().__init__()
        self.left = after

    def look(self, frames, **options):
        if self.left == 0:
            raise KilledError
        self.left -= 1
        return super().look(frames, **options)


def rows(store: MemoryStore) -> list[str]:
    return list(dump(store, TABLES))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> list[str]:
    with built(tmp_path_factory.mktemp("whole") / "i", FILM) as store:
        return rows(store)


@pytest.mark.parametrize("at", [1, 6, 7, 23, 24, 25, 61, len(FILM) - 1])
def test_killed_between_frames(tmp_path: Path, whole: list[str], at: int) -> None:
    with MemoryStore.create(tmp_path / "i", {}) as store:
        run(store, Narration(), until=at)
    with MemoryStore.open(tmp_path / "i", write=True) as store:
        assert not store.complete
        run(store, Narration())
        assert rows(store) == whole


@pytest.mark.parametrize("after", range(6))
def test_killed_while_describing(tmp_path: Path, whole: list[str], after: int) -> None:
    with MemoryStore.create(tmp_path / "i", {}) as store, pytest.raises(KilledError):
        run(store, Dying(after))
    with MemoryStore.open(tmp_path / "i", write=True) as store:
        run(store, Narration())
        assert rows(store) == whole


POINTS = ("frame:24", "look:0", "look:3", "look:5", "row:0", "row:9", "row:40")
"""Between frames, while describing, and inside transactions: the first one, that of a clip, and that of an event."""


@pytest.fixture(scope="module")
def corpses(tmp_path_factory) -> Path:
    """What builds have left that were killed with `kill -9`."""
    folder = tmp_path_factory.mktemp("killed")
    words = [sys.executable, "-m", "tests.mm_mem.dying", str(folder), *POINTS]
    # One thread, whatever this process has: a child of a process with threads waits for those it has not got.
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(words, env=alone, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="no process is killed with a signal there")
@pytest.mark.parametrize("point", POINTS)
def test_killed_for_good(corpses: Path, whole: list[str], point: str) -> None:
    with MemoryStore.open(corpses / point, write=True) as store:
        assert not store.complete
        assert rows(store) != whole
        if point.startswith("look"):
            found = store.one("SELECT COUNT(*) FROM event WHERE status = 'closing'")
            assert found is not None
            assert 1 <= found[0] <= TOGETHER
        run(store, Narration())
        assert rows(store) == whole


def test_a_disk_that_was_full_and_has_room_again(tmp_path: Path, whole: list[str]) -> None:
    with MemoryStore.create(tmp_path / "i", {}) as store:
        pages = store.one("PRAGMA page_count")
        assert pages is not None
        store.run(f"PRAGMA max_page_count = {pages[0] + 12}")
        with pytest.raises(MachineError, match="disk is full"):
            run(store, Narration())
    with MemoryStore.open(tmp_path / "i", write=True) as store:
        run(store, Narration())
        assert rows(store) == whole


def test_what_is_held_does_not_grow_with_the_video(tmp_path: Path) -> None:
    """The state that building goes on from, of a film and of one six times as long."""
    sizes = []
    for name, repeats in (("short", 1), ("long", 6)):
        film = [*scenes(*[(texture(place), 10) for place in range(12)])] * repeats
        with MemoryStore.create(tmp_path / name, {}) as store:
            builder = Builder(store, Narration(), Manager(), Closing(words=False))
            for moment in moments(film):
                builder.take(moment)
            found = store.one("SELECT LENGTH(value) FROM meta WHERE key = 'progress'")
            assert found is not None
            sizes.append(found[0])
            assert len(builder._cutter._open) <= 10
    assert sizes[1] <= 1.05 * sizes[0]


def test_killed_again_and_again(tmp_path: Path, whole: list[str]) -> None:
    MemoryStore.create(tmp_path / "i", {}).close()
    for at in range(3, len(FILM), 13):
        with MemoryStore.open(tmp_path / "i", write=True) as store:
            run(store, Narration(), until=at)
    with MemoryStore.open(tmp_path / "i", write=True) as store:
        run(store, Narration())
        assert rows(store) == whole


def test_after_the_end_nothing_is_watched_again(tmp_path: Path) -> None:
    with MemoryStore.create(tmp_path / "i", {}) as store, pytest.raises(KilledError):
        run(store, Dying(5))  # the last event's description
    with MemoryStore.open(tmp_path / "i", write=True) as store:
        builder = Builder(store, Narration(), Manager(), Closing(together=TOGETHER))
        assert builder.resume is not None
        assert builder.resume.again == math.inf
        builder.finish(float(len(FILM)))


def test_a_resumed_build_describes_what_was_left_from_the_stored_pictures(tmp_path: Path) -> None:
    first, second, alone = Dying(2), Narration(), Narration()
    with MemoryStore.create(tmp_path / "i", {}) as store, pytest.raises(KilledError):
        run(store, first, together=1)
    with MemoryStore.open(tmp_path / "i", write=True) as store:
        run(store, second, together=1)
    with built(tmp_path / "j", FILM, narration=alone):
        pass
    assert first.asked + second.asked == alone.asked


@pytest.mark.parametrize("together", [1, 2, 8])
def test_how_many_are_described_together_changes_no_row(tmp_path: Path, whole: list[str], together: int) -> None:
    narration = Narration()
    with MemoryStore.create(tmp_path / "i", {}) as store:
        run(store, narration, together=together)
        assert rows(store) == whole
    assert max(narration.batches) == min(together, sum(narration.batches))
    assert all(count == together for count in narration.batches[:-1])


def test_what_was_written_together_is_not_written_again(tmp_path: Path, whole: list[str]) -> None:
    """Stopped while the second event of a group is put down: the first stays, the others get the words they had."""
    first, second = Narration(), Narration(write=lambda prompt, frames: "something else")

    class Full(MemoryStore):
        def run(self, statement: str, values: Any = ()) -> None:
            if statement.startswith("UPDATE event SET summary") and values[-1] == 2:
                raise KilledError
            super().run(statement, values)

    with Full.create(tmp_path / "i", {}) as store, pytest.raises(KilledError):
        run(store, first, together=8)
    with MemoryStore.open(tmp_path / "i", write=True) as store:
        assert [event.status for event in store.rows(EventRow)][:2] == ["described", "closing"]
        run(store, second, together=8)
        assert rows(store) == whole
    assert second.asked == []


@pytest.mark.parametrize(("facts", "status"), [({"live": True}, "described"), ({}, "closing")])
def test_a_stream_is_described_as_it_goes(tmp_path: Path, facts: dict[str, bool], status: str) -> None:
    with MemoryStore.create(tmp_path / "i", {}, facts) as store:
        builder = MMMem().build(store, Narration())
        for moment in moments(FILM[:40]):
            builder.take(moment)
        events = store.rows(EventRow)
        assert len(events) > 2
        assert [event.status for event in events] == [*[status] * (len(events) - 1), "open"]
