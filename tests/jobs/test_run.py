"""One video, its questions, and the record of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from vtc_cli.cli.plans import plan_text
from vtc_cli.errors import UsageError, VideoError
from vtc_cli.jobs.amounts import Budget
from vtc_cli.jobs.answering import answer_video
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.plan import plan_request
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.request import Request
from vtc_cli.jobs.run import Runner
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import frames_ahead
from vtc_cli.methods.registry import Chosen
from vtc_cli.methods.stages import Kept, TokenPruner
from vtc_cli.models.auto import Choice
from vtc_cli.report.record import comparable
from vtc_cli.report.validation import problems

SHORT = Settings(max_new_tokens=4)
WHAT = Question("what?")


class Log(Events):
    def __init__(self):
        self.told = []

    def watching(self, source, info, frames):
        self.told.append(("watching", frames))

    def frame(self, time):
        self.told.append(("frame", time))

    def watched(self):
        self.told.append(("watched",))

    def asking(self, question):
        self.told.append(("asking", question.text))

    def token(self, text):
        self.told.append(("token",))

    def warning(self, text):
        self.told.append(("warning", text))


def test_a_video_is_watched_once_and_told_in_order(model, clip):
    log = Log()
    records = list(answer_video(model, str(clip), [WHAT, Question("which?")], SHORT, log))
    assert all(problems(record) == [] for record in records)
    assert [record["reused"] for record in records] == [False, True]
    assert [item for item in log.told if item[0] != "token"] == [
        ("watching", 4),
        *[("frame", float(second)) for second in range(4)],
        ("watched",),
        ("asking", "what?"),
        ("asking", "which?"),
    ]
    assert records[0]["tokens"]["frames"] == 4
    stages = ("decode", "preprocess", "vision", "prefill")
    assert min(record["seconds"][stage] for record in records for stage in stages) > 0
    assert records[0]["clip"]["digest"].startswith("blake2b:")
    assert records[0]["id"] != records[1]["id"]


def test_questions_do_not_touch_each_other(model, clip):
    questions = [WHAT, Question("which?"), WHAT]
    first, _, again = answer_video(model, str(clip), questions, SHORT)
    (alone,) = answer_video(model, str(clip), [WHAT], SHORT)
    assert first["answer"] == again["answer"] == alone["answer"]
    assert comparable(first) == comparable(alone)
    assert {**comparable(again), "reused": False} == comparable(first)


def test_choices_come_with_a_posterior(model, clip):
    (record,) = answer_video(model, str(clip), [Question("which?", {"A": "red", "B": "blue"})], SHORT)
    assert record["answer"] == max(record["posterior"], key=record["posterior"].get)
    assert sum(record["posterior"].values()) == pytest.approx(1, abs=1e-5)


def test_what_the_budget_evicts_is_in_the_record(model, clip):
    settings = replace(SHORT, fps=8.0, budget=Budget(tokens=80), method=("uniform:retain=1/2",))
    (record,) = answer_video(model, str(clip), [WHAT], settings)
    assert record["evicted"] is True
    assert record["cache"]["entries_peak"] <= 80 == record["cache"]["budget_entries"]
    assert record["tokens"]["context"] < record["tokens"]["rows"]
    assert record["sampling"]["kept_per_unit"] * 2 == record["sampling"]["tokens_per_unit"]
    in_bytes = replace(settings, budget=Budget(bytes=80 * model.info.kv_bytes_per_token))
    (same,) = answer_video(model, str(clip), [WHAT], in_bytes)
    assert same["cache"]["budget_entries"] == 80
    assert same["answer"] == record["answer"]


def test_the_chunk_does_not_change_the_answer(model, clip):
    answers = set()
    for chunk in (1, 3, 16):
        (record,) = answer_video(model, str(clip), [WHAT], replace(SHORT, fps=8.0, chunk=chunk))
        answers.add((record["answer"], record["tokens"]["context"]))
    assert len(answers) == 1


def test_a_damaged_video_is_partial(model, damaged):
    log = Log()
    (record,) = answer_video(model, str(damaged), [WHAT], SHORT, log)
    warnings = [item[1] for item in log.told if item[0] == "warning"]
    assert record["partial"] is True
    assert record["damage"]["reason"]
    assert len(warnings) == 1
    assert f"answering from the {record['tokens']['frames']}" in warnings[0]


@dataclass
class Looking(TokenPruner):
    """Keeps the first row, and remembers every query it was given."""

    needs: ClassVar[frozenset[str]] = frozenset({"query"})
    seen: ClassVar[list[int]] = []

    def budget(self, tokens):
        return 1

    def keep(self, unit, budget, query=None):
        self.seen.append(query.shape[0])
        return Kept(torch.tensor([0]))


def test_a_pruner_that_looks_at_the_question_watches_for_each(model, clip):
    log = Log()
    runner = Runner(SHORT, log, model=model)
    runner.methods["pruner"] = Chosen("looking", "pruner", Looking(), "tests", "0", {})
    opened = runner.open(str(clip))
    Looking.seen.clear()
    records = list(runner.answer(opened, [WHAT, Question("which one of all of these?")]))
    opened.close()
    assert log.told.count(("watched",)) == 2
    assert [record["reused"] for record in records] == [False, False]
    assert len(set(Looking.seen)) == 2


def test_a_cache_that_looks_at_the_question_watches_for_each(model, clip):
    log = Log()
    runner = Runner(replace(SHORT, method=("snapkv",)), log, model=model)
    opened = runner.open(str(clip))
    records = list(runner.answer(opened, [WHAT, Question("which one of all of these?")]))
    opened.close()
    assert log.told.count(("watched",)) == 2
    assert [record["reused"] for record in records] == [False, False]
    assert all(problems(record) == [] for record in records)


def test_a_failure_is_a_valid_record(model, clip):
    runner = Runner(SHORT, model=model)
    error = VideoError("none.mp4: no such file", "look elsewhere")
    record = runner.failure("none.mp4", None, WHAT, error)
    assert problems(record) == []
    assert record["answer"] is None
    assert record["error"] == {
        "kind": "VideoError",
        "message": "none.mp4: no such file",
        "hint": "look elsewhere",
        "exit_code": 1,
    }


def test_the_id_is_known_before_anything_is_loaded(model, clip):
    settings = replace(SHORT, model=model.info.name)
    runner = Runner(settings)
    opened = runner.open(str(clip))
    (record,) = answer_video(model, str(clip), [WHAT], settings)
    assert runner.identity(opened, WHAT) == record["id"]
    assert Runner(replace(settings, fps=2.0)).identity(opened, WHAT) != record["id"]
    opened.close()


def test_a_camera_needs_an_end(model):
    with pytest.raises(UsageError, match="no end"):
        Runner(SHORT, model=model).open("camera:0")


def test_unknown_methods_are_refused_before_a_model_is_touched():
    with pytest.raises(UsageError, match="unifrom"):
        Runner(Settings(model="nobody/nothing", method=("unifrom",)))


def test_auto_says_why_in_the_plan_and_in_the_record(model, clip, monkeypatch):
    reason = "largest recommended model that fits 24.0 GB"
    monkeypatch.setattr("vtc_cli.models.auto.choose_here", lambda device, dtype: Choice(model.info.name, reason))
    (record,) = answers(Runner(replace(SHORT, model="auto")), clip)
    assert (record["model"]["name"], record["model"]["name_reason"]) == (model.info.name, reason)
    assert record["settings"]["model"] == model.info.name
    (plan,) = plan_request(Request((str(clip),), (WHAT,)), replace(SHORT, model="auto"))
    assert plan.as_json()["model"]["name_reason"] == reason
    assert f"chosen by auto: {reason}" in plan_text(plan)
    (record,) = answers(Runner(replace(SHORT, model=model.info.name)), clip)
    assert record["model"]["name_reason"] == "as asked"


def answers(runner, clip):
    opened = runner.open(str(clip))
    try:
        return list(runner.answer(opened, [WHAT]))
    finally:
        opened.close()


def test_few_large_frames_wait():
    assert frames_ahead(8, (64, 48)) == 8
    assert frames_ahead(16, (7680, 4320)) == 2
    assert 2 < frames_ahead(16, (3840, 2160)) < 16


def test_choices_that_look_alike_are_refused_before_anything_is_watched(model, clip):
    log = Log()
    alike = Question("which?", {"Apple": "red", "Apricot": "orange"})
    with pytest.raises(UsageError, match="cannot be told apart"):
        list(answer_video(model, str(clip), [WHAT, alike], SHORT, log))
    assert log.told == []


def test_a_question_may_be_longer_than_what_is_usually_reserved(model, clip):
    long = Question("what is it? " * 500)
    record = next(answer_video(model, str(clip), [long], SHORT))
    assert record["error"] is None
    assert record["tokens"]["prompt"] > 1024
