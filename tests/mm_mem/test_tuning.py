"""`vtc tune`: the search finds the values a film was made for, says what they are worth, and goes on where it was."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.mm_mem.asking import Seer
from tests.mm_mem.fakes import moments, scenes, texture
from vtc_cli.config.layers import effective, settings
from vtc_cli.errors import UsageError
from vtc_cli.jobs.lessons import World, of_file, of_world
from vtc_cli.jobs.tuning import Search, Tuned, Tuner, settings_file
from vtc_cli.memory import Inquiry
from vtc_cli.memory.echo import EchoingNarrator
from vtc_cli.memory.lessons import KeptMoments, Lesson, Marks, examine, held_out
from vtc_cli.methods.registry import choose

SIGNS = (1, 2, 3)


def lesson(name: str, signs: Sequence[int], asked: Sequence[int]) -> Lesson:
    """Ten seconds of each sign; asked which sign is shown, of which only one ever was."""
    kept = KeptMoments()
    for moment in moments(scenes(*[(texture(number), 10) for number in signs])):
        kept.take(moment)
    exam = tuple((Inquiry(f"is sign{number} there?", {"A": f"sign{number}", "B": "sign99"}), "A") for number in asked)
    return Lesson(name, name, 10.0 * len(signs), kept, exam)


@pytest.fixture
def films():
    made = [lesson("one", SIGNS, (1, 3)), lesson("two", SIGNS[::-1], (2, 3))]
    yield made
    for item in made:
        item.moments.close()


def tune(folder: Path, films: Sequence[Lesson], narrator=None, spec: str = "mm-mem:last=S1", **search) -> Tuned:
    narrator = narrator or EchoingNarrator(Seer(SIGNS))
    return Tuner(choose(spec), films[:1], films[1:], narrator, Search(**search), folder).run()


def test_the_score_is_what_it_says() -> None:
    marks = Marks.together([Marks((-1.0, -3.0), 1, 30, 1.0), Marks((-2.0,), 1, 90, 2.0)])
    assert marks.per_minute == pytest.approx(40)
    assert marks.score(0.01) == pytest.approx(-2.0 - 0.4)


def test_a_search_never_ends_below_where_it_began_and_text_costs(tmp_path: Path, films) -> None:
    free = tune(tmp_path / "free", films, price=0.0)
    dear = tune(tmp_path / "dear", films, price=1.0)
    assert free.best.score >= free.began.score
    assert dear.best.score > dear.began.score  # fewer, longer events cost less text
    assert dear.best.marks.per_minute < dear.began.marks.per_minute
    assert dear.checked is not None
    assert dear.checked[1].marks.per_minute < dear.checked[0].marks.per_minute
    assert dear.better
    frontier = dear.frontier()
    assert [item.marks.per_minute for item in frontier] == sorted(item.marks.per_minute for item in frontier)


def test_the_same_seed_searches_the_same_and_a_cut_search_goes_on(tmp_path: Path, films) -> None:
    first = tune(tmp_path / "a", films, price=0.1, seed=3, rounds=1)
    assert tune(tmp_path / "b", films, price=0.1, seed=3, rounds=1) == first
    lines = (tmp_path / "a" / "marks.jsonl").read_text().splitlines()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "marks.jsonl").write_text("\n".join([*lines[:4], lines[4][:20]]))  # killed while writing
    narrator = EchoingNarrator(Seer(SIGNS))
    again = tune(tmp_path / "c", films, narrator, price=0.1, seed=3, rounds=1)
    assert [item.options for item in again.trials] == [item.options for item in first.trials]
    assert again.best.marks == first.best.marks
    assert (tmp_path / "c" / "marks.jsonl").read_text().splitlines() == lines
    done = EchoingNarrator(Seer(SIGNS))
    assert tune(tmp_path / "c", films, done, price=0.1, seed=3, rounds=1).best.marks == first.best.marks
    assert done.heard == 0  # everything was known


def test_an_echo_answers_as_the_narrator_would(films) -> None:
    method = choose("mm-mem:last=S2").method
    echo = EchoingNarrator(Seer(SIGNS))
    assert examine(method, films[0], echo) == examine(method, films[0], Seer(SIGNS))
    heard = echo.heard
    assert examine(method, films[0], echo) == examine(method, films[0], Seer(SIGNS))
    assert echo.heard == heard


def test_the_file_is_one_that_indexing_takes(tmp_path: Path, films) -> None:
    tuned = tune(tmp_path, films, price=0.5)
    path = tmp_path / "tuned.toml"
    path.write_text(settings_file(tuned, "mm-mem", {"both_orders": False, "gate": 0.4}, ["why"]))
    assert tomllib.loads(path.read_text())["method"][0].startswith("mm-mem:both_orders=false,gate=0.4,")
    found = settings(effective({}, {"VTC_CONFIG": str(tmp_path / "none")}, tmp_path, named=path))
    method = choose(found.method[0]).method
    assert {name: getattr(method, name) for name in tuned.tried} == dict(tuned.best.options)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no settings file"):
        effective({}, {}, tmp_path, named=tmp_path / "none.toml")


def test_films_of_the_world_have_options_and_are_not_those_of_the_test(tmp_path: Path) -> None:
    found = list(of_world(World(films=2, length=60, questions=4)))
    assert [item.name for item in found] == ["validation film 0", "validation film 1"]
    for item in found:
        assert all(question.truth in question.choices for question in item.questions)
    with pytest.raises(UsageError, match="no fact to recall"):
        list(of_world(World(length=20)))
    with pytest.raises(UsageError, match="no world"):
        list(of_world(World(split="tests")))


def test_open_questions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"video": "a.mp4", "question": "what?", "answer": "red"}))
    with pytest.raises(UsageError, match="has no options"):
        list(of_file(path))


def test_films_are_kept_apart(films) -> None:
    assert held_out(films, 0.33) == (films[:1], films[1:])
    assert held_out(films, 0) == (films, [])
    assert held_out(films[:1], 0.9) == (films[:1], [])


@pytest.fixture
def small(monkeypatch):
    """Fewer values than a user gets: the whole command, in seconds."""
    from vtc_mm_mem.method import MMMem

    monkeypatch.setattr(MMMem, "tunable", lambda self: {"merge": (0.7, 0.8), "tokens": (2, 4)})


def test_the_command(vtc, home, place, clip, small) -> None:
    rows = [
        {"video": "film.mp4", "question": "which?", "options": ["red", "blue"], "answer": "red"},
        {"video": "again.mp4", "question": "which?", "options": ["red", "blue"], "answer": "blue"},
    ]
    from tests.support.clips import write_clip

    write_clip(place / "again.mp4", seconds=3, seed=9)
    (place / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ("tune", "--questions", "q.jsonl", "-m", "mm-mem:tokens=4,last=S0", "--rounds", "1", "--json")
    first = vtc(*words)
    assert first.code == 0, first.err
    found = json.loads(first.out)
    assert found["trials"] == 3
    assert len(found["kept_apart"]) == 2
    assert json.loads(vtc(*words).out) == found
    assert 'method = ["mm-mem:last=S0,' in (place / "tuned.toml").read_text()
    made = vtc("index", "film.mp4", "--settings", "tuned.toml", "--json")
    assert made.code == 0, made.err
    kept = json.loads(made.out)["settings"]
    assert kept["merge"] == found["best"]["options"]["merge"]
    plain = vtc("tune", "--questions", "q.jsonl", "-m", "mm-mem:tokens=4,last=S0", "--rounds", "1")
    assert "kept apart" in plain.out
    assert vtc("index", "film.mp4", "--settings", "none.toml").code == 2
    assert vtc("tune", "-o", "nowhere/x.toml").code == 2


@pytest.mark.parametrize("command", [("tune",), ("train", "manager")])
def test_a_length_that_is_none_is_refused_by_the_name_of_its_option(vtc, command) -> None:
    refused = vtc(*command, "--length", "soon")
    assert refused.code == 2
    assert "--length" in refused.err
    assert "like 60, 10m, 1h" in refused.err
