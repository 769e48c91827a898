"""Answers that are written side by side are those that are written one after another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support import glm_checkpoints, line_checkpoints, picture_checkpoints, qwen_checkpoints
from vtc_cli import Frame, Session, UsageError, VideoLM, load_model
from vtc_cli.engine.together import write_together

LIMIT = 12
QUESTIONS = ("what is it?", "which colour does the moving square have, and where does it go to?", "who?")


BUILDERS = {
    **qwen_checkpoints.BUILDERS,
    **glm_checkpoints.BUILDERS,
    **line_checkpoints.BUILDERS,
    **picture_checkpoints.BUILDERS,
}
ALONE = ("gemma4", "minicpm-v-4.6", "qwen3.5", "qwen3.5-moe")
"""Families whose layers keep something else than all keys and values."""


def loaded(family: str, folder: Path) -> VideoLM:
    if family == "perception-lm":
        pytest.importorskip("timm")
    BUILDERS[family](folder)
    return load_model(str(folder), device="cpu", dtype="float32")


def watched(model: VideoLM, count: int, seed: int) -> Session:
    generator = torch.Generator().manual_seed(seed)
    session = Session(model, cache=None, evidence=False, max_turn=256, pixels=64 * 64, units=count)
    frames = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=generator)
    session.watch(Frame(float(place), image) for place, image in enumerate(frames))
    return session


@pytest.mark.parametrize("family", sorted(set(BUILDERS) - set(ALONE)))
def test_the_same_tokens_as_alone(family: str, tmp_path: Path) -> None:
    model = loaded(family, tmp_path / "model")
    assert model.writes_together
    # Of different lengths, one of them with a unit that is cut, so that columns are masked on the left.
    sessions = [watched(model, count, seed) for seed, count in enumerate((1, 5, 2))]
    alone = [session.ask(text, max_new_tokens=LIMIT) for session, text in zip(sessions, QUESTIONS, strict=True)]
    held = [session.context for session in sessions]
    begun = [session.begin(text, max_new_tokens=LIMIT) for session, text in zip(sessions, QUESTIONS, strict=True)]
    assert [session.context for session in sessions] == held  # it has left no trace
    assert len({one.length for one in begun}) == 3
    found = write_together(model, begun, LIMIT)
    assert [one.ids for one in found] == [one.ids for one in alone]
    assert [one.finish for one in found] == [one.finish for one in alone]
    assert all(not one.rows for one in begun)  # the caches are not there twice


def test_one_that_ends_first_does_not_disturb_the_others(model: VideoLM, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = [watched(model, count, seed) for seed, count in enumerate((1, 5, 2))]
    answers = [session.ask(text, max_new_tokens=LIMIT).ids for session, text in zip(sessions, QUESTIONS, strict=True)]
    ends = answers[0][2]
    monkeypatch.setattr(type(model), "stop_ids", frozenset({ends}))
    alone = [session.ask(text, max_new_tokens=LIMIT) for session, text in zip(sessions, QUESTIONS, strict=True)]
    begun = [session.begin(text, max_new_tokens=LIMIT) for session, text in zip(sessions, QUESTIONS, strict=True)]
    found = write_together(model, begun, LIMIT)
    assert [(one.ids, one.finish) for one in found] == [(one.ids, one.finish) for one in alone]
    assert found[0].finish == "stop"
    assert len(found[0].ids) <= 2


def test_it_is_refused_like_a_question(model: VideoLM) -> None:
    session = watched(model, 1, 0)
    with pytest.raises(UsageError, match="reserved for a turn"):
        session.begin("what?", max_new_tokens=10_000)
    with pytest.raises(UsageError, match="empty"):
        session.begin(" ", max_new_tokens=1)


@pytest.mark.parametrize("family", ALONE)
def test_a_family_that_cannot_says_so(family: str, tmp_path: Path) -> None:
    model = loaded(family, tmp_path / "model")
    assert not model.writes_together
    with pytest.raises(UsageError, match="writes one answer at a time"):
        model.forward_together([], None, torch.zeros(0, 1))
