"""Rows watch the same frames and answer the same questions; a run that was cut goes on and ends the same."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from vtc_cli.bench import runner as running
from vtc_cli.bench.lines import HEAD, LINE, entries_about
from vtc_cli.bench.runner import Bench
from vtc_cli.bench.summary import comparable, summarise
from vtc_cli.engine.held import Held
from vtc_cli.errors import UsageError, VtcError
from vtc_cli.jobs.ledger import Ledger
from vtc_cli.methods.registry import Chosen
from vtc_cli.methods.stages import Kept, TokenPruner
from vtc_cli.report.validation import problems


def asked(lines) -> list:
    return [(line["case"], line["question"]) for line in lines]


def of(lines, row: str) -> list:
    return [line for line in lines if line["row"] == row]


def test_every_row_has_the_same_questions_about_the_same_frames(run, monkeypatch):
    shown: dict[str, list] = {}
    watch = running.Runner.answer

    def spy(self, clip, questions):
        film, _, noise = clip.info.source.partition(" ")
        shown.setdefault(film, []).append((bool(noise), torch.stack([frame.image for frame in clip.frames(1.0)])))
        return watch(self, clip, questions)

    monkeypatch.setattr(running.Runner, "answer", spy)
    bench, lines = run("uniform:retain=1/2", "uniform:retain=1/4+window", blind=True)
    names = [row.name for row in bench.plan.rows]
    assert len(lines) == 4 * 4
    assert all(asked(of(lines, name)) == asked(of(lines, "none")) for name in names)
    assert all(problems(line["record"]) == [] for line in lines)
    assert len(shown) == len({line["case"] for line in lines})
    for watched in shown.values():
        seen = [pictures for blind, pictures in watched if not blind]
        assert len(seen) == 3
        assert all(torch.equal(seen[0], other) for other in seen)
        assert not any(torch.equal(seen[0], pictures) for blind, pictures in watched if blind)
    summary = summarise(bench.facts, bench.plan.rows, lines)
    kept = [row["costs"]["retention"] for row in summary["rows"]]
    assert kept[:2] == [1.0, 1.0]
    assert kept[2] > kept[3]
    flops = [row["costs"]["flops"] for row in summary["rows"]]
    assert flops[0] == flops[1]
    assert flops[2]["watch"] < flops[0]["watch"]
    assert flops[0]["watch"] == flops[0]["vision"] + flops[0]["prefill"]


def test_a_film_is_watched_once_for_all_its_questions_and_once_for_each_by_question(run):
    bench, lines = run("uniform", "snapkv:budget=40", limit=2, skills=("exists",))
    summary = summarise(bench.facts, bench.plan.rows, lines)
    films = len({line["case"] for line in lines})
    assert [row["costs"]["watches"] for row in summary["rows"]] == [films, films, 2]
    assert [row["costs"]["by_question"] for row in summary["rows"]] == [False, False, True]


def test_a_cut_run_goes_on_and_ends_the_same(plan, tmp_path):
    made = plan("uniform", "random:retain=1/4", blind=True)
    whole = Bench(made)
    uncut = list(whole.run())
    expected = comparable(summarise(whole.facts, made.rows, uncut))
    path = tmp_path / "runs.jsonl"
    for cut in (3, 7):
        with Ledger(path) as ledger:
            going = Bench(made, ledger).run()
            for _ in range(cut):
                next(going)
            going.close()
    with open(path, "a") as file:
        file.write('{"schema": "vtc.bench/1", "key": "torn')
    before = path.read_bytes().rpartition(b"\n")[0]
    with Ledger(path) as ledger:
        assert ledger.repaired
        bench = Bench(made, ledger)
        lines = list(bench.run())
    assert path.read_bytes().startswith(before)
    assert comparable(summarise(bench.facts, made.rows, lines)) == expected
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["schema"] for line in written] == [HEAD] + [LINE] * 16
    assert len({line["key"] for line in written[1:]}) == 16
    assert sorted(map(json.dumps, written[1:])) == sorted(map(json.dumps, lines))


def test_a_finished_file_takes_more_rows_and_questions_but_no_other_settings(plan, tmp_path):
    path = tmp_path / "runs.jsonl"
    with Ledger(path) as ledger:
        assert len(list(Bench(plan(limit=1), ledger).run())) == 2
    with Ledger(path) as ledger:
        assert len(list(Bench(plan("uniform", limit=2), ledger).run())) == 8
    assert len(path.read_text().splitlines()) == 1 + 8
    content = path.read_bytes()
    for other, words in ((plan(seed=1), "seed = 0, and now it is 1"), (plan(skills=("count",)), "skills = colour")):
        with Ledger(path) as ledger, pytest.raises(UsageError, match=words):
            next(Bench(other, ledger).run())
    assert path.read_bytes() == content


@dataclass
class Failing(TokenPruner):
    """Fails at its third film."""

    films: ClassVar[int] = 0

    def reset(self) -> None:
        type(self).films += 1

    def budget(self, tokens: int) -> int:
        return tokens

    def keep(self, unit, budget, query=None) -> Kept:
        if self.films >= 3:
            raise VtcError("it broke")
        return Kept(torch.arange(budget))


def test_a_row_that_fails_leaves_the_others_alone(plan):
    bench = Bench(plan("uniform", "random", limit=6))
    chosen = Chosen("failing", "pruner", Failing(), "test", "0", {})
    bench._runners["random", None].methods["pruner"] = chosen
    lines = list(bench.run())
    assert list(bench.failures) == ["random"]
    assert len(of(lines, "uniform")) == len(of(lines, "none")) == 12
    assert 0 < len(of(lines, "random")) < 12
    summary = summarise(bench.facts, bench.plan.rows, lines, bench.failures)
    assert [row["error"] and row["error"]["message"] for row in summary["rows"]] == [None, None, "it broke"]
    assert summary["rows"][2]["scores"]["all"]["n"] == len(of(lines, "random"))


def test_methods_that_do_not_fit_are_refused_before_the_model_is_loaded(plan, monkeypatch):
    monkeypatch.setattr(running.Runner, "prepare", lambda self, model=None: pytest.fail("loaded"))
    with pytest.raises(UsageError, match="layer"):
        next(Bench(plan("hiprune:layer=99")).run())


def test_no_questions_is_refused(plan):
    with pytest.raises(UsageError, match="at least 1 question"):
        plan(limit=0)


def test_recall_is_told_apart_by_whether_its_evidence_is_in_the_cache(run):
    wanted = {"skills": ("recall",), "length": 90.0, "limit": 4}
    bench, lines = run("window:target=1", "uniform:retain=1/2", budgets="1/5", **wanted)
    summary = summarise(bench.facts, bench.plan.rows, lines)
    whole, small, pruned = (row["evidence"]["recall"] for row in summary["rows"])
    assert (whole["kept"]["n"], whole["gone"]) == (4, None)
    assert small["kept"]["n"] + small["gone"]["n"] == 4
    assert small["gone"]["n"] > 0
    assert pruned["gone"] is None
    assert 0 < pruned["entries"] < whole["entries"]
    for line in of(lines, "window:target=1 at 1/5"):
        cache = line["record"]["cache"]
        seen = of(lines, "none")[0]["record"]["tokens"]["rows"]
        assert cache["budget_entries"] == round(seen / 5)
        # A window holds the end of the film: a moment is there when it is late enough.
        late = line["about"][1] > 90 - 90 / 5 - 2
        assert (line["evidence_entries"] > 0) == late


def test_entries_of_a_moment_are_those_of_the_units_that_show_it():
    held = [Held(0, 0.0, 1.0, 4.0), Held(2, 4.0, 5.0, 3.0), Held(3, 6.0, 7.0, 1.5)]
    assert entries_about(held, (0.5, 4.5)) == 7.0
    assert entries_about(held, (1.5, 3.5)) == 0.0
    assert entries_about(held, (5.0, 6.0)) == 3.0  # the end is not part of it
    assert entries_about([], (0.0, 9.0)) == 0.0


def test_a_blind_answerer_is_at_chance_and_a_seeing_one_is_not(plan, monkeypatch):
    """An answerer that reads the red of one pixel: the films are marked with the right answer, noise is not."""
    from vtc_cli.bench import suite
    from vtc_cli.bench.clips import StoredClip
    from vtc_cli.jobs.questions import Question
    from vtc_cli.video.frame import ClipInfo, Frame

    def film(index: int):
        picture = torch.full((3, 32, 32), 40 if index % 4 == 0 else 120, dtype=torch.uint8)
        info = ClipInfo(f"film-{index}", f"marked:{index}", 2.0, (32, 32), "none", None, "none")
        return StoredClip(info, [Frame(float(second), picture) for second in range(2)])

    class Marked:
        name, skills, sizes = "marked", ("mark",), None
        facts: ClassVar = {"suite": "marked", "skills": ["mark"], "seed": 0, "length": None}

        def cases(self):
            for index in range(80):
                truth = "dark" if index % 4 == 0 else "light"
                task = suite.Task(Question("which?", id="q", truth=truth), "mark", truth.__eq__, None, 0.5)
                yield suite.Case(f"film-{index}", (task,), lambda index=index: film(index))

    def answer(self, clip, questions):
        pixel = int(next(clip.frames(1.0)).image[0, 0, 0])
        said = "dark" if pixel == 40 else "light" if pixel == 120 else ("dark", "light")[pixel % 2]
        for question in questions:
            yield {"answer": said, "question_id": question.id, "tokens": {"rows": 1}, "seconds": {}, "flops": None} | (
                dict.fromkeys(("cache", "memory", "model", "versions", "machine"))
            )

    monkeypatch.setattr(running.Runner, "answer", answer)
    monkeypatch.setattr(running._Listener, "held", lambda self: [])
    made = replace(plan(blind=True), suite=Marked(), limit=80)
    bench = Bench(made)
    lines = list(bench.run())
    summary = summarise(bench.facts, made.rows, lines)
    seeing, blind = (row["scores"]["mark"] for row in summary["rows"])
    assert seeing["accuracy"] == 1.0
    assert blind["low"] < summary["chance"]["mark"] == 0.5 < blind["high"]
    assert blind["lost"] == 80 - blind["right"]
    assert blind["won"] == 0
    assert blind["difference_high"] < -0.3
    assert summary["most_common"]["mark"] == 0.75
