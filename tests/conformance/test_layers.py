"""Every registered layer policy, with every pruner and every cache, on a real model class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conformance.registered import of_stage
from tests.support.checkpoints import random_pixels, random_qwen3_vl
from vtc_cli import CachePolicy, Frame, LayerPolicy, Session, TokenPruner, VideoLM, load_model

QUESTION, BUDGET = "What colour is the circle?", 120
every = pytest.mark.parametrize("make", of_stage(LayerPolicy))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    # Deep enough for methods that name a layer, of the tower or of the decoder, by its usual number.
    folder: Path = random_qwen3_vl(tmp_path_factory.mktemp("checkpoint"), vision_depth=27, vision_hidden=16, layers=4)
    return load_model(str(folder), device="cpu", dtype="float32")


def frames(count: int) -> list[Frame]:
    return [Frame(float(number), picture) for number, picture in enumerate(random_pixels(count, 64, 96, seed=4))]


def session(model: VideoLM, make: Any, **options: Any) -> Session:
    return Session(model, layers=make(), budget=BUDGET, pixels=64 * 96, question=QUESTION, **options)


def check_books(item: Session, asks_ahead: bool = False) -> None:
    """Every row that ran through a layer is in its cache or was evicted from it, and no layer is above the budget.

    asks_ahead: the question ran through the layers while watching, and went again.
    """
    context, model = item._context, item.model
    slab = context.slab
    for length, gone, ran in zip(slab.lengths, context._dropped, item.meter.routed["prefill"].rows, strict=True):
        assert length + gone == ran or (asks_ahead and length + gone < ran)
        assert length - slab.pinned <= BUDGET
    assert item.meter.peaks["kv_budgeted_bytes"] <= BUDGET * model.info.kv_bytes_per_token
    for layer in range(len(slab.blocks)):
        view = slab.view(layer)
        order = view.unit.long() * 1000 + torch.where(view.patch < 0, 0, view.patch.long() + 1)
        text_after = view.patch[:, 1:] < 0
        assert bool(((order[:, 1:] > order[:, :-1]) | text_after).all()), "rows stay in order"


@every
@pytest.mark.parametrize("cache", of_stage(CachePolicy))
@pytest.mark.parametrize("pruner", [pytest.param(lambda: None, id="none"), *of_stage(TokenPruner)])
def test_it_composes(model: VideoLM, make: Any, pruner: Any, cache: Any) -> None:
    item = session(model, make, pruner=pruner(), cache=cache(), chunk=3)
    film = frames(21)
    item.watch(film[:9])
    item.ask(QUESTION, max_new_tokens=3)
    item.watch(film[9:])
    check_books(item, asks_ahead=cache().by_question())
    slab = item._context.slab
    mark = slab.snapshot()
    answers = [item.ask(QUESTION, max_new_tokens=3) for _ in range(2)]
    assert answers[0].ids == answers[1].ids
    assert slab.snapshot() == mark
    assert answers[0].evidence is not None


@every
def test_chunks_and_calls_change_nothing(model: VideoLM, make: Any) -> None:
    film, sessions = frames(25), []
    for chunk, step in ((1, 25), (2, 9), (5, 25)):
        item = session(model, make, chunk=chunk)
        for start in range(0, 25, step):
            item.watch(film[start : start + step])
        sessions.append(item)
    one = sessions[0]
    assert one.evicted > 0
    for other in sessions[1:]:
        for mine, theirs in zip(one._context.slab.blocks, other._context.slab.blocks, strict=True):
            assert mine.held == theirs.held
            for name in ("unit", "patch"):
                assert torch.equal(getattr(mine, name)[:, : mine.held], getattr(theirs, name)[:, : mine.held])
            torch.testing.assert_close(mine.keys[:, :, : mine.held], theirs.keys[:, :, : mine.held], atol=1e-4, rtol=0)


@every
def test_it_repeats_itself_and_reset_forgets(model: VideoLM, make: Any) -> None:
    policy = make()
    answers = []
    for _ in range(2):
        item = session(model, lambda: policy)
        item.watch(frames(11))
        answers.append((item.ask(QUESTION, max_new_tokens=4).ids, item._context.slab.lengths))
    assert answers[0] == answers[1]


@every
def test_what_it_foretells_is_what_happens(model: VideoLM, make: Any) -> None:
    item = session(model, make)
    item.watch(frames(4))
    info, counts = model.info, item.meter.counts
    per_unit = counts["visual_kept"] // counts["units"]
    text = item._context.slab.pinned + counts["rows"] - counts["visual_kept"]
    foretold = make().entries(per_unit, info.decoder.layers)
    assert item.meter.routed["prefill"].rows == [text + 2 * visual for visual in foretold]
