"""docs/live.md says what is so: its examples run, and its commands are those there are."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "live.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
LINES = [line.removeprefix("$ ") for block in BLOCKS for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("line", LINES)
def test_the_examples_run(vtc, place, footage, monkeypatch, line):
    monkeypatch.setenv("VTC_HOME", str(place / "home"))
    shutil.copy(footage / "clip.mp4", place / "clip.mp4")
    before, _, last = line.rpartition(" | ")
    typed = subprocess.run(before, shell=True, capture_output=True, check=True, timeout=30).stdout if before else b""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
    words = shlex.split(last)
    assert words.pop(0) == "vtc"
    result = vtc(*words)
    assert result.code == 0, result.err
    assert result.out


def test_the_commands_are_those_there_are(vtc, place, footage, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"/help\n")))
    shown = vtc("chat", footage / "clip.mp4", "--no-memory").err
    there = set(re.findall(r"^(/\w+)", shown, re.MULTILINE))
    assert there == set(re.findall(r"`(/\w+)", PAGE.split("## Watch")[0].split("| command |")[1].split("\n\n")[0]))


def test_the_numbers_are_those_of_the_code():
    from vtc_cli.jobs.live import Pace
    from vtc_cli.video.live import FIRST_WAIT, LONGEST_WAIT, ROOM, SILENCE

    assert f"Up\nto {ROOM} frames wait" in PAGE
    assert f"after {FIRST_WAIT:.0f} second, then 2, 4, up to {LONGEST_WAIT:.0f}" in PAGE
    assert f"reported after {SILENCE:.0f} seconds" in PAGE
    assert (Pace().patience, Pace().keep) == (300.0, 24 * 3600.0)
