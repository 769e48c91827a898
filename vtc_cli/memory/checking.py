"""What memories need of this machine, tried out: full-text search, a write-ahead log, a folder that can be written."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from vtc_cli.memory.tables import statements

TRAINING = ("peft", "trl")


@dataclass(frozen=True)
class Finding:
    """state: as of a check of `vtc doctor`. fix: what mends it."""

    name: str
    state: Literal["ok", "missing", "warning", "broken"]
    found: str
    fix: str | None = None


def findings() -> Iterator[Finding]:
    """Every check, in order."""
    yield from _database()
    yield _home()
    absent = [name for name in TRAINING if find_spec(name) is None]
    yield (
        Finding("training", "missing", f"{', '.join(absent)} not installed, optional", "pip install 'vtc-cli[train]'")
        if absent
        else Finding("training", "ok", "peft and trl are there, for `vtc train manager`")
    )


def _database() -> Iterator[Finding]:
    version = f"SQLite {sqlite3.sqlite_version}"
    broken = "use a Python whose SQLite has FTS5, as those of python.org, Debian, Homebrew, conda and uv do"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with closing(sqlite3.connect(Path(folder) / "index.sqlite", isolation_level=None)) as connection:
                log = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
                for statement in statements():
                    connection.execute(statement)
                connection.execute("INSERT INTO passage VALUES (1, 'event', 1, 0, 1, NULL, 'a ship appears', NULL)")
                connection.execute("INSERT INTO text_fts(rowid, body) VALUES (1, 'a ship appears')")
                query = "SELECT rowid FROM text_fts WHERE text_fts MATCH 'ships' ORDER BY bm25(text_fts)"
                found = connection.execute(query).fetchall()
        except sqlite3.Error as error:
            yield Finding("search", "broken", f"{version}: {error}", broken)
            return
    if found != [(1,)]:
        yield Finding("search", "broken", f"{version}: full-text search does not find what is there", broken)
        return
    yield Finding("search", "ok", f"{version} with full-text search (FTS5)")
    if log != "wal":
        yield Finding("journal", "warning", f"no write-ahead log here ({log}): a reader waits for the writer", None)


def _home() -> Finding:
    from vtc_cli.memory.place import home

    path = home()
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    note = "" if path.exists() else " (will be made when needed)"
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        return Finding("memories", "warning", f"{path} cannot be written", "set VTC_HOME to a folder that can")
    count = sum(1 for _ in path.glob("*/index.sqlite")) if path.exists() else 0
    return Finding("memories", "ok", f"{path}{note}" + (f", {count} of them" if count else ""))
