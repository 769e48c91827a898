"""The file of a memory: opened, checked, written one transaction at a time, and never left half written."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from vtc_cli.errors import MachineError, UsageError, VtcError
from vtc_cli.memory.replacing import in_place_of
from vtc_cli.memory.rows import TABLE_OF, Passage
from vtc_cli.memory.tables import APPLICATION, VERSION, statements
from vtc_cli.memory.unfolded import copied
from vtc_cli.memory.vectors import pack, unpack

Row = TypeVar("Row")
COMPLETE, BUILDING = "complete", "building"
AGAIN = "`vtc index --force` on the video makes it anew"
FIRST = "`vtc index VIDEO` makes one"


class NoMemoryError(UsageError):
    """There is no memory: no file, or one that holds nothing, as a creation that was killed leaves it."""


class DiskFullError(MachineError):
    """There was no room for what should be written. What was committed before is whole."""


class MemoryStore:
    """One video's memory on disk.

    `meta` holds `settings` (what decides the content, JSON), `state` (`building` or `complete`), `progress` (where
    building goes on, JSON), `duration`, `embedder`, and facts of the source.
    Use `create` or `open`; close it, or use it as a context manager.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, copy: TemporaryDirectory[str] | None = None):
        self.path = path
        self._connection = connection
        self._copy = copy
        self._depth = 0

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> MemoryStore:
        """An empty memory at `path`, whose folder exists. What is there already goes when the new one is whole.

        settings: plain values that decide the content. facts: informational, not compared.
        Raises MachineError when it cannot be written. No part of it is left there then, nor when the process is killed.
        """
        with plain_words(path):
            with in_place_of(path) as new:
                connection = _connect(new.absolute().as_uri())
                try:
                    store = cls(path, connection)
                    with store.transaction():
                        for statement in statements():
                            connection.execute(statement)
                        store.set("settings", settings)
                        store.set("state", BUILDING)
                        for name, value in (facts or {}).items():
                            store.set(name, value)
                    # Last: with a log from the beginning, closing could leave the tables there, where no one looks.
                    connection.execute("PRAGMA journal_mode = WAL")
                finally:
                    connection.close()
            return cls(path, _connect(_uri(path, write=True)))

    @classmethod
    def open(cls, path: Path, *, write: bool = False) -> MemoryStore:
        """The memory at `path`.

        Raises NoMemoryError: there is none. UsageError: it is damaged, or of another version. MachineError: it cannot
        be read where it is.
        """
        if not path.is_file():
            raise NoMemoryError(f"there is no memory at {path}", FIRST)
        with plain_words(path), ExitStack() as undo:
            copy = None if write else copied(path)
            if copy is not None:
                undo.callback(copy.cleanup)
            connection = _connect(_uri(path, write) if copy is None else _uri(Path(copy.name, path.name), write=True))
            undo.callback(connection.close)
            connection.execute("PRAGMA query_only = " + ("OFF" if write else "ON"))
            store = cls(path, connection, copy)
            store._check()
            undo.pop_all()
            return store

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written in the block, or none of it. Nested blocks belong to the outermost.

        Raises MachineError when the disk is full, read-only, or another process writes.
        """
        if self._depth:
            yield
            return
        with plain_words(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def get(self, key: str, default: Any = None) -> Any:
        """A value of `meta`, as it was set."""
        found = self.one("SELECT value FROM meta WHERE key = ?", (key,))
        return default if found is None else self.parsed(found[0])

    def parsed(self, text: Any) -> Any:
        """The value of a cell that holds JSON. Raises UsageError when it does not: the memory is damaged."""
        try:
            return json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise _damaged(self.path, error) from error

    def set(self, key: str, value: Any) -> None:
        """Set a plain value of `meta`, in a transaction."""
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
        self.run("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, text))

    @property
    def complete(self) -> bool:
        """Whether the whole video is in it."""
        return bool(self.get("state") == COMPLETE)

    @property
    def reaches(self) -> float | None:
        """Seconds until which the video is in it; None before the first clip is over."""
        last = self.one("SELECT MAX(t1) FROM coverage")
        return None if last is None or last[0] is None else float(last[0])

    def add(self, row: object) -> None:
        """Insert a row of `rows.py`, in a transaction; a passage becomes searchable."""
        names = [field.name for field in fields(row)]  # type: ignore[arg-type]
        values = [_cell(name, getattr(row, name)) for name in names]
        marks = ", ".join("?" * len(names))
        self.run(f"INSERT INTO {TABLE_OF[type(row)]} ({', '.join(names)}) VALUES ({marks})", values)
        if isinstance(row, Passage):
            self.run("INSERT INTO text_fts(rowid, body) VALUES (?, ?)", (row.id, row.body))

    def rows(self, kind: type[Row], where: str = "", values: Sequence[Any] = (), order: str = "rowid") -> list[Row]:
        """Rows of one table. where: SQL after WHERE, with `values`."""
        condition = f" WHERE {where}" if where else ""
        names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        found = self.all(f"SELECT {', '.join(names)} FROM {TABLE_OF[kind]}{condition} ORDER BY {order}", values)
        try:
            return [kind(*(_value(kind, name, cell) for name, cell in zip(names, row, strict=True))) for row in found]
        except (ValueError, TypeError) as error:  # a vector of half a number, a text where bytes should be
            raise _damaged(self.path, error) from error

    def next_id(self, kind: type) -> int:
        """The id after the last: ids count up in the order of the video, so that a resumed build gives the same."""
        found = self.one(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {TABLE_OF[kind]}")
        return int(found[0]) if found else 1

    def run(self, statement: str, values: Sequence[Any] = ()) -> None:
        """One statement. Raises MachineError, UsageError as `transaction`."""
        with plain_words(self.path):
            self._connection.execute(statement, values)

    def all(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Every row of a query."""
        with plain_words(self.path):
            return self._connection.execute(statement, values).fetchall()

    def one(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query."""
        with plain_words(self.path):
            found: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
            return found

    def finish(self) -> None:
        """Mark it complete and fold the log into the one file, which can then be copied or put on read-only media."""
        with self.transaction():
            self.set("state", COMPLETE)
        self.run("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._connection.close()
        if self._copy is not None:
            self._copy.cleanup()

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        found = self.one("PRAGMA application_id"), self.one("PRAGMA user_version")
        application, version = (row[0] if row else 0 for row in found)
        if not application and not version and self.one("SELECT 1 FROM sqlite_master") is None:
            raise NoMemoryError(f"there is no memory at {self.path}, only a file that holds nothing", FIRST)
        if application != APPLICATION:
            raise UsageError(f"{self.path} is not a memory of vtc", "move the file away")
        if version != VERSION:
            raise UsageError(
                f"the memory {self.path} has version {version} of the tables, and this vtc reads version {VERSION}",
                AGAIN,
            )


def differences(kept: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """How two settings differ, a phrase per key: `fps is 1.0 in the memory, 2.0 asked`."""
    absent = "nothing"
    return [
        f"{key} is {_shown(kept.get(key, absent))} in the memory, {_shown(asked.get(key, absent))} asked"
        for key in sorted({*kept, *asked})
        if kept.get(key, absent) != asked.get(key, absent)
    ]


@contextmanager
def plain_words(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into an error that says what, where and what next."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    except UnicodeDecodeError as error:  # SQLite quotes what it found in the file in its own messages
        raise _damaged(path, error) from error


def _explained(path: Path, error: sqlite3.Error) -> VtcError:
    words = str(error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return DiskFullError(f"{path}: the disk is full", "make room and run the same command again: it goes on")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return MachineError(f"{path} cannot be written ({words})", "check its permissions, or set VTC_HOME")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return MachineError(f"{path}: another process is writing to it", "wait for it, and run the command again")
    if code == sqlite3.SQLITE_IOERR:
        return MachineError(f"{path} cannot be read or written ({words})", "check the disk")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "decode to UTF-8" in words:
        return _damaged(path, error)
    if "fts5" in words:
        return MachineError("this Python's SQLite has no full-text search (FTS5)", "`vtc doctor` says what to do")
    return VtcError(f"{path}: {words}", AGAIN)


def _damaged(path: Path, error: Exception) -> UsageError:
    return UsageError(f"the memory {path} is damaged ({error})", AGAIN)


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10.0, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _uri(path: Path, write: bool) -> str:
    """How to open a file: a log can only be made beside it where its folder can be written."""
    plain = path.absolute().as_uri()
    if write:
        return f"{plain}?mode=rw"
    if os.access(path.parent, os.W_OK):
        return f"{plain}?mode=rw"  # a reader of a log that others write needs its shared index; `query_only` binds it
    return f"{plain}?immutable=1"


def _cell(name: str, value: Any) -> Any:
    return pack(value) if name == "emb" else int(value) if isinstance(value, bool) else value


_FLAGS = frozenset({"cut", "low_info"})


def _value(kind: type, name: str, cell: Any) -> Any:
    return unpack(cell) if name == "emb" else bool(cell) if name in _FLAGS else cell


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def dump(store: MemoryStore, tables: Iterable[str]) -> Iterator[str]:
    """Every row of `tables` as a line of JSON, in order of the primary key; vectors and pictures as hex."""
    for table in tables:
        columns = [row[1] for row in store.all(f"PRAGMA table_info({table})")]
        for row in store.all(f"SELECT * FROM {table} ORDER BY 1, 2"):
            cells = [cell.hex() if isinstance(cell, bytes) else cell for cell in row]
            yield json.dumps({"table": table, **dict(zip(columns, cells, strict=True))}, ensure_ascii=False)
