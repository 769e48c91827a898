"""Memories that were damaged in any place: said in a line, never a traceback, and mended by making them anew."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

SEARCH = ("-m", "mm-mem:tokens=4,captions=none,both_orders=false")


@pytest.fixture
def memory(vtc, home, clip) -> Path:
    (clip.parent / "film.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nthe code is seven\n")
    return Path(vtc("index", clip, *SEARCH).out.strip())


def change(memory: Path, *statements: str) -> None:
    with closing(sqlite3.connect(memory)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


COMMANDS = (
    ("memory", "show", "film.mp4"),
    ("memory", "show", "film.mp4", "event:1"),
    ("memory", "search", "film.mp4", "seven"),
    ("memory", "export", "film.mp4"),
    ("memory", "export", "film.mp4", "--format", "md"),
    ("index", "film.mp4", *SEARCH),
    ("index", "film.mp4", *SEARCH, "--dry-run"),
    ("ask", "film.mp4", "which code?", *SEARCH, "-c", "A=six", "-c", "B=seven"),
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = '{bad'",
        "UPDATE meta SET value = x'd5d5'",
        "UPDATE event SET events_json = '{bad', summary = 'x'",
        "UPDATE frame SET jpeg = x'001122'",
        "UPDATE frame SET emb = x'00'",
        "UPDATE clip SET emb = x'00'",
        "UPDATE passage SET emb = x'0011'",
        "UPDATE subtitle SET text = CAST(x'd5d5' AS TEXT)",
    ],
)
def test_a_damaged_cell_is_told(vtc, memory: Path, statement: str) -> None:
    change(memory, statement)
    for words in COMMANDS:
        result = vtc(*words)
        assert result.code in (0, 2), (words, result.err)
        assert "bug in vtc" not in result.err, words
        if result.code:
            assert "damaged" in result.err, words
            assert "--force" in result.err, words
    assert vtc("index", "film.mp4", *SEARCH, "--force").code == 0
    assert vtc("memory", "export", "film.mp4").code == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_scrambled_file_is_told(vtc, memory: Path, seed: int) -> None:
    data = bytearray(memory.read_bytes())
    rng = random.Random(seed)
    for _ in range(len(data) // 40):
        data[rng.randrange(4096, len(data))] = rng.randrange(256)
    memory.write_bytes(data)
    for words in COMMANDS:
        result = vtc(*words)
        assert result.code in (0, 1, 2), (words, result.err)
        assert "bug in vtc" not in result.err, (words, result.err)


@pytest.mark.parametrize("row", ["event:99999999999999999999999", "event:²", "event:", ":1", "event:-1", "nothing:1"])
def test_rows_that_cannot_be_are_refused(vtc, memory: Path, row: str) -> None:
    result = vtc("memory", "show", memory, row)
    assert (result.code, result.out) == (2, "")


def test_where_nothing_can_be_written_no_model_is_loaded(vtc, clip, place, monkeypatch) -> None:
    from vtc_cli.jobs.recalling import MemoryRunner

    (place / "file").write_text("x")
    monkeypatch.setenv("VTC_HOME", str(place / "file"))
    monkeypatch.setattr(MemoryRunner, "prepare", lambda self: pytest.fail("a model was loaded"))
    result = vtc("index", clip, *SEARCH)
    assert result.code == 4
    assert "VTC_HOME" in result.err
