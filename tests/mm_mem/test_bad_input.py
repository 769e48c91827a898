"""What can be wrong with a video, its words, a question, or the moment somebody stops it: clear, safe, resumable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.mm_mem.test_commands import content
from tests.video.film import write_film
from vtc_cli.memory.narrator import ModelNarrator

FAST = ("-m", "mm-mem:tokens=4,last=S0,both_orders=false")
CHOICES = ("-c", "A=red", "-c", "B=blue")


@pytest.fixture(autouse=True)
def at_home(home: Path) -> None:
    """No memory outside the test's folder."""


@pytest.fixture
def hollow(clip: Path) -> Path:
    """A file that says it is a film and has no picture in it."""
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    clip.write_bytes(data)
    return clip


@pytest.mark.parametrize("words", [("index", *FAST), ("index", *FAST, "--snapshot"), ("ask", "what?", *FAST, *CHOICES)])
def test_no_decodable_frame_makes_no_memory(vtc, home, hollow, words) -> None:
    command, *rest = words
    result = vtc(command, hollow, *rest)
    assert (result.code, result.out) == (1, "")
    assert "frame" in result.err
    assert "Traceback" not in result.err
    assert not list(home.glob("*/index.sqlite*"))
    assert not list(home.glob("*/kv"))


@pytest.mark.parametrize("question", ["", "   ", "\n\t"])
def test_an_empty_question_is_refused_and_nothing_is_made(vtc, home, clip, question: str) -> None:
    result = vtc("ask", clip, question, *FAST)
    assert (result.code, result.out) == (2, "")
    assert "empty" in result.err
    assert not home.exists()


@pytest.mark.slow
def test_a_question_of_ten_thousand_characters(vtc, clip) -> None:
    """It is answered, or it is said that the model has no room for it; never anything else."""
    path = vtc("index", clip, *FAST).out.strip()
    before = content(path)
    result = vtc("ask", clip, "what " * 2000, *FAST, *CHOICES)
    assert result.code in (0, 2), result.err
    if result.code:
        assert "context" in result.err
    assert "Traceback" not in result.err
    assert content(path) == before
    assert vtc("ask", clip, "what?", *FAST, *CHOICES).code == 0


def test_subtitles_in_another_encoding_are_refused(vtc, home, clip) -> None:
    words = "1\n00:00:01,000 --> 00:00:02,000\nGrüße\n"
    clip.with_suffix(".srt").write_bytes(words.encode("latin1"))
    result = vtc("index", clip, *FAST)
    assert (result.code, result.out) == (2, "")
    assert "not UTF-8" in result.err
    assert "iconv" in result.err
    assert not list(home.glob("*/index.sqlite"))
    clip.with_suffix(".srt").write_text(words)
    assert json.loads(vtc("index", clip, *FAST, "--json").out)["subtitles"] == 1


def test_another_model_is_refused_and_named(vtc, clip) -> None:
    assert vtc("index", clip, *FAST).code == 0
    result = vtc("index", clip, *FAST, "--model", "tiny")
    assert result.code == 2
    assert "model is " in result.err
    assert "tiny@" in result.err
    assert "--force" in result.err


def test_what_a_model_writes_that_is_no_json_is_kept_as_words(vtc, clip) -> None:
    """A random model writes nothing that could be read; the memory is whole all the same."""
    assert vtc("index", clip, *FAST).code == 0
    shown = json.loads(vtc("memory", "export", clip).out)
    assert {event["status"] for event in shown["events"]} == {"no_schema"}
    assert shown["mentions"] == []


def test_stopped_while_it_describes(vtc, clip, monkeypatch) -> None:
    path = vtc("index", clip, *FAST).out.strip()
    whole = content(path)
    Path(path).unlink()
    write_all = ModelNarrator.write_all

    def stopped(self, tasks, *, limit):
        raise KeyboardInterrupt

    monkeypatch.setattr(ModelNarrator, "write_all", stopped)
    result = vtc("index", clip, *FAST)
    assert (result.code, result.out) == (130, "")
    monkeypatch.setattr(ModelNarrator, "write_all", write_all)
    assert vtc("ask", clip, "what?", *FAST, *CHOICES).code == 0  # goes on where it was
    assert content(path) == whole


def test_stopped_while_it_answers(vtc, clip, monkeypatch) -> None:
    path = vtc("index", clip, *FAST).out.strip()
    whole, look = content(path), ModelNarrator.look

    def stopped(self, *_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ModelNarrator, "look", stopped)
    assert vtc("ask", clip, "what?", *FAST, *CHOICES).code == 130
    monkeypatch.setattr(ModelNarrator, "look", look)
    assert content(path) == whole
    assert vtc("ask", clip, "what?", *FAST, *CHOICES).code == 0


def test_a_film_one_pixel_high(vtc, place, home) -> None:
    film = write_film(place / "line.mkv", numbers=range(3), rate=1, size=(64, 1), codec="ffv1", pixels="yuv444p")
    result = vtc("index", film, "-m", "mm-mem:captions=none")
    assert result.code == 0, result.err
    assert vtc("ask", film, "what?", *CHOICES, "-m", "mm-mem:last=S0").code == 0
