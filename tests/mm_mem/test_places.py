"""Where a memory says that its video is: found again from any folder."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import say  # noqa: F401
from vtc_cli.memory import MemoryStore
from vtc_cli.memory.place import lasting

FAST = "mm-mem:captions=none,last=S0"


@pytest.fixture(autouse=True)
def at_home(home: Path) -> None:
    """No memory outside the test's folder."""


@pytest.mark.parametrize("written", ["film.mp4", "./film.mp4", "../{place}/film.mp4"])
def test_a_film_is_at_hand_from_another_folder(vtc, say, clip, place, monkeypatch, written: str) -> None:  # noqa: F811
    path = vtc("index", written.format(place=place.name), "-m", FAST).out.strip()
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    record = json.loads(say("what?\n", "chat", path, "-m", FAST, "--jsonl").out)
    assert record["notes"] == []
    assert os.path.samefile(record["video"], clip)


def test_a_memory_that_names_a_film_as_it_was_typed_is_read_as_before(vtc, say, clip, place, monkeypatch) -> None:  # noqa: F811
    path = vtc("index", "film.mp4", "-m", FAST).out.strip()
    with sqlite3.connect(path) as file:
        file.execute("UPDATE meta SET value = '\"film.mp4\"' WHERE key = 'source'")
    file.close()
    assert json.loads(say("what?\n", "chat", path, "-m", FAST, "--jsonl").out)["notes"] == []
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    assert "not at hand" in json.loads(say("what?\n", "chat", path, "-m", FAST, "--jsonl").out)["notes"][0]


def test_what_is_not_a_local_file_stays_as_it_is(place, clip) -> None:
    for source in ("-", "camera:0", "https://example.org/a.mp4", "rtsp://camera/1"):
        assert lasting(source) == source
    assert lasting("film.mp4") == lasting(f"file://{clip}") == str(clip)
    (place / "shots").mkdir()
    assert lasting("shots") == str(place / "shots")
    assert lasting("shots?fps=2.5") == f"{place / 'shots'}?fps=2.5"


def test_a_folder_whose_name_is_no_text_is_in_nobodys_way(vtc, clip, place, monkeypatch) -> None:
    folder = place / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("names are text here")
    shutil.move(clip, folder / "film.mp4")
    monkeypatch.chdir(folder)
    path = vtc("index", "film.mp4", "-m", FAST).out.strip()
    with MemoryStore.open(Path(path)) as store:
        assert store.get("source") == "film.mp4"
