"""A cache that was taken out of a session and put into another answers as it did."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.picture_checkpoints import BUILDERS
from vtc_cli import Frame, Session, UsageError, VideoLM, load_model
from vtc_cli.engine.kept import narrow

CHOICES = {"A": "red", "B": "blue"}
QUESTION = "Which colour does the moving square have?"


@pytest.fixture(scope="module")
def half(folder: Path) -> VideoLM:
    return load_model(str(folder), device="cpu", dtype="bfloat16")


def watched(model: VideoLM, count: int, **options) -> Session:
    generator = torch.Generator().manual_seed(3)
    session = Session(model, evidence=False, max_turn=256, pixels=64 * 64, **options)
    frames = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=generator)
    session.watch(Frame(float(place), image) for place, image in enumerate(frames))
    return session


@pytest.mark.parametrize(
    ("count", "cache", "cut"), [(24, "infinipot-v:budget=60", False), (13, "window:budget=60", True), (1, None, True)]
)
def test_it_answers_as_the_session_it_came_from(half: VideoLM, count: int, cache: str | None, cut: bool) -> None:
    """Compacted; with a cut unit, which a session forwards with every question, in other products; with only that."""
    session = watched(half, count, cache=cache)
    before, context = session.logits(QUESTION, choices=CHOICES), session.context
    kept = session.keep()
    assert session.context == context
    again = Session.of(half, kept, max_turn=256)
    after = again.logits(QUESTION, choices=CHOICES)
    if cut:
        torch.testing.assert_close(after, before, atol=0.1, rtol=0.1)
    else:  # every bit is there
        assert torch.equal(after, before)
        assert again.ask(QUESTION, max_new_tokens=8).ids == session.ask(QUESTION, max_new_tokens=8).ids
    assert [unit[:3] for unit in again.held()] == [unit[:3] for unit in session.held()]
    assert again.evicted == session.evicted
    assert all(value.device.type == "cpu" for value in kept.tensors.values())
    twice = Session.of(half, again.keep(), max_turn=256)
    assert torch.equal(twice.logits(QUESTION, choices=CHOICES), after)


def test_thirty_two_bits_are_kept_in_sixteen(model: VideoLM) -> None:
    session = watched(model, 24, cache="infinipot-v:budget=60")
    kept = session.keep()
    assert kept.dtype == "float16"
    again = Session.of(model, kept, max_turn=256)
    torch.testing.assert_close(again.logits(QUESTION), session.logits(QUESTION), atol=2e-2, rtol=2e-2)
    assert narrow(torch.tensor([1e5])).dtype == torch.bfloat16
    assert narrow(torch.tensor([1.0, -65504.0])).tolist() == [1.0, -65504.0]


def test_entries_that_are_numbered_by_slot(tmp_path: Path) -> None:
    folder = tmp_path / "line"
    BUILDERS["internvl"](folder)
    model = load_model(str(folder), device="cpu", dtype="bfloat16")
    session = watched(model, 12, cache="window:budget=80")
    session._context.slab.rotation = model.rotation()
    for block in session._context.slab.blocks:  # every row stands where it was appended: nothing was evicted twice
        held = block.held
        block.positions = torch.arange(held, dtype=torch.int32).expand(1, block.unit.shape[0], -1).clone()
    session._context.slab.renumber()
    again = Session.of(model, session.keep(), max_turn=256)
    assert again._context.slab.numbered
    assert torch.equal(again.logits(QUESTION), session.logits(QUESTION))


def test_it_cannot_watch_on(half: VideoLM) -> None:
    again = Session.of(half, watched(half, 4).keep(), max_turn=256)
    with pytest.raises(UsageError, match="no cache policy may evict any"):
        again.watch([Frame(float(at), torch.zeros(3, 64, 64, dtype=torch.uint8)) for at in range(2)])


def test_what_cannot_be_kept_or_put_back_is_refused(half: VideoLM) -> None:
    with pytest.raises(UsageError, match="nothing has been watched"):
        Session(half).keep()
    kept = watched(half, 4).keep()
    kept.facts["version"] = 99  # type: ignore[index]
    with pytest.raises(UsageError, match="another version"):
        Session.of(half, kept)
