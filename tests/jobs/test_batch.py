"""Batches: isolation, skipping, tallies; with an answerer that needs no model."""

from __future__ import annotations

import json

import pytest

from vtc_cli.errors import MachineError, VideoError
from vtc_cli.jobs.batch import Tally, finished, run_batch
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.ledger import Ledger, LedgerError
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.request import Request
from vtc_cli.report.record import to_json


class FakeClip:
    def __init__(self, source):
        self.source, self.closed = source, False

    def close(self):
        self.closed = True


class Answers:
    """Answers by rule: `missing*` cannot be opened, `bug*` crashes, `half*` fails at its second question."""

    def __init__(self):
        self.watched, self.clips, self.prepared = [], [], 0

    def open(self, source):
        if source.startswith("missing"):
            raise VideoError(f"{source}: no such file")
        self.clips.append(FakeClip(source))
        return self.clips[-1]

    def identity(self, clip, question):
        return None if clip.source == "-" else f"{clip.source}/{question.text}"

    def prepare(self):
        self.prepared += 1

    def answer(self, clip, questions):
        self.watched.append((clip.source, [question.text for question in questions]))
        for index, question in enumerate(questions):
            if clip.source.startswith("bug"):
                raise KeyError("oops")
            if clip.source.startswith("half") and index == 1:
                raise VideoError("half: gone")
            yield {
                "schema": "vtc.answer/1",
                "id": self.identity(clip, question),
                "partial": clip.source.startswith("cut"),
                "error": None,
            }

    def failure(self, source, clip, question, error):
        return {"schema": "vtc.answer/1", "id": f"{source}/{question.text}", "error": {"message": error.message}}


class Log(Events):
    def __init__(self):
        self.told = []

    def skipped(self, source, questions):
        self.told.append(("skipped", source))

    def failed(self, source, error):
        self.told.append(("failed", source))


def run(sources, questions=("q",), answers=None, **options):
    answers = answers or Answers()
    tally, log = Tally(), Log()
    request = Request(tuple(sources), tuple(map(Question, questions)))
    records = list(run_batch(request, answers, tally, events=log, **options))
    assert all(clip.closed for clip in answers.clips)
    return records, tally, answers, log


def test_a_video_is_watched_once_for_all_its_questions():
    _, tally, answers, _ = run(["a", "b"], ["one", "two"])
    assert answers.watched == [("a", ["one", "two"]), ("b", ["one", "two"])]
    assert (tally.answered, tally.exit_code) == (4, 0)


def test_failures_are_records_and_the_others_go_on():
    records, tally, _, log = run(["a", "missing", "bug", "half", "b"], ["one", "two"])
    errors = [record["error"] and record["error"]["message"] for record in records]
    assert errors == [
        None,
        None,
        *["missing: no such file"] * 2,
        *["bug: KeyError: 'oops'"] * 2,
        None,
        "half: gone",
        None,
        None,
    ]
    assert [source for _, source in log.told] == ["missing", "bug", "half"]
    assert (tally.answered, tally.failed, tally.exit_code) == (5, 5, 3)


def test_with_one_video_a_bug_is_a_bug():
    with pytest.raises(KeyError):
        run(["bug"])


def test_running_out_of_memory_is_not_a_bug():
    class Full(Answers):
        def answer(self, clip, questions):
            raise MemoryError
            yield

    records, tally, _, _ = run(["a"], answers=Full())
    assert "out of memory" in records[0]["error"]["message"]
    assert tally.exit_code == 4


def test_an_output_that_cannot_be_written_ends_the_batch():
    class Full:
        def append(self, record):
            raise LedgerError("cannot write out.jsonl: no space")

    answers = Answers()
    with pytest.raises(LedgerError):
        run(["a", "b"], answers=answers, ledger=Full())
    assert [source for source, _ in answers.watched] == ["a"]


@pytest.mark.parametrize(
    ("sources", "code"),
    [(["a"], 0), (["missing"], 1), (["missing", "missing2"], 1), (["cut"], 3), (["a", "missing"], 3)],
)
def test_exit_codes(sources, code):
    assert run(sources)[1].exit_code == code


def test_what_is_done_is_skipped_question_by_question():
    records, tally, answers, log = run(["a", "b"], ["one", "two"], done={"a/one", "b/one", "b/two"})
    assert [record["id"] for record in records] == ["a/two"]
    assert answers.watched == [("a", ["two"])]
    assert log.told == [("skipped", "b")]
    assert (tally.answered, tally.skipped, tally.exit_code) == (1, 3, 0)


def test_nothing_is_loaded_when_all_is_done():
    assert run(["a", "missing"], done={"a/q"})[2].prepared == 0


def test_a_stream_is_never_taken_for_an_earlier_one():
    assert len(run(["-"], done={"-/q"})[0]) == 1


def test_a_model_that_cannot_be_loaded_ends_the_batch():
    class NoModel(Answers):
        def prepare(self):
            raise MachineError("no such model")

    with pytest.raises(MachineError):
        run(["a", "b"], answers=NoModel())


def test_failed_questions_are_tried_again(tmp_path):
    with Ledger(tmp_path / "out.jsonl") as ledger:
        run(["a", "missing"], ledger=ledger)
    with Ledger(tmp_path / "out.jsonl") as ledger:
        assert finished(ledger.records) == {"a/q"}


def test_a_record_is_on_disk_before_it_is_shown(tmp_path):
    path = tmp_path / "out.jsonl"
    with Ledger(path) as ledger:
        request = Request(("a", "b", "missing"), (Question("q"),))
        for count, record in enumerate(run_batch(request, Answers(), Tally(), ledger=ledger), 1):
            lines = path.read_text().splitlines()
            assert len(lines) == count
            assert json.loads(lines[-1]) == json.loads(to_json(record))


def test_an_interrupt_is_not_swallowed(tmp_path):
    class Interrupted(Answers):
        def answer(self, clip, questions):
            yield from super().answer(clip, questions)
            raise KeyboardInterrupt

    answers = Interrupted()
    with Ledger(tmp_path / "out.jsonl") as ledger, pytest.raises(KeyboardInterrupt):
        run(["a", "b"], answers=answers, ledger=ledger)
    assert all(clip.closed for clip in answers.clips)
    with Ledger(tmp_path / "out.jsonl") as ledger:
        assert finished(ledger.records) == {"a/q"}
