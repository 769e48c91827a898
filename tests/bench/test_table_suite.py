"""Suites with an end: limits, groups, progress, how the table shows them, and what another setting means."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from vtc_cli.bench.clips import StoredClip
from vtc_cli.bench.runner import EVERY, Bench
from vtc_cli.bench.suite import PATIENCE, limited
from vtc_cli.bench.summary import summarise
from vtc_cli.bench.table import print_summary
from vtc_cli.bench.table_suite import Item, TableSuite
from vtc_cli.errors import UsageError, VideoError
from vtc_cli.jobs.ledger import Ledger
from vtc_cli.jobs.questions import Question

LONG = "Misleading Context Understanding"


def item(film: str, skill: str = "a", number: int = 0, **more) -> Item:
    return Item(
        film, Question(f"{skill} {number}?", {"A": "x", "B": "y"}, f"{skill}-{number}", "A"), skill, "A".__eq__, **more
    )


def open_film(name: str) -> StoredClip:
    import torch

    from vtc_cli.video.frame import ClipInfo, Frame

    if name == "broken":
        raise VideoError("broken: not a film")
    picture = torch.full((3, 32, 32), len(name), dtype=torch.uint8)
    return StoredClip(ClipInfo(name, None, 1.0, (32, 32), "none", 1.0, "none"), [Frame(0.0, picture)])


def taken(suite, limit) -> Counter:
    return Counter(task.skill for case in limited(suite, limit) for task in case.tasks)


def test_a_long_stretch_of_one_skill_does_not_end_a_suite_with_an_end():
    items = [item(f"film-{number}") for number in range(PATIENCE + 50)] + [item("last", "b")]
    suite = TableSuite("made", items, open_film)
    assert taken(suite, 3) == {"a": 3, "b": 1}
    assert taken(suite, EVERY) == {"a": PATIENCE + 50, "b": 1}


def test_cases_and_questions_have_names_of_their_own():
    """Answers are kept by these names, and found again with --resume."""
    moments = [item("film", end=3601.123), item("film", end=3601.124)]
    assert len({case.id for case in TableSuite("made", moments, open_film).cases()}) == 2
    unnamed = replace(item("film"), question=Question("x?"))
    twice = [item("film"), item("film"), unnamed, replace(unnamed, question=Question("y?", None, "#2"))]
    names = [task.question.id for case in TableSuite("made", twice, open_film).cases() for task in case.tasks]
    assert len(set(names)) == 4


def test_a_group_is_taken_whole():
    items = [item("film", number=number, group=f"g{number // 4}") for number in range(8)]
    suite = TableSuite("made", items, open_film)
    assert taken(suite, 1) == {"a": 4}
    assert taken(suite, 5) == {"a": 8}
    assert [task.group for case in limited(suite, 1) for task in case.tasks] == ["g0"] * 4


def test_progress_knows_how_many_there_are(plan):
    suite = TableSuite("made", [item("one"), item("one", number=1), item("two", "b")], open_film)
    made = replace(plan("uniform"), suite=suite)
    assert [replace(made, limit=limit).answers for limit in (1, 2, EVERY)] == [4, 6, 6]
    with pytest.raises(UsageError, match="no end"):
        plan(limit=EVERY)


def test_a_film_that_breaks_is_left_out_of_every_row(plan):
    items = [item("broken"), item("one"), item("broken", "b", start=1.0), item("two", "b")]
    made = replace(plan("uniform"), suite=TableSuite("made", items, open_film), limit=EVERY)
    bench = Bench(made)
    lines = list(bench.run())
    assert [(line["row"], line["case"]) for line in lines] == [
        ("none", "one"), ("uniform", "one"), ("none", "two"), ("uniform", "two"),
    ]  # fmt: skip
    assert [(film.case, film.questions) for film in bench.left_out] == [("broken", 1), ("broken from 1 s", 1)]
    assert bench.failures == {}
    only = Bench(replace(made, suite=TableSuite("made", items[:1], open_film)))
    with pytest.raises(VideoError, match="not one film of made can be read: broken"):
        list(only.run())


def test_the_number_of_frames_is_a_setting_that_a_file_is_bound_to(plan, tmp_path):
    made = replace(plan(), suite=TableSuite("made", [item("one")], open_film))
    for frames in (None, 2):
        path = tmp_path / f"{frames}.jsonl"
        with Ledger(path) as ledger:
            list(Bench(replace(made, settings=replace(made.settings, max_frames=frames)), ledger).run())
        assert json.loads(path.read_text().splitlines()[0])["facts"].get("max_frames") == frames
    with Ledger(tmp_path / "2.jsonl") as ledger, pytest.raises(UsageError, match="max_frames = 2, and now it is None"):
        list(Bench(made, ledger).run())


def test_weights_in_fewer_bits_are_another_comparison(plan, tmp_path):
    pytest.importorskip("torchao")
    made = replace(plan(), suite=TableSuite("made", [item("one")], open_film))
    with Ledger(tmp_path / "runs.jsonl") as ledger:
        list(Bench(made, ledger).run())
    smaller = replace(made, settings=replace(made.settings, quantize="int8"))
    with Ledger(tmp_path / "runs.jsonl") as ledger, pytest.raises(UsageError, match="quantize = None, and now it is"):
        list(Bench(smaller, ledger).run())


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_shows_long_skills_own_figures_and_what_was_left_out(plan, width):
    items = [item("one", LONG), item("one", "b"), item("broken", LONG)]
    rule = {"f1": 0.5, "mean_of_skills": 0.25}
    suite = TableSuite("made", items, open_film, rule=lambda lines: rule, seed=3)
    bench = Bench(replace(plan("uniform", "random"), suite=suite, limit=EVERY))
    rows = bench.plan.rows
    lines = list(bench.run())
    summary = summarise(bench.facts, rows, lines, left_out=bench.left_out, official=suite.official)
    out = io.StringIO()
    print_summary(summary, Console(file=out, width=width, highlight=False))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert all(word in text for word in LONG.split())
    assert "as made scores itself" in text
    assert text.count("50.0%") >= len(rows)
    assert "mean of skills" in text
    assert "left out: 1 questions about 1 films" in " ".join(text.split())
    assert "suite made · seed 3" in text
