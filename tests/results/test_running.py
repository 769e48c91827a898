"""The plan of the page of results is run resumably, with the bench's own lines, and condensed without losing any."""

from __future__ import annotations

import json

import pytest

from benchmarks import plan, results
from benchmarks.condensed import condense, place_of
from benchmarks.running import Clock, Run
from tests.support.checkpoints import random_qwen3_vl
from vtc_cli.bench.rows import rows_of
from vtc_cli.bench.runner import Bench
from vtc_cli.bench.suites.tiny import Wanted
from vtc_cli.bench.summary import ALL, summarise
from vtc_cli.errors import UsageError


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    return str(random_qwen3_vl(tmp_path_factory.mktemp("results") / "random"))


@pytest.fixture
def small() -> plan.Part:
    rows = rows_of(["uniform:retain=1/2", "random:retain=1/2"])
    return plan.Part("small", "pruners", "short", rows, Wanted(("colour", "exists"), 6.0, 7), 3)


def run_of(part: plan.Part, folder, checkpoint: str) -> Run:
    return Run(part, folder, checkpoint, tokens=3)


def test_the_plan_has_every_method_at_every_size():
    parts = {part.name: part for part in plan.parts(1000)}
    assert set(parts) == {"pruners", "caches", "caches-asked", "costs-pruners", "costs-caches"}
    names = {row.name for row in parts["pruners"].rows}
    pruners = plan.names_of("pruner")
    assert {"hiprune", "hiprune++", "random", "uniform", "evs", "visionzip", "divprune", "cdpruner", "dycoke"} <= set(
        pruners
    )
    assert {
        f"{name}:retain={share}" for name in (*pruners, "fastv") for share in ("1/3", "2/9", "1/9", "1/18")
    } <= names
    assert {"none", "blind"} <= names
    cached = {row.name for row in (*parts["caches"].rows, *parts["caches-asked"].rows)}
    policies = set(plan.names_of("cache"))
    assert {"infinipot-v", "window", "uniform-cache", "keydiff", "snapkv", "recent"} <= policies
    assert {f"{name} at {share}" for name in policies - {"recent"} for share in ("1/4", "1/8", "1/16")} <= cached
    assert "recent" in cached
    assert "hiprune:retain=1/3+infinipot-v at 1/8" in cached
    assert all(part.rows[0].name == "none" for part in parts.values())
    assert parts["pruners"].plan("tiny").answers / len(parts["pruners"].rows) >= 1000
    assert parts["caches"].plan("tiny").answers / len(parts["caches"].rows) >= 1000
    timed = {row.name for name in ("costs-pruners", "costs-caches") for row in parts[name].rows}
    assert timed == (names | cached) - {"blind"}
    assert not any(parts[name].shared for name in ("costs-pruners", "costs-caches"))


def test_groups_are_chosen_by_name():
    assert {part.group for part in plan.chosen(("caches",))} == {"caches"}
    assert {part.name for part in plan.chosen(("costs",))} == {"costs-pruners", "costs-caches"}
    assert plan.chosen(("scaling",)) == ()
    with pytest.raises(UsageError, match="--only cache: there are pruners, caches, costs, peaks, scaling"):
        plan.chosen(("cache",))
    with pytest.raises(UsageError, match="0 questions"):
        plan.parts(0)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("none", ("none", None)),
        ("hiprune++:retain=1/18", ("hiprune++", "1/18")),
        ("window at 1/8", ("window", "1/8")),
        ("hiprune:retain=1/3+infinipot-v at 1/8", ("hiprune:retain=1/3+infinipot-v", "1/8")),
        ("recent", ("recent", None)),
    ],
)
def test_a_row_is_a_method_at_a_size(name, place):
    assert place_of(name) == place


def test_a_cut_run_goes_on_where_it_stopped_and_ends_the_same(small, checkpoint, tmp_path):
    whole = run_of(small, tmp_path / "whole", checkpoint)
    assert whole.film()
    assert len({line["case"] for line in whole.lines}) == 1
    assert whole.left is not None
    assert whole.left > 0
    assert len({line["case"] for line in whole.whole()}) == 1
    while whole.film():
        pass
    whole.close()
    assert whole.done
    assert whole.left == 0.0
    assert len(whole.lines) == whole.plan.answers == 18

    cut = run_of(small, tmp_path / "cut", checkpoint)
    cut.film()
    cut.close()
    before = cut.path.read_bytes()
    again = run_of(small, tmp_path / "cut", checkpoint)
    while again.film():
        pass
    again.close()
    assert again.path.read_bytes().startswith(before)
    assert again.fresh == 18 - (len(before.splitlines()) - 1)
    told = ("rows", "questions", "films", "planned", "facts")
    first, second = condense(whole), condense(again)
    for found in (first, second):
        for row in found["rows"]:
            row["costs"] = {name: row["costs"][name] for name in ("retention", "kv_bytes_peak", "flops")}
    assert json.dumps([first[name] for name in told]) == json.dumps([second[name] for name in told])


def test_when_the_time_is_over_nothing_more_is_asked_and_films_that_are_not_whole_do_not_count(
    small, checkpoint, tmp_path
):
    run = run_of(small, tmp_path, checkpoint)
    assert not run.film(Clock(0))
    assert (run.lines, run.done) == ([], False)
    run.film()
    film = len(run.lines)
    run.lines.append({**run.lines[0], "case": "film-99"})  # only `none` has answered it
    assert len(run.whole()) == film
    run.close()


