"""Published benchmarks: each layout in miniature is read, its films opened, its own rule applied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="an extra")

from tests.support.published import LAYOUTS
from tests.support.tables import as_json, films
from vtc_cli.bench.published import published_suite
from vtc_cli.bench.published.catalog import PUBLISHED
from vtc_cli.bench.published.mmbench import _shifts
from vtc_cli.bench.published.tables import Row
from vtc_cli.bench.suite import limited
from vtc_cli.bench.suites import Place
from vtc_cli.errors import UsageError, VideoError

BRIEFLY = "\nAnswer the question using a single word or phrase."
ABCD = {"A": "Apples.", "B": "Candles.", "C": "Berries.", "D": "None."}
STREAM = {"A": "One.", "B": "Two.", "C": "Three.", "D": "Four."}
LVB = {"A": "A. is one", "B": "two", "C": "three", "D": "four", "E": "five"}
MLVU = {"A": "Yellow", "B": "Red", "C": "Green", "D": "Blue"}
EGO = {letter: f"C does {number}." for number, letter in enumerate("ABCDE")}
TRIES = ["cat dog cow pig", "dog cow pig cat", "cow pig cat dog", "pig cat dog cow"]
HISTORY = "Asked at 00:00:02: Question 1? Answer: Four.\n"
TWO = {"A": "One.", "B": "Two."}

EXPECTED = {  # layout -> (case, skill, question, choices, truth)
    "videomme": {
        ("fFjv93ACGo8", "short", "Question 1?", "C"): ABCD,
        ("fFjv93ACGo8", "short", "Question 2?", "A"): ABCD,
        ("-Xy_z", "long", "Question 1?", "D"): ABCD,
    },
    "mlvu": {
        (f"{task}/film_1.mp4", task[2:], f"About {task}?", "B"): MLVU
        for task in ("1_plotQA", "2_needle", "3_ego", "4_count", "5_order", "6_anomaly_reco", "7_topic_reasoning")
    },
    "longvideobench": {
        ("videos/86CxyhFV9MI.mp4", "8-15 s", "Question 0?", "A"): LVB,
        ("videos/86CxyhFV9MI.mp4", "15-60 min", "Question 1?", "B"): LVB,
    },
    "egoschema": {("0074f737", "subset", "What does c do?", "D"): EGO},
    "egoschema_original": {("0074f737", "subset", "What does c do?", "D"): EGO},
    "mvbench": {
        ("action_sequence:ZS9XR.mp4 from 1 to 3 s", "action_sequence", "What happens?", "B"): TWO,
        ("action_antonym:166583.webm", "action_antonym", "What happens?", "B"): TWO,
        ("episodic_reasoning:friends_s03e09 until 1 s", "episodic_reasoning", "What happens?", "B"): TWO,
    },
    "mvbench_parts": {("action_sequence:ZS9XR.mp4", "action_sequence", "What happens?", "B"): TWO},
    "streamingbench": {
        ("Real_Time_Visual_Understanding/sample_1 until 1 s", "Object Perception", "Question 1?", "B"): {
            **STREAM,
            "B": "Two's.",
        },
        ("Real_Time_Visual_Understanding/sample_1 until 3 s", "Counting", "Question 2?", "A"): STREAM,
        (
            "Sequential_Question_Answering/sample_1 until 2 s",
            "Sequential Question Answering",
            "Question 1?",
            "D",
        ): STREAM,
        (
            "Sequential_Question_Answering/sample_1 until 3 s",
            "Sequential Question Answering",
            f"{HISTORY}Question 2?",
            "B",
        ): STREAM,
        (
            "Misleading Context Understanding/sample_1 until 2 s",
            "Misleading Context Understanding",
            "Question 1?",
            "B",
        ): STREAM,
    },
    "gqa": {("n161313", "query", f"Which colour?{BRIEFLY}", "blue"): None},
    "pope": {
        ("COCO_val2014_000000310196", "random", f"Is there a dog in the image?{BRIEFLY}", "yes"): None,
        ("COCO_val2014_000000310196", "random", f"Is there a cat in the image?{BRIEFLY}", "no"): None,
        ("COCO_val2014_000000310196", "adversarial", f"Is there a cow in the image?{BRIEFLY}", "no"): None,
    },
    "textvqa": {("003a8ae2", "text", f"what is the brand?{BRIEFLY}", "nokia"): None},
}
EXPECTED["gqa_original"] = EXPECTED["gqa"]
EXPECTED["textvqa_original"] = EXPECTED["textvqa"]
EXPECTED["pope_original"] = {("COCO_val2014_000000310196.jpg", *key[1:]): None for key in EXPECTED["pope"]}


def suite_of(layout: str, root: Path, skills=None, seed: int = 0):
    name, make = LAYOUTS[layout]
    root.mkdir(exist_ok=True)
    make(root)
    return published_suite(name, Place(root=root), skills, seed)


def tasks(suite) -> list:
    return [(case, task) for case in suite.cases() for task in case.tasks]


def test_every_published_suite_has_a_miniature():
    assert {name for name, _ in LAYOUTS.values()} == set(PUBLISHED)


@pytest.mark.parametrize("layout", EXPECTED)
def test_the_published_layout_is_read(layout, tmp_path):
    suite = suite_of(layout, tmp_path)
    found = {
        (case.id, task.skill, task.question.text, task.question.truth): task.question.choices
        for case, task in tasks(suite)
    }
    assert found == EXPECTED[layout]
    for _, task in tasks(suite):
        assert task.check(task.question.truth)
        assert not task.check("no" if task.question.truth == "yes" else "something else")
        assert task.question.id is not None
        if task.question.choices:
            assert task.chance == 1 / len(task.question.choices)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_film_of_the_layout_opens(layout, tmp_path):
    for case in suite_of(layout, tmp_path).cases():
        clip = case.open()
        frames = list(clip.frames(2.0))
        assert frames[0].time == 0.0
        assert clip.info.duration is not None
        assert all(frame.time < clip.info.duration for frame in frames)
        clip.close()


def test_films_are_drawn_by_the_seed(tmp_path):
    orders = {tuple(case.id for case in suite_of("mlvu", tmp_path, seed=seed).cases()) for seed in range(4)}
    assert len(orders) > 1
    assert all(sorted(order) == sorted(next(iter(orders))) for order in orders)
    assert suite_of("mlvu", tmp_path, seed=1).facts != suite_of("mlvu", tmp_path, seed=2).facts
    assert [task.skill for _, task in tasks(suite_of("mlvu", tmp_path, ["EGO"]))] == ["ego"]


def test_the_right_part_of_a_film_is_watched(tmp_path):
    cases = {case.tasks[0].skill: case for case in suite_of("mvbench", tmp_path).cases()}
    part = cases["action_sequence"].open()
    assert part.info.duration == 2.0
    assert [frame.time for frame in part.frames(2.0)] == [0.0, 0.5, 1.0, 1.5]
    part.close()
    pictures = list(cases["episodic_reasoning"].open().frames(3.0))  # three per second, of which one second is asked
    assert [round(frame.time, 3) for frame in pictures] == [0.0, 0.333, 0.667]
    assert all(int(frame.image[0, 0, 0]) == 200 for frame in pictures)


def test_streams_are_watched_until_the_question(tmp_path):
    for layout in ("streamingbench", "ovobench"):
        for case in suite_of(layout, tmp_path / layout).cases():
            until = float(case.id.rpartition(" until ")[2].removesuffix(" s"))
            clip = case.open()
            assert clip.info.duration == until
            assert max(frame.time for frame in clip.frames(8.0)) == until - 1 / 8
            clip.close()


def test_ovobench_asks_forward_tasks_at_every_moment(tmp_path):
    suite = suite_of("ovobench", tmp_path)
    found = {(case.id, task.skill): task for case, task in tasks(suite)}
    assert found["Ego4D/clips/ec4a.mp4 until 2 s", "EPM"].question.truth == "B"
    counted = found["perception_test/video_1.mp4 until 3.5 s", "REC"]
    assert "breaking something" in counted.question.text
    assert [counted.check(said) for said in ("2", "two times", "12", "1")] == [True, True, False, False]
    assert found["perception_test/video_1.mp4 until 1 s", "REC"].check("0")
    assert "boil water" in found["COIN/x.mp4 until 1 s", "SSR"].question.text
    assert found["COIN/x.mp4 until 1 s", "SSR"].check("Yes.")
    assert found["COIN/x.mp4 until 3 s", "CRR"].check("no")
    lines = [{"skill": task.skill, "right": task.skill != "REC"} for task in found.values()]
    assert suite.official(lines) == {"backward": 1.0, "forward": pytest.approx(2 / 3), "mean": pytest.approx(5 / 6)}


def test_tries_of_one_question_are_asked_together_and_count_together(tmp_path):
    suite = suite_of("vnbench", tmp_path)
    (case,) = limited(suite, 1)
    assert [" ".join(task.question.choices.values()) for task in case.tasks] == TRIES
    assert [task.question.truth for task in case.tasks] == ["B", "A", "D", "C"]
    lines = [{"skill": task.skill, "group": task.group, "case": case.id, "right": True} for task in case.tasks]
    assert suite.official(lines) == {"all_tries": 1.0}
    lines[2]["right"] = False
    assert suite.official(lines) == {"all_tries": 0.0}


@pytest.mark.parametrize("layout", ["mmbench", "mmbench_tsv"])
def test_mmbench_is_asked_in_every_order_of_its_options(layout, tmp_path):
    suite = suite_of(layout, tmp_path)
    (case,) = limited(suite, 1)
    assert [(task.question.choices, task.question.truth) for task in case.tasks] == [
        ({"A": "blue", "B": "red"}, "B"),
        ({"A": "red", "B": "blue"}, "A"),
    ]
    assert {task.skill for task in case.tasks} == {"finegrained"}
    assert case.tasks[0].question.text == "Which colour?"
    assert len({task.group for task in case.tasks}) == 1
    frame = next(case.open().frames(1.0))
    assert frame.image[:, 0, 0].tolist() == [200, 20, 20]


def test_an_option_called_none_is_an_option(tmp_path):
    fields = {"index": "7", "question": "Which?", "answer": "B", "l2-category": "s"}
    row = Row({**fields, "A": "None", "B": "two", "C": "one", "D": "nan"}, "row 1")
    first = next(_shifts(row)).question
    assert (first.choices, first.truth) == ({"A": "None", "B": "two", "C": "one"}, "B")
    with pytest.raises(UsageError, match="row 1: option A is missing"):
        next(_shifts(Row({**row, "A": ""}, "row 1")))


def test_pictures_are_those_of_their_row(tmp_path):
    (case,) = suite_of("gqa", tmp_path).cases()
    assert next(case.open().frames(1.0)).image[:, 0, 0].tolist() == [20, 20, 200]


def test_textvqa_grades_by_ten_people(tmp_path):
    ((_, task),) = tasks(suite_of("textvqa", tmp_path))
    assert task.points is not None
    assert task.points("Nokia") == 1.0
    assert task.points("phone") == pytest.approx(0.3)
    assert [task.check(said) for said in ("nokia.", "phone", "")] == [True, False, False]


@pytest.mark.parametrize(
    ("layout", "figures"),
    [("pope", {"f1", "yes", "accuracy", "precision", "recall"}), ("mmbench", {"circular"}), ("vnbench", {"all_tries"})],
)
def test_a_suite_runs_from_end_to_end(vtc, tmp_path, layout, figures):
    suite_of(layout, tmp_path / "data")
    words = ["bench", "--suite", layout, "--root", "data", "-m", "uniform:retain=1/2", "--limit", "all", "--blind"]
    found = vtc(*words, "--max-new-tokens", 2, "--pixels", 1024, "--json")
    assert found.code == 0, found.err
    summary = json.loads(found.out)
    assert summary["facts"]["suite"] == layout
    assert [set(row["official"]) for row in summary["rows"]] == [figures] * 3
    assert all(0 <= value <= 1 for row in summary["rows"] for value in row["official"].values())
    table = vtc(*words, "--max-new-tokens", 2, "--pixels", 1024, "--csv").out.splitlines()
    assert f"official_{min(figures)}" in table[0]


def test_points_and_the_official_figure_come_from_the_same_answers(vtc, tmp_path):
    suite_of("textvqa", tmp_path / "data")
    found = vtc(
        *("bench", "--suite", "textvqa", "--root", "data", "--limit", "all", "--max-new-tokens", 2, "--pixels", 1024),
        *("-o", "runs.jsonl"),
    )
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()[1:]]
    assert json.loads(found.out)["rows"][0]["official"] == {"vqa_accuracy": sum(line["points"] for line in lines)}


def test_what_is_wrong_with_a_folder_is_said(tmp_path):
    def refused(layout, words, change):
        root = tmp_path / f"{layout}-{words[:4]}"
        suite_of(layout, root)
        change(root)
        with pytest.raises(UsageError) as caught:
            published_suite(LAYOUTS[layout][0], Place(root=root), None, 0)
        assert words in caught.value.message, caught.value.message

    refused("mlvu", "none of the files", lambda root: (root / "MLVU/json/3_ego.json").unlink())
    refused(
        "vnbench", "item 1: no field `gt`", lambda root: as_json(root / "VNBench-main-4try.json", [{"options": []}])
    )
    refused("longvideobench", "expected a list", lambda root: as_json(root / "lvb_val.json", [1]))
    refused(
        "ovobench",
        "no task of OVO",
        lambda root: as_json(root / "ovo_bench_new.json", [{"task": "X", "id": 1, "video": ""}]),
    )
    refused("mvbench", "no task of MVBench", lambda root: as_json(root / "json/new_task.json", []))
    refused(
        "videomme", "cannot be read", lambda root: (root / "videomme/test-00000-of-00001.parquet").write_bytes(b"PAR1")
    )
    refused("longvideobench", "holds no questions", lambda root: as_json(root / "lvb_val.json", []))
    with pytest.raises(UsageError, match="--root"):
        published_suite("gqa", Place(root=tmp_path / "nowhere"), None, 0)


def test_a_film_is_found_wherever_it_was_unpacked_and_never_guessed(tmp_path):
    from vtc_cli.bench.published.folder import Folder

    films(tmp_path, "a/x.mp4", "b/x.mp4", "b/deep/Part One_1-5/y.MKV", "b/deep/Part Two/y.mkv", ".hidden/z.mp4")
    folder = Folder(tmp_path)
    assert folder.find("a/x") == tmp_path / "a/x.mp4"
    assert folder.find("gone", "b/x.webm") == tmp_path / "b/x.mp4"
    assert folder.find("y", under=("part-one",)).parent.name == "Part One_1-5"
    for wanted, words in (("x.mp4", "twice"), ("z.mp4", "is not in"), ("x.txt", "is not in")):
        with pytest.raises(VideoError, match=words):
            folder.find(wanted)
