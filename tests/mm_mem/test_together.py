"""Descriptions that the bundled model writes side by side are byte for byte those it writes one after another."""

from __future__ import annotations

import pytest
import torch

import vtc_cli.memory.narrator as narrating
from tests.mm_mem.fakes import Narration
from vtc_cli import Frame, load_model
from vtc_cli.engine.together import write_together
from vtc_cli.memory import Narrator, Task
from vtc_cli.memory.echo import EchoingNarrator
from vtc_cli.memory.narrator import ModelNarrator
from vtc_cli.train.world import frame_at, make_film

LIMIT = 40


def tasks() -> list[Task]:
    """Of one, three and two pictures, and one of none, which cannot be described."""
    found = []
    for seed, count in enumerate((1, 3, 2, 0)):
        film = make_film(910_000 + seed, "test", 4.0, aspect=1.0, max_things=3)
        frames = [
            Frame(float(at), torch.from_numpy(frame_at(film, at, (96, 96))).permute(2, 0, 1)) for at in range(count)
        ]
        found.append(Task(frames, ("Describe the video as JSON.", "Describe the video.")[seed % 2]))
    return found


@pytest.fixture(scope="module")
def narrator() -> ModelNarrator:
    return ModelNarrator(load_model("tiny", device="cpu"))


def test_the_bundled_model_writes_the_same(narrator: ModelNarrator, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []

    def counted(model, begun, limit):
        groups.append(len(begun))
        return write_together(model, begun, limit)

    monkeypatch.setattr(narrating, "write_together", counted)
    asked = tasks()
    room = max(narrator.count(task.prompt) for task in asked) + LIMIT
    alone = [narrator.look(task.frames, room=room).write(task.prompt, limit=LIMIT) for task in asked if task.frames]
    assert narrator.write_all(asked, limit=LIMIT) == [*alone, None]
    assert groups == [3]
    assert len({one.text for one in alone}) == 3
    # What does not fit side by side is written in turns.
    monkeypatch.setattr(narrating, "TOGETHER", 1)
    assert narrator.write_all(asked, limit=LIMIT) == [*alone, None]
    assert groups == [3, 1, 1, 1]


def test_pictures_are_taken_in_one_task_at_a_time(narrator: ModelNarrator, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    look = ModelNarrator.look

    def looking(self, frames, **options):
        order.append("looked")
        return look(self, frames, **options)

    def given():
        for task in tasks()[:3]:
            order.append("given")
            yield task

    monkeypatch.setattr(ModelNarrator, "look", looking)
    narrator.write_all(given(), limit=1)
    assert order == ["given", "looked"] * 3


def test_a_model_that_writes_one_at_a_time_does(narrator: ModelNarrator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(narrator.model), "writes_together", False)
    monkeypatch.setattr(narrating, "write_together", lambda *_: pytest.fail("side by side"))
    one = tasks()[0]
    found = narrator.write_all([one], limit=4)
    assert found[0] is not None
    assert found[0].tokens == 4


def test_what_was_written_before_is_not_written_again() -> None:
    asked, inner = tasks()[:2], Narration()
    echo: Narrator = EchoingNarrator(inner)
    first = echo.write_all(asked[:1], limit=9)
    assert echo.write_all(asked, limit=9)[:1] == first
    assert inner.batches == [1, 1]