def test_condensed_figures_are_those_of_the_bench(small, checkpoint, tmp_path):
    run = run_of(small, tmp_path, checkpoint)
    while run.film():
        pass
    run.close()
    found = condense(run)
    bench = Bench(run.plan)
    expected = summarise(*_facts(bench, list(bench.run())))
    assert found["questions"] == expected["questions"] == found["planned"] == 6
    for row, other in zip(found["rows"], expected["rows"], strict=True):
        assert row["score"] == other["scores"][ALL]
        assert row["skills"] == {
            skill: [score["n"], score["right"]] for skill, score in other["scores"].items() if skill != ALL
        }
        assert row["costs"]["flops"] == other["costs"]["flops"]
    uniform = found["rows"][1]
    assert set(uniform["against"]) == {"random:retain=1/2"}
    pair = {line["row"]: [] for line in run.lines}
    for line in run.lines:
        pair[line["row"]].append(line["right"])
    difference = (sum(pair["uniform:retain=1/2"]) - sum(pair["random:retain=1/2"])) / 6
    assert uniform["against"]["random:retain=1/2"]["mean"] == pytest.approx(difference)


def _facts(bench: Bench, lines: list) -> tuple:
    return bench.facts, bench.plan.rows, lines


def test_the_command_keeps_figures_and_says_when_it_is_not_finished(small, checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plan, "parts", lambda questions, seed: (small,))
    where = ["--model", checkpoint, "--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "figures")]
    assert results.main(["--only", "pruners", "--minutes", "0", *where]) == 3
    assert not (tmp_path / "figures").exists()
    assert results.main(["--only", "pruners", "--estimate", *where]) == 0
    said = capsys.readouterr().err
    assert "of processor time for the rest" in said
    part = json.loads((tmp_path / "figures" / "small.json").read_text())
    assert (part["done"], part["planned"]) == (False, 6)
    assert 0 < part["questions"] < 6
    assert results.main(["--only", "pruners", *where]) == 0
    part = json.loads((tmp_path / "figures" / "small.json").read_text())
    assert (part["done"], part["questions"]) == (True, 6)
    assert part["command"].startswith("python -m")
    assert len(list((tmp_path / "runs").glob("*-7/small.jsonl"))) == 1


def test_lengths_are_measured_once(checkpoint, tmp_path, monkeypatch):
    asked = []

    def measure(minutes, methods, model):
        asked.append((minutes, methods))
        facts = {name: {} for name in ("model", "machine", "versions", "seconds")}
        return {"minutes": minutes, "methods": list(methods), **facts}

    monkeypatch.setattr(results.scaling, "measure", measure)
    where = ["--model", checkpoint, "--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "figures")]
    assert results.main(["--only", "scaling", "--longest", "2", *where]) == 0
    assert asked == [(minutes, methods) for minutes in (1, 2) for methods in results.scaling.SETUPS]
    assert results.main(["--only", "scaling", "--longest", "2", *where]) == 0
    assert len(asked) == 6
    assert len(json.loads((tmp_path / "figures" / "scaling.json").read_text())["rows"]) == 6
    monkeypatch.setattr(results.scaling, "measure", lambda *_: pytest.fail("measured again"))
    assert results.main(["--only", "scaling", "--longest", "5", "--minutes", "0", *where]) == 3


def test_peaks_are_measured_once_each_in_a_process_of_its_own(checkpoint, tmp_path, monkeypatch):
    asked = []

    def measure(part, name, entries, model):
        asked.append((part, name, entries))
        memory = dict.fromkeys(results.peaks.FIGURES, 1)
        return {"of": part, "name": name, "entries": 800, **memory, "model": {}, "versions": {}, "machine": {}}

    monkeypatch.setattr(results.peaks, "measure", measure)
    where = ["--model", checkpoint, "--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "figures")]
    assert results.main(["--only", "peaks", *where]) == 0
    assert [(part, name) for part, name, _ in asked] == [(part, row.name) for part, row in results.peaks.wanted()]
    assert ("costs-caches", "infinipot-v at 1/8", 800) in asked
    assert ("costs-caches", "none", None) in asked
    assert ("costs-pruners", "hiprune:retain=1/3", None) in asked
    count = len(asked)
    assert results.main(["--only", "peaks", *where]) == 0
    assert len(asked) == count
    kept = json.loads((tmp_path / "figures" / "peaks.json").read_text())
    assert (kept["done"], len(kept["rows"])) == (True, count)


def test_one_peak_is_measured_with_its_rows_own_settings(checkpoint):
    found = results.peaks.measured("costs-pruners", "uniform:retain=1/3", None, checkpoint)
    assert found["rss_peak"] >= found["rss_after_load"] > 0
    assert found["entries"] < results.peaks.measured("costs-pruners", "none", None, checkpoint)["entries"]
    with pytest.raises(KeyError):
        results.peaks.measured("costs-pruners", "nothing", None, checkpoint)


def test_long_films_are_measured_without_compression_only_up_to_a_length():
    wanted = results.scaling.wanted()
    assert max(minutes for minutes, methods in wanted if not methods) == 30
    assert max(minutes for minutes, methods in wanted if methods) == 120


def test_one_length_is_measured_from_its_record(checkpoint, monkeypatch):
    monkeypatch.setattr(results.scaling, "QUESTION", "?")
    found = results.scaling.measured(1 / 10, ["uniform:retain=1/2", "window:budget=200"], checkpoint)
    assert found["frames"] == 6
    assert 0 < found["entries_peak"] <= 200
    assert found["seconds"]["watch"] > 0
    assert found["flops"]["vision"] > 0
