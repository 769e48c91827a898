"""`vtc chat`: a video watched once, or its memory, and many questions in a pipe or on a terminal."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.support.terminal import on_a_terminal, posix, read_until
from vtc_cli.report.validation import problems

FAST = ("-m", "mm-mem:tokens=4,captions=none,last=S1")


def test_a_line_in_a_line_out_and_one_watch(say, film, monkeypatch):
    from vtc_cli.engine.session import Session

    watched = []
    watch = Session.watch
    monkeypatch.setattr(Session, "watch", lambda self, frames: (watched.append(1), watch(self, frames))[1])
    result = say("what?\n\nwhere?\nwhat?\n", "chat", film)
    assert (result.code, result.err) == (0, "")
    first, _, third = result.out.splitlines()
    assert first == third
    assert watched == [1]


def test_answers_are_those_of_ask(say, vtc, film):
    alone = json.loads(vtc("ask", film, "where?", "--json").out)
    records = [json.loads(line) for line in say("what?\nwhere?", "chat", film, "--jsonl").out.splitlines()]
    assert [record["question"] for record in records] == ["what?", "where?"]
    assert records[1]["answer"] == alone["answer"]
    assert [record["reused"] for record in records] == [False, True]
    assert all(problems(record) == [] for record in records)


def test_commands_go_to_stderr_and_answers_to_stdout(say, film):
    result = say("/evidence\nwhat?\n/evidence\n/memory\n/report\n/help\n/quit\nnever\n", "chat", film)
    assert result.code == 3  # nothing had been answered when evidence was asked for
    assert len(result.out.splitlines()) == 1
    assert "nothing has been answered yet" in result.err
    assert "of what the answer looked at" in result.err
    assert "entries (" in result.err
    assert "of 2 moments, 00:00:00 to 00:00:03" in result.err
    assert "first token" in result.err
    for name in ("/at", "/evidence", "/memory", "/report", "/help", "/quit"):
        assert name in result.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/evidense", "there is no command /evidense\n  did you mean /evidence? there are /at, /evidence, /memory"),
        ("/", "there is no command /\n  there are /at"),
        ("/at 1:00", "only a memory knows what was known at a moment\n  start with --memory"),
        ("/memory event:1", "there is no memory to look into"),
        ("what " + "very " * 2500 + "far?", "reserved for a turn"),
        (b"caf\xe9?", "the question is not UTF-8 text"),
    ],
)
def test_what_goes_wrong_is_told_and_the_chat_goes_on(say, film, line, said):
    data = line if isinstance(line, bytes) else line.encode()
    result = say(data + b"\nwhat?\n", "chat", film)
    assert result.code == 3
    assert said in result.err
    answers = result.out.splitlines()
    assert answers[-1] != ""
    assert len(answers) == 1 + (not data.startswith(b"/"))  # a failed question has its line, and it is empty


def test_failed_questions_have_their_records(say, film):
    result = say(b"caf\xe9?\nwhat?\n", "chat", film, "--jsonl")
    first, second = map(json.loads, result.out.splitlines())
    assert first["error"]["kind"] == "UsageError"
    assert second["error"] is None
    assert problems(first) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-m", "hiprune++"], 2, "use `hiprune`"),
        (["-m", "snapkv"], 2, "by the question"),
        (["--at", "1"], 2, "add --memory"),
        (["--no-memory", "-m", "mm-mem"], 2, "--no-memory excludes"),
        (["--memory", "--end", "2"], 2, "a memory holds the whole video"),
    ],
)
def test_what_cannot_be_chatted_with_is_refused(say, film, words, code, said):
    result = say("what?\n", "chat", film, *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err


@pytest.mark.parametrize(("name", "said"), [("-", "the questions come there"), ("camera:0", "has no end")])
def test_a_source_that_cannot_be_chatted_about(say, name, said, place):
    result = say("what?\n", "chat", name)
    assert result.code == 2
    assert said in result.err


def test_a_memory_is_made_once_and_found_again(say, film, place):
    first = say("what?\n/at 2\nwhat?\n/at end\n/evidence\n/memory\n/memory clip:1\n/memory red\n/evidence pictures\n",
                "chat", film, "--memory", *FAST, "--jsonl")  # fmt: skip
    assert first.code == 0, first.err
    one, two = map(json.loads, first.out.splitlines())
    assert (one["recall"]["at"], two["recall"]["at"]) == (None, 2.0)
    assert (one["recall"]["built"], two["recall"]["built"]) == (True, False)
    assert one["id"] != two["id"]
    assert "answering as of 00:00:02" in first.err
    assert "answering from the whole video" in first.err
    assert "event_id" in first.err  # the row of a clip
    assert problems(one) == problems(two) == []
    again = say("what?\n", "chat", film, *FAST[:1], FAST[1], "--jsonl")
    assert json.loads(again.out)["recall"]["built"] is False
    alone = say("what?\n", "chat", film, "--no-memory", "--jsonl")
    assert json.loads(alone.out)["recall"] is None
    found = say("what?\n", "chat", film, "--jsonl")
    assert json.loads(found.out)["recall"]["built"] is False
    assert "answering from the memory of" in found.err
    other = say("what?\n", "chat", film, "--fps", "2", "--jsonl")
    assert json.loads(other.out)["recall"] is None
    assert "fps is 1.0 in the memory, 2.0 asked; watching the video instead" in other.err


def test_a_memory_alone_answers(say, vtc, film, place):
    path = vtc("index", film, *FAST).out.strip()
    near = say("what?\n/evidence pictures\n", "chat", path, *FAST, "--jsonl")
    assert json.loads(near.out)["notes"] == []
    assert list((place / "pictures").glob("clip-*.jpg")) or "nothing is known" in near.err
    import sqlite3

    with sqlite3.connect(path) as file:
        file.execute("UPDATE meta SET value = '\"gone.mp4\"' WHERE key = 'source'")
    file.close()
    far = say("what?\n/evidence pictures\n", "chat", path, *FAST, "--jsonl")
    record = json.loads(far.out)
    assert record["video"] == "gone.mp4"
    assert record["clip"] is None
    assert "the video is not at hand" in record["notes"][0]
    assert problems(record) == []


def test_an_interrupted_answer_leaves_no_trace(place, film):
    from vtc_cli.jobs.chatting import open_chat
    from vtc_cli.jobs.events import Events
    from vtc_cli.jobs.questions import Question
    from vtc_cli.jobs.settings import Settings

    class Once(Events):
        armed = False

        def token(self, text: str) -> None:
            if self.armed:
                raise KeyboardInterrupt

    events = Once()
    settings = Settings(model=os.environ["VTC_MODEL"], max_new_tokens=4)
    with open_chat(str(film), settings, events, memory=False) as chat:
        before = chat.ask(Question("what?"))
        events.armed = True
        with pytest.raises(KeyboardInterrupt):
            chat.ask(Question("where is the thing that nobody has seen?"))
        events.armed = False
        after = chat.ask(Question("what?"))
        assert after["answer"] == before["answer"]
        assert after["evidence"] == before["evidence"]
        assert chat.last is after


@posix
def test_on_a_terminal_ctrl_c_stops_an_answer_and_ctrl_d_the_chat(command, film):
    words = command(["chat", film, "--no-memory"])
    with on_a_terminal(words, VTC_MAX_NEW_TOKENS="4000") as (running, main):
        read_until(main, b"> ")
        os.write(main, b"/nonsense\n")
        read_until(main, b"there are /at", b"> ")
        os.write(main, b"what?\n")
        read_until(main, b"what?")
        time.sleep(1)
        running.send_signal(signal.SIGINT)
        read_until(main, b"(interrupted)", b"> ")
        os.write(main, b"/help\n")
        read_until(main, b"anything else is a question", b"> ")  # before it, Ctrl-D would be lost
        os.write(main, b"\x04")
        assert running.wait(timeout=60) == 0
