"""The terminal report: every figure from the record, whole at any width, plain where colour is not wanted."""

from __future__ import annotations

import io
import re
from copy import deepcopy
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.report.example import facts
from vtc_cli.errors import VideoError
from vtc_cli.report.facts import Asked, Outcome
from vtc_cli.report.record import build_record
from vtc_cli.report.terminal import LABEL, print_report
from vtc_cli.video.frame import Damage

WHOLE = """\
 clip        kitchen.mp4 · 01:00:00 · 1280×720 · h264
             3,600 frames watched · 1 per second · resized to 448×224 · pyav 18.1.0
 model       Qwen/Qwen3-VL-2B-Instruct@89644892 · 2.13B parameters · sdpa
             cuda:0 (the only GPU) · bfloat16 (stored so, and the device computes in it)
 method      pruner uniform (retain 1/4) · cache window (budget 8192, target 0.75)
 tokens      176,400 seen → 43,200 kept (24.5%)
             7,008 cache entries when asked, time tags included
             57,800 entries of each layer evicted by window, in 28 compactions
 time        decode 58.1 s · preprocess 9.00 s · vision 2 min 1 s · method 2.90 s · prefill 31.0 s
             watched in 2 min 52 s
             first token 84 ms after the question · 2 min 52 s from opening the video
             12 tokens, 38.2 tok/s
 compute     vision 491 TFLOP · prefill 288 TFLOP · question 138 GFLOP · answer 55.6 GFLOP
             779 TFLOP in all (analytic) · 7.12 times as much with every token kept
 memory      KV peak 940 MB of 940 MB allowed (as asked) · GPU peak 6.10 GB
             RSS peak 1.20 GB (+96.0 MB since the model was loaded)
             RSS +5.80 MB from 00:30:00 to 00:59:00
 evidence    00:41:12  00:41:20
"""


def shown(record: dict[str, Any], width: int = 100, **options: Any) -> str:
    out = io.StringIO()
    print_report(record, Console(file=out, width=width, highlight=False, **options))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def record(**changes: Any) -> dict[str, Any]:
    return build_record(**facts(**changes))


def test_whole_report() -> None:
    assert shown(record()) == WHOLE


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
def test_no_line_is_too_long_and_nothing_is_lost(width: int) -> None:
    text = shown(record(), width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert re.sub(r"[\s·]+", " ", text) == re.sub(r"[\s·]+", " ", WHOLE)
    assert all(line.startswith(" " * (LABEL + 2)) or line[1] != " " for line in text.splitlines())


def test_a_fact_is_broken_only_where_it_must_be() -> None:
    name = "films/" + "x" * 100 + ".mp4"
    text = shown(record(video=name), 60)
    assert max(cell_len(line) for line in text.splitlines()) <= 60
    assert name in text.replace("\n" + " " * (LABEL + 2), "")


def test_follows_the_record_and_only_the_record() -> None:
    """Changing a figure in the record changes the report."""
    base = record()
    for block, name, value, expected in [
        ("memory", "kv_peak", 111_000_000, "KV peak 111 MB"),
        ("seconds", "first_token", 5.5, "first token 5.50 s"),
        ("tokens", "visual_kept", 88_200, "88,200 kept (50.0%)"),
        ("flops", "vision", 10**15, "vision 1.00 PFLOP"),
        ("model", "dtype_reason", "you said so", "bfloat16 (you said so)"),
        ("model", "name_reason", "largest that fits", "chosen by auto: largest that fits"),
        ("cache", "evicted", 7, "7 entries of each layer evicted"),
    ]:
        changed = deepcopy(base)
        changed[block][name] = value
        assert expected in shown(changed)
        assert expected not in shown(base)


def test_what_was_not_measured_is_not_shown() -> None:
    text = shown(record(work=None, memory=None, seconds=None, cache=None, outcome=Outcome("x"), methods=()))
    labels = {line[1 : LABEL + 1].strip() for line in text.splitlines()} - {""}
    assert labels == {"clip", "model", "method", "tokens"}
    assert "evicted" not in text
    assert "no pruning" in text
    assert "None" not in text


def test_notes_say_partial_cut_and_assumed_times() -> None:
    text = shown(
        record(damage=Damage(1234.5, "invalid data"), outcome=Outcome("x", finish="length", notes=("One more thing.",)))
    )
    said = "partial: damaged at 00:20:34 (invalid data); answered from the 3,600 frames that could be read"
    assert said in " ".join(text.split())
    assert "--max-new-tokens" in text
    assert "One more thing." in text


def test_choices_show_the_posterior_best_first() -> None:
    text = shown(record(asked=Asked("Which?", {"A": "red", "B": "blue"}), outcome=Outcome("B", {"A": 0.25, "B": 0.75})))
    assert "posterior   B blue 75.0% · A red 25.0%" in text


def test_an_error_comes_first_with_its_hint() -> None:
    failed = build_record(
        video="no.mp4", asked=Asked("?"), settings={}, error=VideoError("no.mp4: no such file", "check the path")
    )
    assert shown(failed).startswith(
        " error       no.mp4: no such file\n             check the path\n clip        no.mp4\n"
    )


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_plain_where_colour_is_not_wanted(variables: dict[str, str]) -> None:
    assert "\x1b" not in shown(record(), force_terminal=True, _environ=variables)
    assert "\x1b[36m" in shown(record(), force_terminal=True, _environ={"TERM": "xterm-256color"})


def test_goes_to_stderr_and_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(record())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "kitchen.mp4" in captured.err


def test_names_cannot_talk_to_the_terminal() -> None:
    """Escape sequences and markup in a file name are shown, not obeyed."""
    text = shown(record(video="\x1b[2Jbad\r[red]name[/red].mp4"))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "?[2Jbad?[red]name[/red].mp4" in text


def test_a_terminal_without_unicode_gets_plain_signs() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="cp1252")
    print_report(record(video="猫.mp4"), Console(file=out, width=100, highlight=False))
    out.flush()
    text = raw.getvalue().decode("cp1252")
    assert "176,400 seen -> 43,200 kept" in text
    assert "?.mp4" in text
