"""`vtc ask`: what goes where, and how it ends."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest

from tests.support.clips import write_clip
from vtc_cli.report.record import comparable
from vtc_cli.report.validation import problems


def test_only_the_answer_goes_to_stdout(vtc, footage):
    result = vtc("ask", footage / "clip.mp4", "what colour?", "--report", "-c", "A=red", "-c", "B=blue")
    assert result.code == 0
    assert result.out in {"A\n", "B\n"}
    assert "tokens" in result.err
    assert "\x1b" not in result.err


def test_off_a_terminal_nothing_but_answers_is_printed(vtc, footage):
    result = vtc("ask", footage / "clip.mp4", "what colour?")
    assert (result.code, result.err) == (0, "")


def test_several_videos_are_told_apart(vtc, footage):
    clip, other = footage / "clip.mp4", footage / "other.mp4"
    result = vtc("ask", other, clip, "what?", "-q")
    assert result.code == 0
    assert [line.split("\t")[0] for line in result.out.splitlines()] == [str(other), str(clip)]
    assert result.err == ""


def test_json_is_one_valid_record(vtc, footage):
    result = vtc("ask", footage / "clip.mp4", "what?", "--json", "--fps", "2", "-m", "uniform:retain=1/2")
    record = json.loads(result.out)
    assert problems(record) == []
    assert record["question"] == "what?"
    assert record["tokens"]["frames"] == 8
    assert record["tokens"]["visual_kept"] * 2 == record["tokens"]["visual_in"]
    assert record["seconds"]["first_token_cold"] > record["seconds"]["first_token"] > 0
    assert record["settings"]["method"] == ["uniform:retain=1/2"]


def test_many_answers_are_an_array_or_lines(vtc, footage, place):
    (place / "q.jsonl").write_text(
        '{"question": "what?", "id": "one"}\n{"question": "which?", "choices": ["a", "b"]}\n'
    )
    array = json.loads(vtc("ask", footage / "clip.mp4", "--questions", "q.jsonl", "--json").out)
    lines = [json.loads(line) for line in vtc("ask", footage / "clip.mp4", "@q.jsonl", "--jsonl").out.splitlines()]
    assert [comparable(record) for record in array] == [comparable(record) for record in lines]
    first, second = lines
    assert (first["question_id"], first["reused"], first["choices"]) == ("one", False, None)
    assert (second["reused"], second["answer"] in second["posterior"]) == (True, True)
    assert second["seconds"]["first_token_cold"] is None


def test_the_same_input_gives_the_same_record(vtc, footage):
    words = ("ask", footage / "clip.mp4", "what?", "--json", "--temperature", "0.8", "--seed", "3")
    first, second = (json.loads(vtc(*words).out) for _ in range(2))
    assert comparable(first) == comparable(second)


def test_a_damaged_video_is_answered_from_what_was_read(vtc, footage):
    result = vtc("ask", footage / "cut.mp4", "what?", "--json")
    record = json.loads(result.out)
    assert result.code == 3
    assert record["partial"] is True
    assert 0 < record["tokens"]["frames"] < 4
    warnings = result.err.splitlines()
    assert len(warnings) == 1
    assert "cut.mp4 is damaged at 00:00:0" in warnings[0]
    assert warnings[0].endswith(f"answering from the {record['tokens']['frames']} frames that could be read")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["none.mp4", "what?"], 1, "no such file"),
        (["text.mp4", "what?"], 1, "text.mp4"),
        (["clip.mp4", "what?", "--start", "1:00"], 2, "cannot be watched from"),
        (["clip.mp4", "what?", "--start", "soon"], 2, "not a time"),
        (["clip.mp4", "what?", "--fps", "0"], 2, "must be above 0"),
        (["clip.mp4", "what?", "--budget", "plenty"], 2, "or a size like"),
        (["clip.mp4", "what?", "--budget", "5"], 2, "smaller than one unit"),
        (["clip.mp4", "what?", "--json", "--jsonl"], 2, "exclude each other"),
        (["clip.mp4", "what?", "-c", "A=one"], 2, "no choice"),
        (["clip.mp4", "what?", "-m", "window", "-m", "uniform-cache"], 2, "both fill the stage"),
        (["clip.mp4", "what?", "--device", "cuda:9"], 4, "not available"),
        (["clip.mp4", "what?", "--model", "nobody/nothing-here"], 4, "--model tiny"),
        (["camera:0", "what?"], 2, "has no end"),
        (["clip.mp4"], 2, "the last argument is the question"),
        (["clip.mp4", "what?", "-o", "text.mp4"], 2, "not a record of vtc"),
        (["empty", "what?"], 2, "no videos in the folder"),
        (["clip.mp4", "what?", "--seed", "9" * 40], 2, "must be at most"),
        (["clip.mp4", "what?", "--max-new-tokens", "99999999"], 2, "the model's context of"),
        (["clip.mp4", "what?", "-m", "window:budget=" + "9" * 40], 2, "beyond any machine"),
        (["clip.mp4", "what?", "-o", "-"], 2, "not a file records can be kept in"),
        (["e\x1b[31mvil\n.mp4", "what?"], 2, "e?[31mvil?.mp4"),
    ],
)
def test_what_fails_says_why_and_how(vtc, footage, place, words, code, says):
    (place / "text.mp4").write_text("this is not a video\n" * 100)
    (place / "empty").mkdir()
    words = [str(footage / word) if word == "clip.mp4" else word for word in words]
    result = vtc("ask", *words)
    assert result.code == code
    assert result.out == ""
    assert says in result.err
    assert 1 <= len(result.err.splitlines()) <= 3
    assert "Traceback" not in result.err
    assert (place / "text.mp4").read_text() == "this is not a video\n" * 100


def test_one_failing_video_never_stops_the_others(vtc, footage, place):
    (place / "broken.mp4").write_bytes(b"\0" * 5000)
    result = vtc("ask", footage / "clip.mp4", "broken.mp4", "none.mp4", footage / "other.mp4", "what?", "--jsonl")
    records = [json.loads(line) for line in result.out.splitlines()]
    assert result.code == 3
    assert [record["error"] is None for record in records] == [True, False, False, True]
    for record in records:
        assert problems(record) == []
    assert "2 answered, 2 failed" in result.err


def test_when_every_video_fails_the_code_says_so(vtc, place):
    assert vtc("ask", "a.mp4", "b.mp4", "what?").code == 1


def test_what_is_done_is_not_done_again(vtc, footage, place):
    words = ("ask", footage / "clip.mp4", footage / "other.mp4", "what?", "-o", "out/answers.jsonl")
    first = vtc(*words)
    lines = (place / "out" / "answers.jsonl").read_text().splitlines()
    assert (first.code, len(lines)) == (0, 2)
    second = vtc(*words)
    assert (second.code, second.out) == (0, "")
    assert second.err.count("already answered") == 2
    other = vtc(*words, "--fps", "2")
    assert other.out.count("\n") == 2
    assert len((place / "out" / "answers.jsonl").read_text().splitlines()) == 4
    again = vtc(*words, "--no-resume")
    assert again.out == first.out
    assert len((place / "out" / "answers.jsonl").read_text().splitlines()) == 6


def test_a_torn_line_is_repaired_and_its_question_asked_again(vtc, footage, place):
    words = ("ask", footage / "clip.mp4", footage / "other.mp4", "what?", "-o", "answers.jsonl")
    vtc(*words)
    path = place / "answers.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    result = vtc(*words)
    assert "dropped a record cut short" in result.err
    assert result.out.count("\n") == 1
    assert str(footage / "other.mp4") in result.out
    assert [json.loads(line)["video"] for line in path.read_text().splitlines()] == [
        str(footage / "clip.mp4"),
        str(footage / "other.mp4"),
    ]


def test_a_folder_and_a_list_bring_many(vtc, place):
    folder = place / "many"
    folder.mkdir()
    for number in (10, 9, 1):
        write_clip(folder / f"v{number}.mp4", seconds=1, seed=number)
    result = vtc("ask", folder, "what?", "-q")
    assert [line.split("\t")[0] for line in result.out.splitlines()] == [str(folder / f"v{n}.mp4") for n in (1, 9, 10)]
    (place / "list").write_text("many/v9.mp4\nmany/v1.mp4\n")
    listed = vtc("ask", "--files", "list", "what?", "-q")
    assert [line.split("\t")[0] for line in listed.out.splitlines()] == ["many/v9.mp4", "many/v1.mp4"]


def test_the_dry_run_predicts_what_the_record_says(vtc, footage):
    for options in (("--fps", "4"), ("--fps", "4", "-m", "uniform:retain=1/2", "--budget", "60")):
        words = ("ask", footage / "clip.mp4", "what colour?", *options, "--json")
        plan, record = json.loads(vtc(*words, "--dry-run").out), json.loads(vtc(*words).out)
        assert plan["sampling"]["frames"] == record["tokens"]["frames"]
        assert plan["tokens"]["units"] == record["tokens"]["units"]
        assert plan["tokens"]["visual_in"] == record["tokens"]["visual_in"]
        assert plan["tokens"]["visual_kept"] == record["tokens"]["visual_kept"]
        assert plan["tokens"]["video"] == record["tokens"]["rows"]
        assert plan["tokens"]["question"] == record["tokens"]["prompt"]
        assert plan["cache"]["budget_entries"] == record["cache"]["budget_entries"] or "fits" in plan["cache"]["reason"]
        assert plan["cache"]["evicted"] == record["cache"]["evicted"]
        assert plan["cache"]["compactions"] == record["cache"]["compactions"]
        assert plan["flops"]["vision"] == record["flops"]["vision"]
        assert plan["flops"]["prefill"] == record["flops"]["prefill"]
        assert plan["flops"]["question"] == record["flops"]["question"]
        assert plan["model"]["parameters"] == record["model"]["parameters"]
        assert plan["model"]["weight_bytes"] == record["model"]["weight_bytes"]
    assert plan["cache"]["evicted"] > 0


def test_the_dry_run_loads_no_weights(vtc, footage, monkeypatch):
    import vtc_cli.models.load

    def refuse(*arguments, **options):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(vtc_cli.models.load, "load_model", refuse)
    result = vtc("ask", footage / "clip.mp4", "what?", "--dry-run")
    assert result.code == 0
    assert "cache" in result.out


def test_paths_on_stdin_end_with_nul(vtc, footage, monkeypatch):
    named = [footage / "other.mp4", footage / "clip.mp4"]
    paths = b"".join(os.fsencode(path) + b"\0" for path in named)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(paths)))
    result = vtc("ask", "--files", "-", "-0", "what?")
    assert [line.split("\t")[0] for line in result.out.splitlines()] == [str(path) for path in named]


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_no_colour_where_none_is_wanted(vtc, footage, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = vtc("ask", footage / "clip.mp4", "what?", "--report")
    assert "tokens" in result.err
    # With NO_COLOR a forced terminal may still get bold or dim; what it must not get is a colour.
    colours = [f"\x1b[{code}" for code in (*range(30, 38), *range(90, 98))]
    assert not any(colour in result.err for colour in colours)
    assert "\x1b" not in result.out


def test_what_a_model_writes_cannot_drive_a_terminal():
    from vtc_cli.cli.answers import printable

    assert printable("a\x1b[31mb\x07c\nd\u202ee\rf") == "a [31mb c\nd e f"
    assert printable("می\u200cخواهم") == "می\u200cخواهم"


def test_a_recorded_run_can_be_repeated(vtc, footage, place, monkeypatch):
    words = ("--fps", "2", "-m", "uniform:retain=1/2", "--budget", "64kB", "--start", "0.5", "--chunk", "2", "--json")
    first = vtc("ask", footage / "clip.mp4", "which?", "-c", "A=x", "-c", "B=y", *words)
    assert json.loads(first.out)["settings"]["budget"] == "64000B"
    (place / "record.json").write_text(first.out)
    (place / "vtc.toml").write_text("fps = 8\npixels = 1024\nseed = 4\n")
    again = vtc("ask", "--from", "record.json", "--json")
    assert comparable(json.loads(again.out)) == comparable(json.loads(first.out))
    assert again.err == ""
    other = json.loads(vtc("ask", "--from", "record.json", "--json", "--fps", "4").out)
    assert other["settings"]["fps"] == 4
    moved = vtc("ask", footage / "other.mp4", "--from", "record.json", "--json")
    assert json.loads(moved.out)["video"] == str(footage / "other.mp4")
    assert "not the video of the record" in moved.err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("hello", "not JSON"),
        ("{}", "not a record"),
        ('{"schema": "vtc.answer/1"}', "missing"),
        ('{"schema": "vtc.answer/1"}\n{"schema": "vtc.answer/1"}\n', "holds 2 records"),
    ],
)
def test_what_is_no_record_cannot_be_repeated(vtc, place, content, says):
    if content is not None:
        (place / "record.json").write_text(content)
    result = vtc("ask", "--from", "record.json")
    assert result.code == 2
    assert says in result.err


def test_progress_can_be_asked_for(vtc, footage):
    asked = vtc("ask", footage / "clip.mp4", "what?", "--progress")
    assert "loading" in asked.err
    assert vtc("ask", footage / "clip.mp4", "what?").err == ""


def test_an_answer_cut_short_ends_its_line(capsys):
    from vtc_cli.cli.screen import Screen

    screen = Screen(stream=True)
    screen.token("half an ans")
    screen.close()
    screen.close()
    assert capsys.readouterr().out == "half an ans\n"
    screen.token("whole")
    screen.answered()  # whoever printed the record broke the line
    screen.close()
    assert capsys.readouterr().out == "whole"
