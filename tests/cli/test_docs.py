"""docs/cli.md says what the commands say, and its examples run.

The help texts in the page are written by `WRITE_DOCS=1 pytest tests/cli/test_docs.py`.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from vtc_cli.cli.main import app
from vtc_cli.jobs.settings import SETTING_FIELDS

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
HELP = re.compile(r"<!-- help: (?P<command>vtc[ a-z]*) -->\n(?:\n```text\n.*?\n```\n)?", re.DOTALL)
WRITE = "WRITE_DOCS"


def with_help(page: str, vtc) -> str:
    def fill(found: re.Match[str]) -> str:
        text = vtc(*found["command"].split()[1:], "--help").out.rstrip()
        return f"<!-- help: {found['command']} -->\n\n```text\n{text}\n```\n"

    return HELP.sub(fill, page)


def examples() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_the_help_in_the_page_is_the_commands_own(vtc, monkeypatch):
    # The layout of typer's help differs between its versions; the page shows the one the project is developed with.
    monkeypatch.setenv("COLUMNS", "100")
    page = PAGE.read_text(encoding="utf-8")
    expected = with_help(page, vtc)
    if os.environ.get(WRITE):
        PAGE.write_text(expected, encoding="utf-8")
    elif tuple(map(int, typer.__version__.split(".")[:2])) < (0, 29):
        pytest.skip("an older typer lays help out differently")
    else:
        assert page == expected, f"run {WRITE}=1 pytest tests/cli/test_docs.py"


def test_every_command_is_in_the_page():
    def commands(name: str, command) -> set[str]:
        """Commands that do something: of a group, those in it."""
        inner = getattr(command, "commands", {})
        return {name} if not inner else {each for key in inner for each in commands(f"{name} {key}", inner[key])}

    shown = {found["command"] for found in HELP.finditer(PAGE.read_text(encoding="utf-8"))}
    assert shown == {"vtc"} | commands("vtc", typer.main.get_command(app))


def test_every_setting_is_a_flag_of_ask(vtc):
    shown = vtc("ask", "--help").out
    assert [name for name in SETTING_FIELDS if f"--{name.replace('_', '-')}" not in shown] == []


@pytest.mark.parametrize("line", examples())
def test_the_examples_run(vtc, place, footage, monkeypatch, line):
    shutil.copy(footage / "clip.mp4", place / "clip.mp4")
    (place / "footage").mkdir()
    shutil.copy(footage / "other.mp4", place / "footage" / "other.mp4")
    page = PAGE.read_text(encoding="utf-8")
    (place / "questions.jsonl").write_text(re.findall(r"```jsonl\n(.*?)```", page, re.DOTALL)[0])
    before, _, last = line.rpartition(" | ")
    if before:
        piped = subprocess.run(before, shell=True, cwd=place, capture_output=True, check=True, timeout=30).stdout
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped)))
    words = shlex.split(last)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        monkeypatch.setenv(name, value)
    assert words.pop(0) == "vtc"
    result = vtc(*words)
    assert result.code == 0, result.err
    assert result.out


def test_a_second_run_of_the_batch_example_has_nothing_to_do(vtc, place, footage):
    (place / "footage").mkdir()
    shutil.copy(footage / "other.mp4", place / "footage" / "other.mp4")
    (place / "questions.jsonl").write_text('{"question": "what?"}')
    words = next(shlex.split(line)[1:] for line in examples() if "--output" in line)
    assert vtc(*words).out
    assert vtc(*words).out == ""
