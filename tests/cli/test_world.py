"""`vtc world render`: a film, the truth about it, and questions that `vtc ask` reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.terminal import posix
from vtc_cli.jobs.amounts import parse_aspect, parse_length
from vtc_cli.jobs.questions import read_questions
from vtc_cli.jobs.world import finished_together
from vtc_cli.train.world import mp4
from vtc_cli.train.world.film import Film

SMALL = ("--height", 96, "--fps", 4)


def test_a_film_with_its_truth_and_questions(vtc, place):
    shown = vtc("world", "render", "--seed", 7, "--length", 12, "--aspect", "16:9", *SMALL, "out/film.mp4")
    assert shown.code == 0, shown.err
    assert shown.out.splitlines() == ["out/film.mp4", "out/film.json", "out/film.questions.jsonl"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["film.json", "film.mp4", "film.questions.jsonl"]
    with av.open("out/film.mp4") as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 48
    truth = json.loads(Path("out/film.json").read_text())
    assert truth["schema"] == "vtc.world/1"
    assert truth["film"] | {"grain": 0, "light": 0} == {
        "file": "film.mp4",
        "seed": 7,
        "split": "test",
        "long": False,
        "seconds": 12.0,
        "fps": 4,
        "height": 96,
        "width": pictures[0].shape[1],
        "grain": 0,
        "light": 0,
    }
    assert len(truth["scenes"]) == 2  # one per 8 s
    assert truth["scenes"][0]["start"] == 0
    assert truth["scenes"][0]["end"] == truth["scenes"][1]["start"]
    for scene in truth["scenes"]:
        for thing in scene["things"]:
            times = [time for time, _, _ in thing["positions"]]
            assert times[0] == scene["start"]
            assert times[-1] == scene["end"]
            assert times[1:-1] == [float(second) for second in range(int(times[0]) + 1, 12) if second < times[-1]]


def test_things_are_where_the_truth_says(vtc, place):
    """The pixel in the middle of a thing without texture, in front of everything, has about its colour."""
    from vtc_cli.train.world.palette import COLOURS

    checked = 0
    for seed in range(6):
        assert vtc("world", "render", "--seed", seed, "--length", 4, "--height", 160, "--fps", 2, "f.mp4").code == 0
        scene = json.loads(Path("f.json").read_text())["scenes"][0]
        if scene["post"]:
            continue
        with av.open("f.mp4") as container:
            pictures = {frame.time: frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)}
        thing = scene["things"][-1]
        if thing["texture"] != "flat" or thing["shape"] == "ring":
            continue
        for time, x, y in thing["positions"][:-1]:
            caption = scene["caption"]
            if caption and abs(y - caption["centre"][1]) < caption["height"] + 4:
                continue
            colour = np.array(COLOURS[thing["colour"]])
            seen = pictures[time][int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].reshape(-1, 3).mean(0)
            assert np.abs(seen / seen.max() - colour / colour.max()).max() < 0.25
            checked += 1
    assert checked >= 4


def test_the_questions_are_read_by_ask(vtc, place):
    assert vtc("world", "render", "--seed", 3, "--length", 6, "--per-skill", 1, *SMALL, "film.mp4").code == 0
    content = json.loads(Path("film.json").read_text())["questions"]
    questions = read_questions("film.questions.jsonl")
    assert [(item.id, item.text, item.truth) for item in questions] == [
        (item["id"], item["question"], item["answer"]) for item in content
    ]
    assert len({item["skill"] for item in content}) == len(content) > 5
    asked = vtc("ask", "film.mp4", "--questions", "film.questions.jsonl", "--jsonl", "--quiet")
    assert asked.code == 0, asked.err
    records = [json.loads(line) for line in asked.out.splitlines()]
    assert [record["question_id"] for record in records] == [item["id"] for item in content]


def test_questions_only_and_the_same_again(vtc, place):
    words = ("world", "render", "--seed", 5, "--length", "2m", "--long", "--facts", 4, "--questions-only")
    shown = vtc(*words, "a.mp4")
    assert shown.code == 0
    assert sorted(path.name for path in Path().glob("a.*")) == ["a.json", "a.questions.jsonl"]
    content = json.loads(Path("a.json").read_text())
    assert content["film"]["file"] is None
    assert content["film"]["long"] is True
    recalls = [item for item in content["questions"] if item["skill"] == "recall"]
    assert len(recalls) >= 4
    for item in recalls:
        start, end = item["evidence"]
        scene = next(scene for scene in content["scenes"] if scene["start"] <= start < scene["end"])
        assert (scene["caption"]["text"], scene["caption"]["start"]) == (item["answer"], start)
        assert end - start <= 3.001
    assert vtc(*words, "b.mp4").code == 0
    assert Path("a.questions.jsonl").read_bytes() == Path("b.questions.jsonl").read_bytes()
    assert vtc(*words, "--unseen", "c.mp4").code == 0
    assert Path("c.questions.jsonl").read_bytes() != Path("a.questions.jsonl").read_bytes()


def test_splits_and_seeds_differ(vtc, place):
    contents = set()
    for words in (("--split", "train"), ("--split", "validation"), ("--split", "test"), ("--seed", 1)):
        assert vtc("world", "render", "--length", 4, "--questions-only", *words, "a.mp4").code == 0
        contents.add(json.dumps(json.loads(Path("a.json").read_text())["scenes"]))
    assert len(contents) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["film.avi"], "no name for an H.264 film"),
        (["--length", "soon", "film.mp4"], "--length"),
        (["--length", "1", "film.mp4"], "a film of 1 s cannot be made"),
        (["--aspect", "9", "film.mp4"], "--aspect 9 is too extreme"),
        (["--aspect", "0:1", "film.mp4"], "--aspect"),
        (["--scenes", "9", "--length", "6", "film.mp4"], "9 scenes do not fit into 6 s"),
        (["--scenes", "2", "--long", "film.mp4"], "exclude each other"),
        (["--split", "tset", "film.mp4"], "there is no --split tset"),
        (["folder.mp4"], "is a folder"),
    ],
)
def test_what_cannot_be_is_wrong_usage(vtc, place, words, said):
    Path("folder.mp4").mkdir()
    shown = vtc("world", "render", *words)
    assert shown.code == 2
    assert said in shown.err
    assert [path.name for path in Path().iterdir()] == ["folder.mp4"]


def test_a_place_that_cannot_be_written_is_an_error(vtc, place):
    Path("taken").write_text("")
    shown = vtc("world", "render", "--length", 2, *SMALL, "taken/film.mp4")
    assert shown.code == 1
    assert "cannot write taken/film.mp4" in shown.err


@posix
def test_a_film_takes_the_place_of_nothing_but_a_file(vtc, place):
    os.mkfifo(place / "film.questions.jsonl")
    shown = vtc("world", "render", "--length", "4", "film.mp4")
    assert shown.code == 2
    assert "film.questions.jsonl is a device or a pipe" in shown.err
    assert [path.name for path in place.iterdir()] == ["film.questions.jsonl"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_unfinished_film_leaves_nothing_and_spoils_nothing(vtc, place, monkeypatch, error):
    assert vtc("world", "render", "--length", 2, *SMALL, "film.mp4").code == 0
    before = {path: path.read_bytes() for path in Path().iterdir()}
    original = mp4.frame_at

    def interrupted(film: Film, time: float, size: tuple[int, int]):
        if time > 0.5:
            raise error
        return original(film, time, size)

    monkeypatch.setattr(mp4, "frame_at", interrupted)
    shown = vtc("world", "render", "--length", 2, "--seed", 9, *SMALL, "film.mp4")
    assert shown.code == (130 if error is KeyboardInterrupt else 1)
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_files_take_their_names_together(tmp_path):
    with finished_together() as begin:
        for name in ("a.txt", "b.txt"):
            begin(tmp_path / name).write_text(name)
        assert not (tmp_path / "a.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_the_group_shows_its_commands(vtc, place):
    for group, command in (("world", "render"), ("train", "tiny")):
        shown = vtc(group)
        assert shown.code == 0
        assert f"\n  {command} " in shown.out


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("1:30", 90), ("1:00:00", 3600)]
)
def test_lengths(text, seconds):
    assert parse_length(text) == seconds


def test_shapes():
    assert parse_aspect("16:9") == parse_aspect("16/9") == 16 / 9
    assert parse_aspect("1.5") == 1.5
    for text in ("", "a", "1:0", "0", "-1", "1:2:3"):
        with pytest.raises(ValueError, match="shape"):
            parse_aspect(text)
