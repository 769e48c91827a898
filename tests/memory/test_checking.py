"""`vtc doctor` on memories: what it says is tried, and what is missing is said with what mends it."""

from __future__ import annotations

import sqlite3

import pytest

from vtc_cli.errors import MachineError
from vtc_cli.jobs.doctor import examine
from vtc_cli.memory import MemoryStore, checking, store
from vtc_cli.memory.checking import findings


def state(name: str) -> str:
    return next(item.state for item in findings() if item.name == name)


def test_what_is_there_is_found(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VTC_HOME", str(tmp_path / "none" / "yet"))
    assert state("search") == "ok"
    assert state("memories") == "ok"
    assert not (tmp_path / "none").exists()
    assert [item.name for item in examine() if item.topic == "memory"][:2] == ["search", "memories"]


def test_a_sqlite_without_full_text_search_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(checking, "statements", lambda: ["CREATE VIRTUAL TABLE t USING fts99(body)"])
    found = next(item for item in findings() if item.name == "search")
    assert (found.state, found.fix is not None) == ("broken", True)
    assert "fts99" in found.found


def test_without_it_no_memory_is_made_and_the_reason_is_said(tmp_path, monkeypatch) -> None:
    def without() -> list[str]:
        raise sqlite3.OperationalError("no such module: fts5")

    monkeypatch.setattr(store, "statements", without)
    with pytest.raises(MachineError, match="no full-text search"):
        MemoryStore.create(tmp_path / "i", {})


def test_a_home_that_is_a_file_is_told(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("VTC_HOME", str(tmp_path / "file" / "home"))
    found = next(item for item in findings() if item.name == "memories")
    assert (found.state, found.fix) == ("warning", "set VTC_HOME to a folder that can")


def test_training_is_an_extra(monkeypatch) -> None:
    monkeypatch.setattr(checking, "find_spec", lambda name: None)
    found = next(item for item in findings() if item.name == "training")
    assert (found.state, found.fix) == ("missing", "pip install 'vtc-cli[train]'")
