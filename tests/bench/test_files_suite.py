"""One's own questions about one's own films: the files, what is wrong with them, and films that are not there."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import torch

from tests.support.clips import write_clip
from vtc_cli.bench import runner as running
from vtc_cli.bench.span import ClipSpan, part_of
from vtc_cli.bench.suite import limited
from vtc_cli.bench.suites import Place, find_suite
from vtc_cli.bench.suites.files import files_suite
from vtc_cli.bench.suites.tiny import Wanted
from vtc_cli.errors import UsageError, VideoError
from vtc_cli.video import open_clip

ROWS = [
    {"video": "one.mp4", "question": "What moves?", "options": ["a bar", "a ball"], "answer": "A"},
    {"video": "one.mp4", "question": "How many bars are there?", "answer": 1, "skill": "count"},
    {"video": "two.mp4", "question": "What moves?", "options": {"x": "a bar", "y": "a ball"}, "answer": "a bar"},
    {"video": "one.mp4", "question": "Where is the bar?", "answer": "left", "time": "0:02", "id": "where"},
]
SMALL = ("--max-new-tokens", 3, "--pixels", 1024, "--limit", 5)


@pytest.fixture
def films(tmp_path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    write_clip(folder / "one.mp4", seed=1)
    write_clip(folder / "two.mp4", seed=2)
    return folder


def write(path: Path, rows=ROWS) -> Path:
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows), encoding="utf-8")
    return path


def asked(suite) -> list:
    return [
        (case.id, task.skill, task.question.text, task.question.choices, task.question.truth)
        for case in suite.cases()
        for task in case.tasks
    ]


def test_questions_about_a_film_share_a_watching_and_those_at_a_moment_do_not(tmp_path):
    suite = files_suite(write(tmp_path / "q.jsonl"), None)
    assert asked(suite) == [
        ("one.mp4", "choice", "What moves?", {"A": "a bar", "B": "a ball"}, "A"),
        ("one.mp4", "count", "How many bars are there?", None, "1"),
        ("two.mp4", "choice", "What moves?", {"x": "a bar", "y": "a ball"}, "x"),
        ("one.mp4 until 2 s", "open", "Where is the bar?", None, "left"),
    ]
    assert suite.skills == ("choice", "count", "open")
    assert suite.sizes == {"choice": 2, "count": 1, "open": 1}
    first = next(suite.cases()).tasks
    assert [first[0].check("A"), first[0].check("B"), first[0].chance] == [True, False, 0.5]
    assert first[1].check("there is one")
    assert [case.id for case in limited(files_suite(tmp_path / "q.jsonl", None, ["OPEN"]), 9)] == ["one.mp4 until 2 s"]


def test_csv_says_the_same(tmp_path):
    jsonl = files_suite(write(tmp_path / "q.jsonl"), None)
    text = (
        "video,question,options,answer,time,skill,id\n"
        "one.mp4,What moves?,a bar|a ball,A,,,\n"
        "one.mp4,How many bars are there?,,1,,count,\n"
        '\ntwo.mp4,What moves?,"{""x"": ""a bar"", ""y"": ""a ball""}",a bar,,,\n'
        "one.mp4,Where is the bar?,,left,0:02,,where\n"
    )
    (tmp_path / "q.csv").write_text("\ufeff" + text, encoding="utf-8")
    table = files_suite(tmp_path / "q.csv", None)
    assert asked(table) == asked(jsonl)
    assert table.facts == jsonl.facts
    (tmp_path / "q.tsv").write_text("video\tquestion\tA\tB\tanswer\none.mp4\tWhat, then?\tbar\tball\tb\n")
    assert asked(files_suite(tmp_path / "q.tsv", None)) == [
        ("one.mp4", "choice", "What, then?", {"A": "bar", "B": "ball"}, "B")
    ]


def test_a_seed_draws_other_films_first(films):
    """So that a limit takes others; without one they come as the file has them."""
    rows = [{"video": f"{number}.mp4", "question": "x?", "answer": "y"} for number in range(9)]
    path = write(films / "q.jsonl", rows)
    orders = [[case.id for case in find_suite("files", Wanted(seed=seed), Place(path)).cases()] for seed in (0, 1, 2)]
    assert orders[0] == [row["video"] for row in rows]
    assert orders[0] != orders[1] != orders[2]
    assert sorted(orders[1]) == orders[0]


def test_other_questions_are_another_suite(tmp_path):
    facts = files_suite(write(tmp_path / "q.jsonl"), None).facts
    changed = [*ROWS[:3], {**ROWS[3], "time": 3}]
    assert files_suite(write(tmp_path / "q.jsonl", changed), None).facts != facts
    assert files_suite(write(tmp_path / "q.jsonl"), None).facts == facts


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", "line 3: not JSON"),
        ("[1]", "line 3: expected an object"),
        ({"question": "x?", "answer": "y"}, "line 3: `video` is missing"),
        ({"video": "a.mp4", "answer": "y"}, "line 3: `question` is missing"),
        ({"video": "a.mp4", "question": "x?"}, "line 3: `answer` is missing"),
        ({"video": "a.mp4", "question": "x?", "options": ["one"], "answer": "A"}, "line 3: `choices` must be"),
        ({"video": "a.mp4", "question": "x?", "options": ["p", "q"], "answer": "C"}, "line 3: the answer 'C' is none"),
        ({"video": "a.mp4", "question": "x?", "options": [], "choices": [], "answer": "A"}, "line 3: `options` and"),
        ({"video": "a.mp4", "question": "x?", "answer": "y", "time": "later"}, "line 3: `time` is no time"),
        ({"video": "a.mp4", "question": "x?", "answer": "y", "time": 0}, "line 3: `time` must be above zero"),
        ({"video": "a.mp4", "question": "x?", "answer": 3, "tolerance": "some"}, "line 3: `tolerance` is no number"),
        ({"video": "a.mp4", "question": "x?", "answer": 3, "tolerance": -1}, "line 3: `tolerance` must be zero"),
        ({"video": "a.mp4", "question": "x?", "answer": "y", "skill": "a,b"}, "line 3: `skill` must be"),
        ({"video": "a.mp4", "question": "x?", "anwser": "y"}, "line 3: unknown field 'anwser'"),
        ({"video": "a.mp4", "question": "x?", "answer": "y", "id": "first"}, "line 3: the id 'first' is that of"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path, row, words):
    first = json.dumps({"video": "a.mp4", "question": "x?", "answer": "y", "id": "first"})
    line = row if isinstance(row, str) else json.dumps(row)
    (tmp_path / "q.jsonl").write_text(f"{first}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        files_suite(tmp_path / "q.jsonl", None)
    assert words in caught.value.message
    assert "q.jsonl" in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: the header has no `video`"),
        ("film,question\n", "line 1: the header has no `video`"),
        ("video,question,answer\n", "no questions"),
        ("video,question,answer\na.mp4,one, two,three\n", "line 2: more cells"),
        ('video,question,answer\na.mp4,x?,y\na.mp4,"x?,y\n', "not CSV"),
        ("video,question,options,answer\na.mp4,x?,[1,A\n", "line 2: `options` is no JSON list"),
    ],
)
def test_a_bad_table_is_refused(tmp_path, text, words):
    (tmp_path / "q.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        files_suite(tmp_path / "q.csv", None)
    assert words in caught.value.message


def test_files_that_are_not_there_or_not_text(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        files_suite(tmp_path / "none.jsonl", None)
    (tmp_path / "q.csv").write_bytes(b"video,question\n\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        files_suite(tmp_path / "q.csv", None)
    with pytest.raises(UsageError, match="--videos"):
        files_suite(write(tmp_path / "q.jsonl"), tmp_path / "nowhere")


def test_nothing_after_the_moment_of_a_question_is_watched(vtc, films, monkeypatch):
    shown = {}
    watch = running.Runner.answer

    def spy(self, clip, questions):
        shown[clip.info.source, clip.info.duration] = [frame.time for frame in clip.frames(8.0)]
        return watch(self, clip, questions)

    monkeypatch.setattr(running.Runner, "answer", spy)
    rows = [{"video": "one.mp4", "question": "x?", "answer": "y", **more} for more in ({}, {"time": 2}, {"time": 99})]
    found = vtc("bench", "--suite", "files", "--questions", write(films / "q.jsonl", rows), *SMALL)
    assert found.code == 0, found.err
    source = str(films / "one.mp4")
    assert shown[f"{source}#t=0.0,2.0", 2.0] == [number / 8 for number in range(16)]
    assert shown[source, 4.0] == shown[f"{source}#t=0.0,99.0", 4.0] == [number / 8 for number in range(32)]
    assert len(shown) == 3


def test_a_span_is_the_same_pictures_counted_from_its_start(films):
    whole, part = open_clip(str(films / "one.mp4")), ClipSpan(open_clip(str(films / "one.mp4")), 1.0, 2.5)
    expected = [frame for frame in whole.frames(4.0) if 1.0 <= frame.time < 2.5]
    found = list(part.frames(4.0))
    assert [frame.time for frame in found] == [frame.time - 1.0 for frame in expected]
    assert all(torch.equal(one.image, other.image) for one, other in zip(found, expected, strict=True))
    assert [frame.time for frame in part.frames(4.0, 0.5, 1.0)] == [0.5, 0.75]
    assert part.info.duration == 1.5
    assert part.info.digest not in (None, whole.info.digest)
    assert part_of(part.info.source) == (whole.info.source, 1.0, 2.5)
    assert part_of(whole.info.source) is None
    assert torch.equal(next(part.at([0.5])).image, next(whole.at([1.5])).image)
    whole.close()
    part.close()
    with pytest.raises(VideoError, match="nothing of it is left"):
        ClipSpan(open_clip(str(films / "one.mp4")), 9.0)


def test_a_film_that_is_missing_is_reported_and_the_rest_runs(vtc, films):
    rows = [*ROWS, {"video": "gone.mp4", "question": "x?", "answer": "y"}]
    (films / "broken.mp4").write_bytes(b"no film")
    rows = [{"video": "broken.mp4", "question": "x?", "answer": "y"}, *rows]
    questions = write(films.parent / "q.jsonl", rows)
    words = ["bench", "--suite", "files", "--questions", questions, "--videos", films, "-m", "uniform", *SMALL]
    found = vtc(*words, "-o", "runs.jsonl")
    assert found.code == 3
    assert "left out: gone.mp4" in found.err
    assert "left out: broken.mp4" in found.err
    summary = json.loads(found.out)
    assert [(film["case"], film["questions"]) for film in summary["left_out"]] == [("broken.mp4", 1), ("gone.mp4", 1)]
    assert [row["scores"]["all"]["n"] for row in summary["rows"]] == [4, 4]
    write_clip(films / "gone.mp4", seed=3)
    again = vtc(*words, "-o", "runs.jsonl", "--resume")
    assert [row["scores"]["all"]["n"] for row in json.loads(again.out)["rows"]] == [5, 5]
    for name in ("one", "two", "gone"):
        (films / f"{name}.mp4").unlink()
    nothing = vtc(*words)
    assert (nothing.code, nothing.out) == (1, "")
    assert "not one film of files can be read" in nothing.err


def test_every_wrong_answer_can_be_listed(vtc, films):
    words = ["bench", "--suite", "files", "--questions", write(films / "q.jsonl"), "-m", "uniform", *SMALL, "--wrong"]
    summary = json.loads(vtc(*words, "--json").out)
    scores = {row["name"]: row["scores"]["all"] for row in summary["rows"]}
    for name, score in scores.items():
        assert sum(entry["method"] == name for entry in summary["wrong"]) == score["n"] - score["right"]
    where = next(entry for entry in summary["wrong"] if entry["question"] == "Where is the bar?")
    assert where["truth"] == "left"
    assert where["case"] == "one.mp4 until 2 s"
    for entry in summary["wrong"]:
        if entry["question"] == "What moves?":
            assert entry["truth"] in ("A (a bar)", "x (a bar)")
            assert entry["said"] in ("B (a ball)", "y (a ball)")
    table = list(csv.DictReader(io.StringIO(vtc(*words, "--csv").out)))
    assert table == summary["wrong"]


def test_a_picture_is_a_film_of_one_frame(vtc, tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "red.png")
    rows = [{"video": "red.png", "question": "Which colour?", "options": ["red", "blue"], "answer": "red"}]
    found = vtc(
        "bench",
        "--suite",
        "files",
        "--questions",
        write(tmp_path / "q.jsonl", rows),
        *SMALL,
        "-m",
        "uniform:retain=1/2",
        "-o",
        "r.jsonl",
    )
    assert found.code == 0, found.err
    tokens = json.loads((tmp_path / "r.jsonl").read_text().splitlines()[1])["record"]["tokens"]
    assert (tokens["units"], tokens["completing"]) == (1, 0)
    whole, half = json.loads(found.out)["rows"]
    assert half["costs"]["retention"] == 0.5
    assert half["costs"]["kv_bytes_peak"] < whole["costs"]["kv_bytes_peak"]


def test_a_picture_shown_as_a_whole_unit_is_the_picture_completed(checkpoint, tmp_path):
    """What the engine does with a lone frame at a film's end, and what a still does, are the same to the model."""
    from PIL import Image

    from vtc_cli.bench.still import still
    from vtc_cli.engine.session import Session
    from vtc_cli.models import load_model

    out = io.BytesIO()
    Image.effect_noise((64, 48), 90).convert("RGB").save(out, "PNG")
    clip, model = still(out.getvalue(), "noise"), load_model(str(checkpoint), device="cpu", dtype="float32")
    found = []
    for repeats in (1, model.info.frames_per_unit):
        clip.fill(repeats)
        session = Session(model, pixels=32 * 32)
        session.watch(clip.frames(1.0))
        found.append(session.logits("what?"))
        assert session.units == repeats - 1
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--suite", "files"], "add --questions FILE"),
        (["--questions", "q.jsonl"], "--questions belongs to `files`"),
        (["--root", "."], "--root belongs to published suites"),
        (["--suite", "files", "--questions", "q.jsonl", "--download"], "--download belongs to published suites"),
        (["--suite", "videomme", "--root", ".", "--download"], "give one of them"),
        (["--suite", "videomme", "--root", ".", "--length", "10m"], "--length belongs to the suite `tiny`"),
        (["--suite", "files", "--questions", "q.jsonl", "--skills", "colour"], "has no skill `colour`"),
        (["--suite", "videome"], "did you mean `videomme`?"),
        (["--limit", "all"], "has no end"),
        (["--limit", "many"], "a number of questions"),
    ],
)
def test_options_that_do_not_fit_are_refused(vtc, place, words, said):
    write(place / "q.jsonl")
    refused = vtc("bench", *words)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
