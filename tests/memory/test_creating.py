"""A memory is there whole or not at all, wherever making its file was stopped."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from vtc_cli.errors import MachineError, UsageError, VtcError
from vtc_cli.memory import MemoryStore, store
from vtc_cli.memory.leftover import found_at
from vtc_cli.memory.store import NoMemoryError
from vtc_cli.memory.tables import statements

posix = pytest.mark.skipif(sys.platform == "win32", reason="no process is killed with a signal there")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


def names(path: Path) -> list[str]:
    return sorted(item.name for item in path.parent.iterdir())


def is_made(path: Path) -> bool:
    """Whether there is a memory, or anything else that is not for us to write over."""
    try:
        found = found_at(path)
    except VtcError:
        return True
    if found is not None:
        found.close()
    return found is not None


def header(path: Path) -> None:
    """What earlier editions left when they were killed before the tables were there."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert path.stat().st_size == 4096


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for a few pages and no more."""
    connect = store._connect

    def small(uri: str) -> sqlite3.Connection:
        connection = connect(uri)
        connection.execute("PRAGMA max_page_count = 3")
        return connection

    monkeypatch.setattr(store, "_connect", small)


def stop(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "statements", interrupted)


@pytest.mark.parametrize(("spoil", "error"), [(full, MachineError), (stop, KeyboardInterrupt)])
def test_what_fails_leaves_nothing(path: Path, monkeypatch, spoil, error) -> None:
    with monkeypatch.context() as patched:
        spoil(patched)
        with pytest.raises(error):
            MemoryStore.create(path, {})
    assert names(path) == []
    MemoryStore.create(path, {}).close()
    assert names(path) == [path.name]


@pytest.mark.parametrize(("spoil", "error"), [(full, MachineError), (stop, KeyboardInterrupt)])
def test_what_fails_takes_nothing_that_was_there(path: Path, monkeypatch, spoil, error) -> None:
    MemoryStore.create(path, {"fps": 7.0}).close()
    spoil(monkeypatch)
    with pytest.raises(error):
        MemoryStore.create(path, {})
    monkeypatch.undo()
    assert names(path) == [path.name]
    with MemoryStore.open(path) as kept:
        assert kept.get("settings") == {"fps": 7.0}


KILLED = """
import os, signal, sys
from pathlib import Path
from vtc_cli.memory import store
made = store.statements()
class Dying(list):
    def __iter__(self):
        for number, statement in enumerate(made):
            if number == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            yield statement
        os.kill(os.getpid(), signal.SIGKILL)
store.statements = Dying
store.MemoryStore.create(Path(sys.argv[1]), {})
"""


@posix
@pytest.mark.parametrize("after", [0, 7, len(statements())])
def test_what_is_killed_leaves_no_memory(path: Path, after: int) -> None:
    words = [sys.executable, "-c", KILLED, str(path), str(after)]
    alone = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(words, env=alone).returncode == -signal.SIGKILL
    assert not path.exists()
    assert not is_made(path)
    with MemoryStore.create(path, {"fps": 1.0}) as made:
        assert made.get("settings") == {"fps": 1.0}
    assert names(path) == [path.name]


def test_a_log_of_the_old_file_is_not_read_as_one_of_the_new(path: Path) -> None:
    old = MemoryStore.create(path, {})
    with old.transaction():
        old.set("duration", 7.0)
    assert path.with_name("index.sqlite-wal").stat().st_size > 0
    with MemoryStore.create(path, {}) as new:
        assert new.get("duration") is None
    old.close()


@pytest.mark.parametrize("leave", [Path.touch, header])
def test_a_file_that_holds_nothing_is_no_memory(path: Path, leave) -> None:
    leave(path)
    for write in (False, True):
        with pytest.raises(NoMemoryError, match="no memory at"):
            MemoryStore.open(path, write=write)
    assert not is_made(path)
    MemoryStore.create(path, {"fps": 1.0}).close()
    assert is_made(path)
    assert names(path) == [path.name]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: MemoryStore.create(path, {}).close(),
        lambda path: path.write_bytes(b"hello" * 1000),
        lambda path: sqlite3.connect(path).execute("CREATE TABLE mine (x)"),
        lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 7"),
    ],
)
def test_any_other_file_stays(path: Path, spoil) -> None:
    spoil(path)
    before = path.read_bytes()
    assert is_made(path)
    assert path.read_bytes() == before


def test_what_another_process_has_begun_stays(path: Path) -> None:
    """A build of an earlier edition, all of it in the log yet."""
    with sqlite3.connect(path, isolation_level=None) as begun:
        begun.execute("PRAGMA journal_mode = WAL")
        for statement in statements():
            begun.execute(statement)
        assert path.stat().st_size == 4096
        assert is_made(path)
    begun.close()


def test_what_cannot_be_replaced_says_so(path: Path) -> None:
    path.mkdir()
    with pytest.raises(MachineError, match="cannot be replaced"):
        MemoryStore.create(path, {})
    assert names(path) == [path.name]
    with pytest.raises(UsageError, match="no memory"):
        MemoryStore.open(path)
