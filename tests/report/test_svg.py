"""Recorded pictures show what the terminal showed last, and need nothing outside themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from vtc_cli.report.svg import CELL, picture, screen

SCRIPT = Path(__file__).parents[2] / "docs" / "record_terminal.py"


def plain(transcript: bytes, columns: int = 40) -> list[str]:
    return [line.plain for line in screen(transcript, columns)]


def test_a_progress_bar_appears_as_it_stood_last() -> None:
    assert plain(b"start\r\n10%\r 50%\r\x1b[2K100%\r\nend\r\n") == ["start", "100%", "end"]


def test_cursor_up_overwrites() -> None:
    assert plain(b"one\r\ntwo\r\n\x1b[2A\x1b[2Kuno\r\n\x1b[1B") == ["uno", "two"]


def test_colours_and_weight_survive() -> None:
    (line,) = screen(b"\x1b[1;31mred\x1b[0m \x1b[93mlight\x1b[0m \x1b[38;5;208morange \x1b[33mc3\x1b[0m", 40)
    styles = [str(line.get_style_at_offset(Console(), line.plain.index(word))) for word in line.plain.split()]
    assert styles == ["bold red", "bright_yellow", "#ff8700", "yellow"]


def test_wide_characters_keep_their_place() -> None:
    assert plain("猫.mp4 ok\r\n".encode()) == ["猫.mp4 ok"]


def test_picture_is_a_closed_repeatable_document() -> None:
    first = picture(b"\x1b[36mclip\x1b[0m  a < b & c\r\n", columns=60, title="vtc")
    assert first == picture(b"\x1b[36mclip\x1b[0m  a < b & c\r\n", columns=60, title="vtc")
    root = ElementTree.fromstring(first)
    text = "".join("".join(node.itertext()) for node in root.iter() if node.tag.endswith("text"))
    assert "a < b & c" in text.replace("\xa0", " ")
    assert "url(http" not in first
    assert "@font-face" not in first


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_script_records_real_output_in_a_real_terminal(tmp_path: Path) -> None:
    out = tmp_path / "shot.svg"
    shown = "test -t 1 && test -t 2 && echo on a terminal of $(tput cols 2>/dev/null || echo $COLUMNS)"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "-o", str(out), "--columns", "72", shown], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "on a terminal of 72" in out.read_text().replace("&#160;", " ").replace("\xa0", " ")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_script_saves_nothing_when_a_command_fails(tmp_path: Path) -> None:
    out = tmp_path / "shot.svg"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "-o", str(out), "echo hm; exit 3"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "hm" in done.stderr
    assert not out.exists()


def test_indentation_is_drawn_as_a_place_not_as_blanks() -> None:
    """Some programs that draw SVG drop blanks at the start of a text."""
    drawn = picture(b"    in\r\nout\r\n", columns=20)
    (place,) = re.findall(r'x="([\d.]+)"[^>]*textLength="([\d.]+)"[^>]*>in<', drawn)
    assert place == (f"{4 * CELL:g}", f"{2 * CELL:g}")
