"""Memories in a folder that cannot be written: read as they are, left as they are, and nothing promised."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.mm_mem.test_commands import content
from tests.support.clips import write_clip

FAST = ("-m", "mm-mem:tokens=4")


@pytest.fixture(autouse=True)
def at_home(home: Path) -> None:
    """No memory outside the test's folder."""


@pytest.fixture
def seal(monkeypatch):
    """Makes a folder one that cannot be written; the tests' user may be allowed everything, so it is said as well."""
    sealed: list[Path] = []

    def sealing(folder: Path) -> None:
        access, opened = os.access, os.open

        def opening(name, flags, *rest, **options):
            if Path(name).parent == folder and flags & os.O_RDWR:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return opened(name, flags, *rest, **options)

        folder.chmod(0o555)
        sealed.append(folder)
        monkeypatch.setattr(os, "access", lambda name, mode: Path(name) != folder and access(name, mode))
        monkeypatch.setattr(os, "open", opening)

    yield sealing
    for folder in sealed:
        folder.chmod(0o755)


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {item.name: (item.stat().st_mtime_ns, item.read_bytes()) for item in folder.iterdir() if item.is_file()}


def test_nothing_to_do_is_no_fault(vtc, clip, seal) -> None:
    made = vtc("index", clip, *FAST)
    folder = Path(made.out.strip()).parent
    seal(folder)
    before = state(folder)
    assert vtc("index", clip, *FAST, "--dry-run").out.endswith("complete, nothing to do\n")
    again = vtc("index", clip, *FAST)
    assert (again.code, again.out, again.err) == (0, made.out, "")
    assert json.loads(vtc("index", clip, *FAST, "--json").out)["built"] is False
    assert state(folder) == before


def test_other_settings_are_named_there_as_well(vtc, clip, seal) -> None:
    folder = Path(vtc("index", clip, *FAST).out.strip()).parent
    seal(folder)
    before = state(folder)
    for words, said in ((("--fps", "2"), "fps is 1.0 in the memory, 2.0 asked"), (("--model", "tiny"), "model is ")):
        result = vtc("index", clip, *FAST, *words)
        assert (result.code, result.out) == (2, "")
        assert said in result.err
        assert "VTC_HOME" in result.err
    assert state(folder) == before


@pytest.mark.parametrize("words", [("--force",), ("--snapshot",)])
def test_what_would_write_says_that_it_cannot(vtc, clip, seal, words) -> None:
    folder = Path(vtc("index", clip, *FAST).out.strip()).parent
    seal(folder)
    before = state(folder)
    result = vtc("index", clip, *FAST, *words)
    assert (result.code, result.out) == (4, "")
    assert f"the memory's folder {folder} cannot be written" in result.err
    assert state(folder) == before


def test_a_snapshot_that_is_there_is_enough(vtc, clip, seal) -> None:
    made = vtc("index", clip, *FAST, "--snapshot")
    seal(Path(made.out.strip()).parent)
    again = vtc("index", clip, *FAST, "--snapshot")
    assert (again.code, again.out) == (0, made.out), again.err


def test_one_that_was_killed_is_shown_with_all_it_has(vtc, place, home, seal, monkeypatch) -> None:
    """Its last rows are in the log beside it."""
    from vtc_mm_mem.builder import Builder

    clip = write_clip(place / "long.mp4", seconds=25, rate=2)
    left, take, seen = [22], Builder.take, place / "seen"

    def dying(self, moment):
        if left[0] == 0:
            (folder,) = home.iterdir()
            shutil.copytree(folder, seen)  # as it is for everyone else, had the process been killed now
            raise KeyboardInterrupt
        left[0] -= 1
        take(self, moment)

    monkeypatch.setattr(Builder, "take", dying)
    assert vtc("index", clip, *FAST).code == 130
    monkeypatch.setattr(Builder, "take", take)
    (folder,) = home.iterdir()
    whole = content(str(folder / "index.sqlite"))
    shutil.rmtree(folder)
    (seen / "index.sqlite-shm").unlink()
    shutil.move(seen, folder)
    assert (folder / "index.sqlite-wal").stat().st_size
    seal(folder)
    before = state(folder)
    assert content(str(folder / "index.sqlite")) == whole
    shown = json.loads(vtc("memory", "show", clip, "--json").out)
    assert shown["path"] == str(folder / "index.sqlite")
    assert (shown["complete"], shown["clips"]) == (False, 10)
    assert "gone on with from 00:00:" in vtc("index", clip, *FAST, "--dry-run").out
    refused = vtc("index", clip, *FAST)
    assert refused.code == 4
    assert "cannot be written" in refused.err
    assert state(folder) == before
