"""Runs that a full disk, Ctrl-C or a kill ended, and what the same command does then, as it was said."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.mm_mem.test_commands import content
from tests.support.clips import write_clip
from vtc_cli.memory import MemoryStore, store

FAST = ("-m", "mm-mem:tokens=4,last=S0,both_orders=false")
CHOICES = ("-c", "A=red", "-c", "B=blue")


@pytest.fixture(autouse=True)
def at_home(home: Path) -> None:
    """No memory outside the test's folder."""


def room(monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    """A disk with room for so many pages of a memory."""
    connect = store._connect

    def small(uri: str) -> sqlite3.Connection:
        connection = connect(uri)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(store, "_connect", small)


@pytest.fixture
def empty(tmp_path: Path) -> int:
    """Pages of a memory that nothing was written to."""
    with MemoryStore.create(tmp_path / "empty", {}) as made:
        (pages,) = made.one("PRAGMA page_count") or (0,)
    (tmp_path / "empty").unlink()
    return pages


@pytest.mark.parametrize("words", [("index",), ("ask", "what?", *CHOICES)])
@pytest.mark.parametrize("more", [None, 2])
def test_a_disk_that_was_full_at_the_beginning(vtc, home, clip, monkeypatch, empty, words, more) -> None:
    """Before the tables were there, and just after: the same command goes on, as it was promised."""
    command, *rest = words
    with monkeypatch.context() as patched:
        room(patched, 3 if more is None else empty + more)
        result = vtc(command, clip, *rest, *FAST)
    assert result.code == 4
    assert "the disk is full" in result.err
    assert "it goes on" in result.err
    again = vtc(command, clip, *rest, *FAST)
    assert again.code == 0, again.err
    (path,) = home.glob("*/index.sqlite*")
    gone_on = content(str(path))
    assert vtc("index", clip, *FAST, "--force").code == 0
    assert content(str(path)) == gone_on


@pytest.mark.parametrize("words", [("index",), ("ask", "what?", *CHOICES), ("inspect", "--memory", "-o", "x.html")])
def test_a_file_that_holds_nothing_is_in_nobodys_way(vtc, home, clip, words) -> None:
    command, *rest = words
    path = Path(vtc("index", clip, *FAST).out.strip())
    whole = content(str(path))
    path.unlink()
    with sqlite3.connect(path) as header:
        header.execute("PRAGMA journal_mode = WAL")
    header.close()
    shown = vtc("memory", "show", clip)
    assert shown.code == 2
    assert "there is no memory of" in shown.err
    result = vtc(command, clip, *rest, *FAST)
    assert result.code == 0, result.err
    assert content(str(path)) == whole


def stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_says_that_the_same_command_goes_on(vtc, clip, monkeypatch) -> None:
    from vtc_mm_mem.builder import Builder

    take, kept = Builder.take, "what is remembered so far is kept: "
    monkeypatch.setattr(Builder, "take", stopped)
    result = vtc("index", clip, *FAST)
    assert (result.code, result.out) == (130, "")
    assert result.err.splitlines() == [f"{kept}the same command goes on", "interrupted"]
    quiet = vtc("index", clip, *FAST, "--quiet")
    assert (quiet.code, quiet.err) == (130, "interrupted\n")
    forced = vtc("index", clip, *FAST, "--force")
    assert forced.err.splitlines() == [f"{kept}the same command without --force goes on", "interrupted"]
    monkeypatch.setattr(Builder, "take", take)
    assert vtc("index", clip, *FAST).code == 0


def test_ctrl_c_promises_nothing_of_a_dry_run(vtc, clip, monkeypatch) -> None:
    monkeypatch.setattr("vtc_cli.cli.remembering._planned", stopped)
    result = vtc("index", clip, *FAST, "--dry-run")
    assert (result.code, result.err) == (130, "interrupted\n")


def watched(vtc, place: Path):
    long = write_clip(place / "long.mp4", seconds=40, rate=2)
    return vtc("watch", long, "--speed", "max", "--memory", "-m", "mm-mem:captions=none", "--end", "40")


def test_a_full_disk_promises_no_watch_that_goes_on(vtc, home, place, monkeypatch, empty) -> None:
    with monkeypatch.context() as patched:
        room(patched, empty + 5)
        result = watched(vtc, place)
    assert result.code == 4
    (path,) = home.glob("live-*/index.sqlite")
    with MemoryStore.open(path) as kept:
        assert kept.reaches
    assert "the disk is full" in result.err
    assert "goes on" not in result.err
    assert f"stays in {path}, and a new watch begins a memory of its own" in result.err


def test_a_full_disk_before_anything_was_remembered(vtc, home, place, monkeypatch) -> None:
    with monkeypatch.context() as patched:
        room(patched, 3)
        result = watched(vtc, place)
    assert result.code == 4
    assert "make room and watch again; nothing had been remembered yet" in result.err
    assert not list(home.glob("live-*/index.sqlite*"))
