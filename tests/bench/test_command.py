"""`vtc bench` from the command line: what it prints, refuses, and leaves in a file."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import time

import pytest
from rich.console import Console

from vtc_cli.bench.sheet import as_csv
from vtc_cli.bench.table import print_summary

SMALL = ("--skills", "colour,exists", "--length", "4s", "--limit", 1, "--max-new-tokens", 3)


@pytest.fixture(scope="module")
def summary(tmp_path_factory, checkpoint):
    """A comparison with a failure, a row by question and moments that have left the cache."""
    from vtc_cli.bench.rows import rows_of
    from vtc_cli.bench.runner import Bench, Plan
    from vtc_cli.bench.suites.tiny import TinySuite, Wanted
    from vtc_cli.bench.summary import summarise
    from vtc_cli.errors import UsageError
    from vtc_cli.jobs.settings import Settings

    specs = ["window:target=1+uniform:retain=1/2", "snapkv:budget=60", "uniform:retain=1/3"]
    rows = rows_of(specs, "1/6", blind=True)
    shared = Settings(model=str(checkpoint), device="cpu", max_new_tokens=3, pixels=32 * 32)
    bench = Bench(Plan(TinySuite(Wanted(("recall", "exists"), 60.0)), rows, shared, 2))
    lines = list(bench.run())
    assert bench.failures == {}
    return summarise(bench.facts, rows, lines, {"uniform:retain=1/3": UsageError("it broke", "mend it")})


def test_json_in_a_pipe_and_when_asked_for(vtc):
    plain = vtc("bench", "-m", "uniform", *SMALL)
    assert (plain.code, plain.err) == (0, "")
    found = json.loads(plain.out)
    assert found["schema"] == "vtc.bench.summary/1"
    assert [row["name"] for row in found["rows"]] == ["none", "uniform"]
    assert found["questions"] == 2
    assert json.loads(vtc("bench", *SMALL, "--json").out)["rows"][0]["scores"]["all"]["n"] == 2


def test_csv_says_what_json_says(summary):
    rows = list(csv.DictReader(io.StringIO(as_csv(summary))))
    assert len(rows) == len(summary["rows"]) * 3
    for line in rows:
        row = next(row for row in summary["rows"] if row["name"] == line["method"])
        score = row["scores"][line["skill"]]
        for name in ("n", "right", "accuracy", "low", "high", "difference", "won", "p"):
            assert line[name] == ("" if score[name] is None else str(score[name]))
        if line["skill"] == "all":
            assert float(line["flops_watch"]) == row["costs"]["flops"]["watch"]
            assert float(line["kv_bytes_peak"]) == row["costs"]["kv_bytes_peak"]
        else:
            assert line["flops_watch"] == ""
        for part in ("kept", "gone"):
            found = (row["evidence"].get(line["skill"]) or {}).get(part)
            assert line[f"{part}_n"] == ("" if found is None else str(found["n"]))
    assert rows[-1]["error"] == "it broke"


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_screen(summary, width):
    out = io.StringIO()
    print_summary(summary, Console(file=out, width=width, highlight=False))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for row in summary["rows"]:
        assert row["name"] in text
        assert f"{row['scores']['all']['accuracy']:.1%}" in text
    assert "uniform:retain=1/3 (failed)" in text
    assert "it broke" in text
    assert "it did not (gone)" in " ".join(text.split())
    assert "snapkv:budget=60 *" in text
    assert "…" not in text
    assert ("RSS" in text) == (width == 140)


@pytest.mark.parametrize(
    ("longest", "width", "named"),
    [
        (4, 80, True),
        (5, 80, False),
        (24, 100, True),
        (25, 100, False),
        (10, 120, True),
        (30, 140, True),
        (31, 140, False),
    ],
)
def test_names_stand_in_the_table_where_they_fit(summary, longest, width, named):
    rows = [{**row, "name": "n" * longest, "error": None, "costs": {**row["costs"], "by_question": False}}
            for row in summary["rows"][:2]]  # fmt: skip
    out = io.StringIO()
    print_summary({**summary, "rows": rows}, Console(file=out, width=width, highlight=False))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out.getvalue()
    head = next(line for line in lines if "vs none" in line and "KV peak" in line)
    assert ("method" in head) == named


@pytest.mark.parametrize(
    ("variables", "coloured", "styled"),
    [({"TERM": "xterm-256color"}, False, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False, True),
     ({"TERM": "dumb"}, False, False)],
)  # fmt: skip
def test_the_table_needs_no_colour_and_obeys_no_color(summary, variables, coloured, styled):
    """It is told apart by weight alone, so nothing is lost where colour is not wanted, or not there."""
    shown = {}
    for name, options in (("plain", {}), ("terminal", {"force_terminal": True, "_environ": variables})):
        out = io.StringIO()
        print_summary(summary, Console(file=out, width=100, highlight=False, **options))
        shown[name] = out.getvalue()
    assert "\x1b" not in shown["plain"]
    colours = [f"\x1b[{code}" for code in (*range(30, 39), *range(90, 98))]
    assert any(colour in shown["terminal"] for colour in colours) == coloured
    assert ("\x1b" in shown["terminal"]) == styled
    words = re.sub(r"\x1b\[[\d;]*m", "", shown["terminal"]).split()  # a dumb terminal has 80 columns, whatever it says
    assert [word for word in words if word.strip("─")] == [word for word in shown["plain"].split() if word.strip("─")]


@pytest.mark.parametrize("width", [80, 140])
def test_the_command_fits_the_terminal_it_runs_in(vtc, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("vtc_cli.cli.benching.is_terminal", lambda stream: True)
    result = vtc("bench", "-m", "uniform:retain=1/2", *SMALL, "--quiet", "--no-progress")
    assert result.code == 0, result.err
    assert max(map(len, result.out.splitlines())) <= width
    assert ("entries" in result.out) == (width == 140)


def test_a_killed_run_is_resumed_and_ends_the_same(vtc, command, place):
    words = ["bench", "-m", "uniform", *SMALL[:4], "--limit", 8, "--max-new-tokens", 3]
    path = place / "runs.jsonl"
    running = subprocess.Popen(command([*words, "-o", path]), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while (not path.exists() or path.read_bytes().count(b"\n") < 3) and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert path.read_bytes().count(b"\n") >= 3
    refused = vtc(*words, "-o", path)
    assert (refused.code, refused.out) == (2, "")
    assert "--resume" in refused.err
    other = vtc(*words, "-o", path, "--resume", "--seed", 9)
    assert other.code == 2
    assert "seed = 0, and now it is 9" in other.err
    resumed = vtc(*words, "-o", path, "--resume")
    assert resumed.code == 0, resumed.err
    assert len(path.read_text().splitlines()) == 1 + 2 * 16
    again, fresh = (json.loads(found.out) for found in (vtc(*words, "-o", path, "--resume"), vtc(*words)))
    from vtc_cli.bench.summary import comparable

    assert comparable(json.loads(resumed.out)) == comparable(again) == comparable(fresh)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--skills", "color"], "did you mean `colour`?"),
        (["--skills", "recall"], "--length 10m"),
        (["--limit", 0], "at least 1 question"),
        (["--length", "1"], "from 2 seconds"),
        (["--length", "soon"], "expected a length"),
        (["-m", "hipprune"], "did you mean `hiprune`?"),
        (["-m", "hiprune:layer=99"], "layer=99"),
        (["-m", "uniform:retain=0"], "above 0"),
        (["--suite", "tny"], "did you mean `tiny`?"),
        (["--budgets", "2"], "at most 1"),
        (["--budget", "512MB"], "changes no row"),
        (["--via", "film"], "frames or mp4"),
        (["--resume"], "--output runs.jsonl"),
        (["--json", "--csv"], "exclude each other"),
        (["--model", "nowhere/nothing"], "nowhere/nothing"),
    ],
)
def test_bad_input_is_one_clear_error(vtc, words, said):
    refused = vtc("bench", *SMALL, *words)
    assert refused.code in (2, 4)
    assert refused.out == ""
    assert said in refused.err
    assert len(refused.err.splitlines()) <= 2


def test_a_budget_too_small_for_one_unit_fails_its_row_only(vtc):
    small = vtc("bench", "-m", "window", "-m", "uniform", "--budgets", "1/100", *SMALL)
    assert small.code == 3
    assert "window at 1/100" in small.err
    rows = {row["name"]: row for row in json.loads(small.out)["rows"]}
    assert rows["window at 1/100"]["error"]["kind"] == "UsageError"
    assert rows["uniform:retain=1/100"]["scores"]["all"]["n"] == 2
    alone = vtc("bench", "-m", "window", "--budgets", "1/100", *SMALL)
    assert alone.code == 2


def test_progress_is_on_stderr_and_says_how_long_it_will_take(vtc):
    shown = vtc("bench", *SMALL, "--progress")
    assert "0/2" in shown.err
    assert "<" in shown.err  # elapsed<left
    assert json.loads(shown.out)["questions"] == 2


@pytest.mark.parametrize("words", [(), ("-o", "runs.jsonl")])
def test_an_interrupted_run_says_what_becomes_of_its_answers(vtc, place, monkeypatch, words):
    from vtc_cli.bench.runner import BenchEvents

    monkeypatch.setattr("vtc_cli.cli.benching.BenchScreen.answered", _interrupt)
    stopped = vtc("bench", *SMALL, *words)
    assert (stopped.code, stopped.out) == (130, "")
    monkeypatch.setattr("vtc_cli.cli.benching.BenchScreen.answered", BenchEvents.answered)
    if not words:
        assert "lost: --output FILE keeps them" in stopped.err
        return
    assert "in runs.jsonl: the same command with --resume goes on" in stopped.err
    assert len((place / "runs.jsonl").read_text().splitlines()) == 2  # the head and the one answer
    again = vtc("bench", *SMALL, *words, "--resume", "--json")
    assert json.loads(again.out)["questions"] == 2


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
