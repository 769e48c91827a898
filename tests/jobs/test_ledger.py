"""The output file survives kills, and nothing else is ever touched."""

from __future__ import annotations

import errno
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtc_cli.errors import UsageError
from vtc_cli.jobs.ledger import Ledger, LedgerError


def record(number, **more):
    return {"schema": "vtc.answer/1", "id": str(number), "error": None, "answer": "ä\n☃", **more}


def write(path, *records):
    with Ledger(path) as ledger:
        for item in records:
            ledger.append(item)


def test_records_come_back_as_they_were(tmp_path):
    path = tmp_path / "deep" / "out.jsonl"
    write(path, record(1), record(2))
    write(path, record(3))
    with Ledger(path) as ledger:
        assert ledger.records == [record(1), record(2), record(3)]
        assert ledger.repaired == 0
    assert path.read_bytes().count(b"\n") == 3


def test_a_record_is_in_the_file_before_append_returns(tmp_path):
    path = tmp_path / "out.jsonl"
    with Ledger(path) as ledger:
        ledger.append(record(1))
        assert json.loads(path.read_text()) == record(1)


@given(cut=st.integers(min_value=0))
def test_cut_anywhere_only_whole_records_stay(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("ledger") / "out.jsonl"
    write(path, record(1), record(2, question="q"))
    content = path.read_bytes()
    cut %= len(content) + 1
    path.write_bytes(content[:cut])
    lines = content.splitlines(keepends=True)
    with Ledger(path) as ledger:
        whole = [line for end, line in zip((len(lines[0]), len(content)), lines, strict=True) if cut >= end - 1]
        assert ledger.records == [json.loads(line) for line in whole]
        ledger.append(record(3))
    assert path.read_bytes() == b"".join(whole) + json.dumps(record(3), ensure_ascii=False).encode() + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b"hello",
        b"\x00\x00\x00\x18ftypmp42",
        b'{"other": 1}\n',
        b"[1]\n",
        b'{"schema": 1}\nnot json\n{"a": 1}\n',
    ],
)
def test_a_file_that_is_no_ledger_is_refused_untouched(tmp_path, content):
    path = tmp_path / "precious.mp4"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not a record of vtc"):
        Ledger(path)
    assert path.read_bytes() == content


def test_two_runs_cannot_write_one_file(tmp_path):
    pytest.importorskip("fcntl")
    with Ledger(tmp_path / "out.jsonl"), pytest.raises(UsageError, match="another run"):
        Ledger(tmp_path / "out.jsonl")
    Ledger(tmp_path / "out.jsonl").close()


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match="cannot write"):
        Ledger(tmp_path)


def test_a_short_write_is_finished(tmp_path, monkeypatch):
    real = os.write
    with Ledger(tmp_path / "out.jsonl") as ledger:
        monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:7]))
        ledger.append(record(1))
    monkeypatch.undo()
    with Ledger(tmp_path / "out.jsonl") as ledger:
        assert ledger.records == [record(1)]


def test_a_full_disk_is_told_and_leaves_whole_records(tmp_path, monkeypatch):
    path = tmp_path / "out.jsonl"
    written = os.write

    def full(file, data):
        if len(data) <= 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written(file, data[:-20])  # as a disk does that has room for a part

    with Ledger(path) as ledger:
        ledger.append(record(1))
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(LedgerError, match=r"out\.jsonl: No space left") as caught:
            ledger.append(record(2))
        monkeypatch.undo()
    assert caught.value.exit_code == 4
    assert "goes on where it stopped" in str(caught.value.hint)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [record(1)]


@pytest.mark.parametrize("path", ["", "-", os.devnull])
def test_what_keeps_no_records_is_refused(path):
    with pytest.raises(UsageError, match="not a file records can be kept in"):
        Ledger(path)
