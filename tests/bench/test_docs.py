"""The examples of docs/bench.md run, with the files it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.support.clips import write_clip
from vtc_cli.bench.suites import SUITES

PAGE = Path(__file__).parents[2] / "docs" / "bench.md"


def blocks() -> list[list[str]]:
    found = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [[line.removeprefix("$ ") for line in block.splitlines()] for block in found]


@pytest.mark.parametrize("lines", blocks(), ids=lambda lines: lines[0])
def test_the_examples_run(vtc, place, lines):
    shown = re.findall(r"```jsonl\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (place / "mine.jsonl").write_text(shown[0], encoding="utf-8")
    write_clip(place / "clip.mp4")
    for line in lines:
        result = vtc(*shlex.split(line)[1:])
        assert result.code == 0, result.err
        assert result.out


def test_every_suite_is_in_the_help(vtc):
    words = re.findall(r"\w+", vtc("bench", "--help").out)
    assert [name for name in SUITES if name not in words] == []


def test_every_suite_is_in_the_page():
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in SUITES if f"`{name}`" not in page and f"--suite {name}" not in page] == []
