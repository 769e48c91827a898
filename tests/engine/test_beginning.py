"""Prompts that begin alike are answered as they are alone, and what they begin with is forwarded once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.engine.test_together import BUILDERS, loaded, watched
from vtc_cli import Frame, Session, UsageError, VideoLM
from vtc_cli.engine.beginning import shared
from vtc_cli.models.contract import Cursor

NOTES = "Notes about the video:\n[00:00-00:10] a red star, then a bell {rings} (twice)\n\n"
ASKED = ("Which bell?", "Question: who is it?\nAnswer in a few words.", "Do the notes help, 1 2 3?")
CHOICES = {"A": "a dog", "B": "a cat"}


class Rows:
    """How many rows a model is given at a time."""

    def __init__(self, model: VideoLM, monkeypatch: pytest.MonkeyPatch):
        self.counts: list[int] = []
        plain = model.forward

        def forward(span, *arguments, **named):
            self.counts.append(len(span))
            return plain(span, *arguments, **named)

        monkeypatch.setattr(model, "forward", forward)


def read(session: Session) -> list[torch.Tensor]:
    return [session.logits(NOTES + text, choices=CHOICES) for text in ASKED]


@pytest.mark.parametrize("family", sorted(BUILDERS))
def test_every_family_answers_as_it_does_alone(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(family, tmp_path / "model")
    session = watched(model, 3, 0)  # one unit is cut where a unit has two frames
    before, written = session.context, session.ask(NOTES + ASKED[0], max_new_tokens=6)
    alone = read(session)
    with session.beginning(NOTES):
        rows = Rows(model, monkeypatch)
        together = read(session)
        assert session.ask(NOTES + ASKED[0], max_new_tokens=6).ids == written.ids
        again = read(session)
    longest = max(len(model.question(Cursor(), text, CHOICES)) for text in ASKED)
    assert max(rows.counts) <= longest  # nothing of what they have in common
    for one, other, third in zip(alone, together, again, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)
        assert torch.equal(other, third)  # whatever was asked in between
    assert session.context == before
    assert torch.equal(read(session)[0], alone[0])


def test_a_prompt_that_begins_otherwise_is_answered_too(model: VideoLM) -> None:
    session = watched(model, 3, 1)
    alone = session.logits("Who is it?")
    with session.beginning(NOTES):
        session.logits(NOTES + "Who is it?")
        assert torch.equal(session.logits("Who is it?"), alone)
        torch.testing.assert_close(session.logits(NOTES), session.logits(NOTES))
    assert torch.equal(session.logits("Who is it?"), alone)


def test_what_is_refused_leaves_the_beginning_as_it_is(model: VideoLM, monkeypatch: pytest.MonkeyPatch) -> None:
    session = watched(model, 2, 2)
    with session.beginning(NOTES):
        first = session.logits(NOTES + "Who?")
        with pytest.raises(UsageError):
            session.ask(NOTES + "Who?" * 400)
        with monkeypatch.context() as broken:
            broken.setattr(model, "forward", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no")))
            with pytest.raises(RuntimeError, match="no"):
                session.logits(NOTES + "Why?")
        assert torch.equal(session.logits(NOTES + "Who?"), first)


def test_one_within_another_changes_nothing(model: VideoLM) -> None:
    session = watched(model, 2, 3)
    with session.beginning(NOTES):
        first = session.logits(NOTES + "Who?")
        with session.beginning(NOTES + "Wh"):
            assert torch.equal(session.logits(NOTES + "Who?"), first)
        assert torch.equal(session.logits(NOTES + "Who?"), first)


def test_nothing_to_begin_with_is_nothing(model: VideoLM, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Session(model, cache=None)
    with empty.beginning(NOTES), pytest.raises(UsageError, match="nothing has been watched"):
        empty.logits(NOTES)
    session = watched(model, 2, 4)
    rows = Rows(model, monkeypatch)
    with session.beginning(""):
        assert rows.counts == []


def test_watching_waits_for_the_end_of_the_block(model: VideoLM) -> None:
    session = watched(model, 2, 5)
    frames = [Frame(2.0, torch.zeros(3, 64, 64, dtype=torch.uint8)), Frame(3.0, torch.ones(3, 64, 64).byte())]
    with session.beginning(NOTES), pytest.raises(UsageError, match="in the cache"):
        session.watch(frames)
    assert session.units == 1


@pytest.mark.parametrize("text", ["a", "Who is", "line\n", "line\n\n", " ", "1.", "…"])
@pytest.mark.parametrize("end", ["A", "1", "When?", "Question: who?", "9 or 10"])
def test_what_is_shared_is_in_every_prompt(model: VideoLM, text: str, end: str) -> None:
    rows = shared(model, Cursor(), text)
    assert rows is not None
    assert torch.equal(model.question(Cursor(), text + end).ids[: len(rows)], rows.ids)
