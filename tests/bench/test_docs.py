"""The examples of docs/bench.md run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "bench.md"


def blocks() -> list[list[str]]:
    found = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [[line.removeprefix("$ ") for line in block.splitlines()] for block in found]


@pytest.mark.parametrize("lines", blocks(), ids=lambda lines: lines[0])
def test_the_examples_run(vtc, lines):
    for line in lines:
        result = vtc(*shlex.split(line)[1:])
        assert result.code == 0, result.err
        assert result.out
