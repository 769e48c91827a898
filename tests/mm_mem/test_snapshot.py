"""`vtc index --snapshot`: what was in view at the end of a video is kept with its memory, and a glance looks there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.mm_mem.test_commands import content
from vtc_cli.jobs.run import Runner
from vtc_cli.memory.snapshot import FOLDER

WATCH = ("-m", "infinipot-v", "--fps", "4", "--budget", "96")
KEEP = ("-m", "mm-mem:captions=none", *WATCH)
ASK = ("-m", "mm-mem:captions=none,last=S0,both_orders=false", "-c", "A=red", "-c", "B=blue", "--json")


@pytest.fixture(autouse=True)
def at_home(home: Path) -> None:
    """No memory outside the test's folder."""


@pytest.fixture
def folder(vtc, clip) -> Path:
    """Of a memory with a snapshot."""
    result = vtc("index", clip, *KEEP, "--snapshot")
    assert result.code == 0, result.err
    return Path(result.out.strip()).parent


def ask(vtc, clip: Path, *words: object) -> dict:
    result = vtc("ask", clip, "which colour is it?", *ASK, *words)
    assert result.code == 0, result.err
    return json.loads(result.out)


def glanced(record: dict) -> dict:
    return record["recall"]["trace"][0]


def test_a_glance_looks_into_it(vtc, clip, folder: Path) -> None:
    record = ask(vtc, clip)
    step = glanced(record)
    assert step["note"].startswith("from the snapshot of the cache, ")
    assert (step["frames"], step["visual_tokens"], record["recall"]["decoded"]) == ([], 0, 0)
    again = ask(vtc, clip)
    assert glanced(again)["posterior"] == step["posterior"]
    # What is answered is what is answered where the video has just been watched.
    shutil.rmtree(folder)
    watched = glanced(ask(vtc, clip, *WATCH))
    assert watched["note"] == "from the cache of watching"
    assert watched["posterior"]["A"] == pytest.approx(step["posterior"]["A"], abs=1e-3)
    assert glanced(ask(vtc, clip))["note"] == "from key frames"


@pytest.mark.parametrize("by", ["video", "file"])
def test_a_chat_looks_into_it(vtc, clip, folder: Path, monkeypatch, by: str) -> None:
    import io
    import sys

    lines = io.TextIOWrapper(io.BytesIO(b"which colour is it?\n/at 0:01\nwhich colour is it?\n"))
    monkeypatch.setattr(sys, "stdin", lines)
    source = clip if by == "video" else folder / "index.sqlite"
    result = vtc("chat", source, "--jsonl", "--memory", "-m", "mm-mem:captions=none,last=S0,both_orders=false")
    assert result.code == 0, result.err
    whole, then = (glanced(json.loads(line))["note"] for line in result.out.splitlines())
    assert whole.startswith("from the snapshot")
    assert then == "from key frames"


def test_it_is_told_with_its_size(vtc, clip, folder: Path) -> None:
    facts = json.loads(vtc("memory", "show", clip, "--json").out)
    (file,) = (folder / FOLDER).iterdir()
    assert facts["snapshot_bytes"] == file.stat().st_size > 0
    assert 0 < facts["snapshot_tokens"] <= 96 + 64  # the budget, the prefix before the video, and a cut unit
    assert "snapshot_bytes" in vtc("memory", "show", clip).out


def test_it_is_added_to_a_memory_that_is_there_and_made_once(vtc, clip, monkeypatch) -> None:
    path = vtc("index", clip, *KEEP).out.strip()
    before = content(path)
    assert "snapshot_bytes" not in vtc("memory", "show", clip).out
    assert vtc("index", clip, *KEEP, "--snapshot", "--dry-run").out.endswith("complete, but for the snapshot\n")
    assert vtc("index", clip, *KEEP, "--dry-run").out.endswith("complete, nothing to do\n")
    assert vtc("index", clip, *KEEP, "--snapshot").code == 0
    assert [line for line in content(path) if '"kv_snapshot"' not in line] == before
    monkeypatch.setattr(Runner, "_watch", lambda *_: pytest.fail("watched again"))
    assert vtc("index", clip, *KEEP, "--snapshot").code == 0
    assert vtc("index", clip, *KEEP).code == 0
    assert len(list((Path(path).parent / FOLDER).iterdir())) == 1


def test_an_interrupted_build_gives_the_same_one(vtc, clip, folder: Path, monkeypatch) -> None:
    from vtc_mm_mem.builder import Builder

    (whole,) = (folder / FOLDER).iterdir()
    name, take, left = whole.name, Builder.take, [9]
    shutil.rmtree(folder)

    def dying(self, moment):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        take(self, moment)

    monkeypatch.setattr(Builder, "take", dying)
    assert vtc("index", clip, *KEEP, "--snapshot").code == 130
    monkeypatch.setattr(Builder, "take", take)
    assert vtc("index", clip, *KEEP, "--snapshot").code == 0
    assert [path.name for path in (folder / FOLDER).iterdir()] == [name]


def test_what_does_not_go_with_it_says_so(vtc, clip, folder: Path) -> None:
    def noted(*words: object) -> str:
        record = ask(vtc, clip, *words)
        assert glanced(record)["note"] == "from key frames"
        return " ".join(record["notes"])

    assert "watched with another budget (96)" in noted("--budget", "200")
    assert "watched with another method" in noted("-m", "hiprune")
    assert glanced(ask(vtc, clip, "-m", "infinipot-v"))["note"].startswith("from the snapshot")
    (file,) = (folder / FOLDER).iterdir()
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert "damaged" in noted()
    file.unlink()
    assert "is not there" in noted()
    assert vtc("index", clip, *KEEP, "--snapshot").code == 0
    assert glanced(ask(vtc, clip))["note"].startswith("from the snapshot")
    # As of a moment, what was in view at the end would tell what came later.
    assert glanced(ask(vtc, clip, "--at", "1"))["note"] == "from key frames"


def test_it_goes_with_the_memory_it_was_made_with(vtc, clip, folder: Path) -> None:
    assert vtc("index", clip, *KEEP, "--force").code == 0
    assert not (folder / FOLDER).exists()
    assert glanced(ask(vtc, clip))["note"] == "from key frames"


def test_a_disk_without_room_leaves_the_memory_whole(vtc, clip, monkeypatch) -> None:
    import safetensors.torch

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    result = vtc("index", clip, *KEEP, "--snapshot")
    assert result.code == 4
    assert "No space left" in result.err
    facts = json.loads(vtc("memory", "show", clip, "--json").out)
    assert facts["complete"]
    assert facts["snapshot_bytes"] is None


def test_what_cannot_be_kept_is_refused_before_anything_is_watched(vtc, clip, monkeypatch) -> None:
    monkeypatch.setattr(Runner, "_watch", lambda *_: pytest.fail("watched"))
    result = vtc("index", clip, "-m", "fastv", "--snapshot")
    assert result.code == 2
    assert "no snapshot of the cache" in result.err
