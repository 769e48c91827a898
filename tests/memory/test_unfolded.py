"""Memories that were not finished, read where nothing can be written beside them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest

from tests.memory.test_store import fill
from vtc_cli.errors import MachineError, UsageError
from vtc_cli.memory import MemoryStore, unfolded
from vtc_cli.memory.rows import Passage
from vtc_cli.memory.tables import statements


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a memory to be, in a folder that cannot be written once it is there."""
    (tmp_path / "medium").mkdir()
    return tmp_path / "medium" / "index.sqlite"


@pytest.fixture(autouse=True)
def sealed(path: Path, tmp_path: Path, monkeypatch) -> Path:
    """The tests' user may be allowed everything, so it is said and not done. Copies go to this folder."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda name, mode: Path(name) != path.parent and access(name, mode))
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "copies"))
    return tmp_path / "copies"


def die(path: Path, write) -> None:
    """What `kill -9` leaves of a process that wrote; the index of the log does not come along to another medium."""
    alive = path.parent.parent / "alive.sqlite"
    connection = sqlite3.connect(alive) if write is early else MemoryStore.create(alive, {})
    write(connection)
    shutil.copyfile(alive, path)
    shutil.copyfile(f"{alive}-wal", f"{path}-wal")
    assert os.stat(f"{path}-wal").st_size
    connection.close()


def early(connection: sqlite3.Connection) -> None:
    """Nothing but the header is in the file."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in statements():
        connection.execute(statement)


@pytest.mark.parametrize(("write", "passages"), [(early, 0), (fill, 2)])
def test_all_that_was_committed_is_read(path: Path, sealed: Path, write, passages: int) -> None:
    die(path, write)
    before = {item: item.read_bytes() for item in path.parent.iterdir()}
    with MemoryStore.open(path) as store:
        assert len(store.rows(Passage)) == passages
        assert not store.complete
        assert store.path == path
        assert len(list(sealed.iterdir())) == 1
        with pytest.raises(MachineError, match="cannot be written"), store.transaction():
            store.set("state", "complete")
    assert list(sealed.iterdir()) == []
    assert {item: item.read_bytes() for item in path.parent.iterdir()} == before


def test_a_memory_that_is_no_good_leaves_no_copy(path: Path, sealed: Path) -> None:
    die(path, fill)
    path.write_bytes(b"hello" * 1000)
    with pytest.raises(UsageError, match="damaged"):
        MemoryStore.open(path)
    assert list(sealed.iterdir()) == []


def test_a_whole_file_is_read_where_it_is(path: Path, sealed: Path) -> None:
    with MemoryStore.create(path, {}) as store:
        fill(store)
        store.finish()
    with MemoryStore.open(path) as store:
        assert len(store.rows(Passage)) == 2
        assert list(sealed.iterdir()) == []


def test_no_room_for_a_copy_says_what_to_do(path: Path, sealed: Path, monkeypatch) -> None:
    die(path, fill)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(MachineError, match="No space left on device") as raised:
        MemoryStore.open(path)
    assert str(path) in raised.value.message
    assert "TMPDIR" in str(raised.value.hint)
    assert list(sealed.iterdir()) == []


@pytest.mark.parametrize(("times", "works"), [(1, True), (unfolded.TRIES, False)])
def test_a_log_that_is_begun_anew_meanwhile_is_copied_again(
    path: Path, sealed: Path, monkeypatch, times: int, works: bool
) -> None:
    die(path, fill)
    copy, left = shutil.copyfile, [times]

    def folding(source: Path, target: Path) -> None:
        copy(source, target)
        if source == path and left[0]:
            left[0] -= 1
            log = Path(f"{path}-wal")
            head = bytearray(log.read_bytes())
            head[16] ^= 1  # a salt, which is drawn for each log
            log.write_bytes(head)

    monkeypatch.setattr(shutil, "copyfile", folding)
    if works:
        MemoryStore.open(path).close()
    else:
        with pytest.raises(MachineError, match="another process is writing"):
            MemoryStore.open(path)
    assert list(sealed.iterdir()) == []
