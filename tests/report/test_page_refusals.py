"""`vtc report`: files and places that are refused, and what is said of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.report.reading_html import Page
from tests.report.results import answer, write
from tests.support.terminal import posix
from vtc_cli.errors import MachineError, UsageError
from vtc_cli.jobs.report import make_report

BAD = {
    "empty": (b"", "holds no results"),
    "blank": (b"\n\n", "holds no results"),
    "words": (b"hello\n", "line 1: not a line of JSON"),
    "other": (b'{"a": 1}\n', "not a result of vtc"),
    "list": (b"[1, 2]\n", "not a result of vtc"),
    "newer": (b'{"schema": "vtc.answer/2"}\n', "written as vtc.answer/2, and this vtc reads vtc.answer/1"),
    "summary": (b'{"schema": "vtc.bench.summary/1"}\n', "a summary of vtc bench"),
    "bare": (b'{"schema": "vtc.answer/1"}\n', "has no `id`"),
    "headless": (b'{"schema": "vtc.bench/1"}\n', "without the first line of its file"),
    "binary": (bytes(range(256)), "not a line of JSON"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_file_of_results_is_refused(tmp_path, kind):
    content, told = BAD[kind]
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(told)):
        make_report([path], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_mixed_editions_name_the_line(tmp_path):
    path = write(tmp_path / "mixed.jsonl", [answer(), {"schema": "vtc.answer/9"}])
    with pytest.raises(UsageError, match=r"mixed.jsonl, line 2: written as vtc.answer/9"):
        make_report([path], tmp_path / "report.html")


def test_a_line_cut_short_is_left_out_and_said(tmp_path, answered_file):
    whole = answered_file.read_bytes()
    answered_file.write_bytes(whole[:-200])
    made = make_report([answered_file], tmp_path / "report.html")
    assert made.answers == 2
    assert "was cut short" in made.notes[0]
    assert made.notes[0] in Page(made.path.read_text(encoding="utf-8")).text
    answered_file.write_bytes(whole.replace(b'"schema"', b'"sch', 1))
    with pytest.raises(UsageError, match="line 1"):
        make_report([answered_file], tmp_path / "report.html")


def test_places_that_cannot_be_written_are_refused_before_reading(tmp_path, answered_file):
    before = answered_file.read_bytes()
    for output, told in (
        (tmp_path / "none" / "report.html", "is not there"),
        (tmp_path, "is a folder"),
        (answered_file, "one of the files to report on"),
    ):
        with pytest.raises(UsageError, match=told):
            make_report([answered_file], output)
    assert answered_file.read_bytes() == before
    for files in ([], [tmp_path / "no.jsonl"], [answered_file, answered_file], [tmp_path]):
        with pytest.raises(UsageError):
            make_report(files, tmp_path / "report.html")


@posix
def test_a_page_takes_the_place_of_nothing_but_a_file(tmp_path, answered_file):
    os.mkfifo(tmp_path / "pipe")
    for output, told in (
        (tmp_path / "pipe", "a device or a pipe"),
        (Path("/dev/null"), "a device"),
        (Path("-"), "`-`"),
    ):
        with pytest.raises(UsageError, match=told):
            make_report([answered_file], output)
    assert (tmp_path / "pipe").is_fifo()
    assert not Path("/dev/null").is_file()


@posix
def test_a_link_to_a_page_stays_a_link(tmp_path, answered_file):
    (tmp_path / "elsewhere").mkdir()
    page, link = tmp_path / "elsewhere" / "page.html", tmp_path / "report.html"
    page.write_text("before", encoding="utf-8")
    link.symlink_to(page)
    make_report([answered_file], link, thumbnails=0)
    assert link.is_symlink()
    assert page.read_text(encoding="utf-8").startswith("<!")
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


def test_without_the_libraries_the_extra_is_named(tmp_path, answered_file, monkeypatch):
    for library in ("matplotlib", "jinja2"):
        with monkeypatch.context() as patch:
            patch.setitem(__import__("sys").modules, library, None)
            with pytest.raises(MachineError, match=library) as caught:
                make_report([answered_file], tmp_path / "report.html")
            assert caught.value.hint == "pip install 'vtc-cli[report]'"
