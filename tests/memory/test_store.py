"""The file of a memory: transactions that hold, errors that say what to do, one writer at a time."""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.memory import ClipRow, ConceptRow, EventRow, FrameRow, MemoryStore, MentionRow, Passage
from vtc_cli.memory.lock import writing
from vtc_cli.memory.place import fingerprint, path_of
from vtc_cli.memory.store import differences, dump
from vtc_cli.memory.tables import TABLES
from vtc_cli.video.frame import ClipInfo

INFO = ClipInfo("a.mp4", "blake2b:" + "ab" * 32, 10.0, (8, 8), "h264", 25.0, "pyav")
VECTOR = np.array([0.5, -1.0, 2.0], np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


def event(number: int) -> EventRow:
    return EventRow(number, 0.0, 10.0, 10.0, "a red ball", None, False, 0, "described", VECTOR)


def clip(number: int, event_id: int | None) -> ClipRow:
    return ClipRow(number, 0.0, 10.0, True, 9.0, 10, None, "ADD_NEW", "first", 0.8, event_id, 10.0, VECTOR)


def fill(store: MemoryStore) -> None:
    with store.transaction():
        store.add(event(1))
        store.add(clip(1, 1))
        store.add(FrameRow(1, 1, 0.0, 0.0, 8, 8, b"jpeg", VECTOR))
        store.add(ConceptRow(1, "object", "ball", None))
        store.add(MentionRow(1, 1, 1, "ball", 0.0, 10.0, "red", "[1]"))
        store.add(Passage(1, "event", 1, 0.0, 10.0, 10.0, "a red ball", VECTOR))
        store.add(Passage(2, "mention", 1, 0.0, 10.0, 10.0, "ball red", None))


def test_rows_come_back_as_they_went_in(path: Path) -> None:
    with MemoryStore.create(path, {"fps": 1.0}) as store:
        fill(store)
        store.finish()
    with MemoryStore.open(path) as store:
        (found,) = store.rows(ClipRow)
        assert (found.cut, found.t1, found.event_id, found.action) == (True, 10.0, 1, "ADD_NEW")
        np.testing.assert_array_equal(found.emb, VECTOR)
        assert store.get("settings") == {"fps": 1.0}
        assert store.complete
        assert store.one("PRAGMA journal_mode") == ("wal",)
        assert sqlite3.connect(path).execute("SELECT length(emb) FROM clip").fetchone() == (6,)  # fp16


def test_a_transaction_is_whole_or_nothing(path: Path) -> None:
    with MemoryStore.create(path, {}) as store:
        with pytest.raises(MachineError), store.transaction():  # noqa: PT012
            store.add(event(1))
            raise MachineError("killed here")
        assert store.rows(EventRow) == []
        with store.transaction():
            store.add(event(1))
        assert len(store.rows(EventRow)) == 1


def test_what_reads_cannot_write(path: Path) -> None:
    MemoryStore.create(path, {}).close()
    with MemoryStore.open(path) as store, pytest.raises(MachineError, match="cannot be written"), store.transaction():
        store.add(event(1))


def test_a_finished_memory_can_be_read_where_nothing_can_be_written(path: Path, monkeypatch) -> None:
    with MemoryStore.create(path, {}) as store:
        fill(store)
        store.finish()
    assert path.with_name(f"{path.name}-wal").exists() is False
    monkeypatch.setattr("os.access", lambda *_: False)
    with MemoryStore.open(path) as store:
        assert len(store.rows(Passage)) == 2
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_full_disk_says_so_and_leaves_what_was_there(path: Path) -> None:
    with MemoryStore.create(path, {}) as store:
        fill(store)
        pages = store.one("PRAGMA page_count")
        assert pages is not None
        store.run(f"PRAGMA max_page_count = {pages[0]}")
        with pytest.raises(MachineError, match="disk is full") as raised, store.transaction():  # noqa: PT012
            for number in range(2, 200):
                store.add(Passage(number + 1, "event", 1, 0.0, 1.0, 1.0, "word " * 500, None))
        assert "goes on" in str(raised.value.hint)
        assert len(store.rows(Passage)) == 2


def test_a_place_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(MachineError, match="cannot be written") as raised, writing(tmp_path / "file" / "index"):
        pass
    assert "VTC_HOME" in str(raised.value.hint)


def test_a_lock_of_earlier_does_not_make_a_folder_writable(tmp_path: Path, monkeypatch) -> None:
    with writing(tmp_path):
        pass
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(MachineError, match="cannot be written: Permission denied"), writing(tmp_path):
        pass


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.write_bytes(b"hello" * 1000), "damaged"),
        (lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 7"), "version 7"),
        (lambda path: sqlite3.connect(path).execute("PRAGMA application_id = 1"), "not a memory"),
        (lambda path: path.unlink(), "no memory"),
    ],
)
def test_what_is_no_memory_of_this_edition_is_refused(path: Path, spoil, says: str) -> None:
    MemoryStore.create(path, {}).close()
    spoil(path)
    with pytest.raises(UsageError, match=says):
        MemoryStore.open(path)


def test_differences_are_named() -> None:
    kept, asked = {"fps": 1.0, "model": "tiny"}, {"fps": 2.0, "model": "tiny", "pixels": 9}
    assert differences(kept, asked) == [
        "fps is 1.0 in the memory, 2.0 asked",
        "pixels is nothing in the memory, 9 asked",
    ]


def test_an_event_takes_its_mentions_and_passages_along(path: Path) -> None:
    with MemoryStore.create(path, {}) as store:
        fill(store)
        with store.transaction():
            store.run("DELETE FROM event WHERE id = 1")
        assert store.rows(MentionRow) == store.rows(Passage) == store.rows(ConceptRow) == []
        assert store.all("SELECT rowid FROM text_fts WHERE text_fts MATCH 'ball'") == []


def test_a_dump_shows_every_row(path: Path) -> None:
    with MemoryStore.create(path, {}) as store:
        fill(store)
        lines = list(dump(store, TABLES))
    assert len([line for line in lines if '"table": "passage"' in line]) == 2
    assert len(lines) == 4 + 7 - 2  # meta: settings, state; one of each row above, two passages counted once


def test_a_memory_is_found_by_content(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VTC_HOME", str(tmp_path))
    assert path_of(INFO) == tmp_path / fingerprint(INFO) / "index.sqlite"
    renamed = ClipInfo("b.mp4", INFO.digest, 10.0, (8, 8), "h264", 25.0, "pyav")
    assert fingerprint(renamed) == fingerprint(INFO)
    with pytest.raises(UsageError, match="recognised"):
        path_of(ClipInfo("-", None, None, (8, 8), "h264", None, "pyav"))


def _hold(folder: Path, ready, release) -> None:
    with writing(folder):
        ready.set()
        release.wait(20)


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, ready, release))
    holder.start()
    assert ready.wait(20)
    told = []
    with writing(tmp_path, lambda: (told.append(time.monotonic()), release.set())) as waited:
        assert waited
    holder.join(20)
    assert len(told) == 1
    with writing(tmp_path) as waited:
        assert not waited
