"""`vtc watch`: files played as streams, questions typed and standing, what ends it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from itertools import pairwise

import pytest

from tests.support.clips import write_clip
from tests.support.terminal import on_a_terminal, posix, read_until
from vtc_cli.report.validation import problems

FAST = ("-m", "mm-mem:tokens=4,captions=none,last=S0")
MAX = ("--speed", "max")


def test_a_standing_question_is_answered_with_its_time(say, film):
    result = say("", "watch", film, *MAX, "--every", "2", "what?", "where?", "--fps", "2")
    assert (result.code, result.err) == (0, "")
    assert [line.split("\t")[0] for line in result.out.splitlines()] == ["00:00:02", "00:00:02"]


def test_records_say_how_fresh_they_are(say, film):
    result = say("", "watch", film, *MAX, "--every", "1", "what?", "--jsonl")
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [record["live"]["known"] for record in records] == [1.0, 2.0, 3.0]
    assert all(problems(record) == [] for record in records)


def test_lines_of_a_pipe_are_questions_and_its_end_is_the_end(say, film):
    result = say("what?\n/nonsense\n\nwhere?\n", "watch", film, *MAX)
    assert result.code == 3
    assert len(result.out.splitlines()) == 2
    assert "there is no command /nonsense\n  there are /evidence, /memory, /report, /help, /quit" in result.err


def test_a_memory_is_written_and_chat_opens_it(say, film, place):
    result = say("", "watch", film, *MAX, "--memory", *FAST)
    assert (result.code, result.out) == (0, "")
    path = next((place / "home").glob("live-*-clip.mp4/index.sqlite"))
    assert result.err == f"remembering into {path}\n"
    answered = say("what?\n", "chat", path, *FAST, "--jsonl")
    record = json.loads(answered.out)
    assert answered.code == 0
    assert record["recall"]["memory"] == path.parent.name


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["what?"], 2, "it is not said how often to ask"),
        (["--every", "5"], 2, "--every has no question to ask"),
        (["--every", "0", "what?"], 2, "--every must be above 0"),
        (["--every", "5", " "], 2, "the question is empty"),
        (["--speed", "fast"], 2, "--speed fast is not a number"),
        (["--retry", "soon"], 2, "'soon' is not a time"),
        (["-m", "hiprune++"], 2, "use `hiprune`"),
    ],
)
def test_what_makes_no_sense_is_refused(say, film, words, code, said):
    result = say("", "watch", film, *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err


@pytest.mark.parametrize(
    ("source", "words", "code", "said"),
    [
        ("-", [], 2, "nothing can be asked"),
        ("gone.mp4", ["--every", "1", "what?"], 1, "no such file"),
        ("rtsp://127.0.0.1:9/none", ["--every", "1", "what?"], 1, "cannot be opened"),
    ],
)
def test_a_source_that_is_not_there(say, place, source, words, code, said):
    result = say("", "watch", source, *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 2


def test_an_interval_longer_than_the_source(say, film):
    result = say("", "watch", film, *MAX, "--every", "60", "what?")
    assert (result.code, result.out) == (0, "")
    assert "ended before the first question was due" in result.err


def test_only_so_much_is_watched(say, film):
    result = say("", "watch", film, *MAX, "--every", "1", "what?", "--end", "3")
    assert [line.split("\t")[0] for line in result.out.splitlines()] == ["00:00:01", "00:00:02"]


def test_a_video_on_the_standard_input(process, film):
    result = process("watch", "-", "--every", "1", "what?", "--fps", "1", stdin=film.open("rb"))
    assert result.code == 0, result.err
    assert result.out


@posix
def test_a_pipe_that_sends_nothing_is_said_and_can_be_left(command, place):
    words = command(["watch", "-", "--every", "1", "what?"])
    soon = "import vtc_cli.video.live as live; live.SILENCE = 0.2; "  # of ten seconds
    words = [*words[:2], soon + words[2], *words[3:]]
    running = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stderr is not None
    assert b"-: nothing has come from it yet" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=60) == 130
    assert running.stderr.read() == b"interrupted\n"
    running.communicate()


@posix
def test_interrupting_a_watch_finishes_its_memory(command, film, place):
    words = command(["watch", film, "--speed", "0.5", "--memory", *FAST])
    running = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _until_clips(running, place / "home", 0)
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"interrupted" in err
    assert b"Traceback" not in err
    assert _meta(place / "home", "state") == '"complete"'


@posix
def test_a_killed_watch_leaves_a_whole_memory(command, vtc, place, film):
    long = write_clip(place / "long.mp4", seconds=40, rate=2)
    words = command(["watch", long, "--speed", "20", "--memory", *FAST])
    running = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _until_clips(running, place / "home", 1)
    running.kill()
    running.wait(timeout=60)
    path = next((place / "home").glob("live-*/index.sqlite"))
    assert _meta(place / "home", "state") in ('"building"', '"complete"')
    shown = json.loads(vtc("memory", "export", path).out)
    cover = sorted((row["t0"], row["t1"]) for row in shown["coverage"])
    assert cover[0][0] == 0.0
    assert all(before[1] == after[0] for before, after in pairwise(cover))
    assert len(shown["clips"]) >= 1


@posix
def test_typing_on_a_terminal_while_it_watches(command, film):
    words = command(["watch", film, "--speed", "4", "--max-new-tokens", "4"])
    with on_a_terminal(words) as (running, main):
        read_until(main, b"/help lists the commands")
        os.write(main, b"what?\n")
        read_until(main, b"00:00:0")
        read_until(main, b"the source has ended; questions can still be asked")
        os.write(main, b"where?\n")
        read_until(main, b"00:00:03\t")
        os.write(main, b"/report\n")
        read_until(main, b"first token")
        os.write(main, b"\x04")
        assert running.wait(timeout=60) == 0


def _until_clips(running: subprocess.Popen, home, clips: int) -> None:
    deadline = time.monotonic() + 120
    while running.poll() is None and time.monotonic() < deadline:
        for path in home.glob("live-*/index.sqlite"):
            try:
                with sqlite3.connect(path) as file:
                    if file.execute("SELECT COUNT(*) FROM clip").fetchone()[0] >= clips:
                        return
            except sqlite3.Error:
                pass
        time.sleep(0.1)
    assert running.poll() is None, "it ended too early"


def _meta(home, key: str) -> str:
    with sqlite3.connect(next(home.glob("live-*/index.sqlite"))) as file:
        return file.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0]
