"""A session on a real model class: with nothing compressed it is the library's own forward; evicting is masking."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.engine.comparing import memory_of
from tests.models.reference import frames_of, naive_patches, one_shot, prompt_text
from tests.support.checkpoints import random_pixels
from vtc_cli import Session, UsageError, VideoLM
from vtc_cli.models.contract import Span

QUESTION = "Which colour does the moving square have?"
CELL, ROWS, COLUMNS = 16, 3, 4


def first_logits(session: Session, question: str = QUESTION) -> Tensor:
    """Logits at the answer's first position, by the session's own steps, rolled back."""
    context = session._context
    cut = session._complete()
    mark = context.slab.snapshot()
    start = cut[-1][1].cursor if cut else context.cursor
    spans = [*(span for _, span in cut), session.model.question(start, question)]
    try:
        return context.forward(Span.join(spans), "question")
    finally:
        context.slab.rollback(mark)


@pytest.mark.parametrize("chunk", [1, 2, 7])
@pytest.mark.parametrize(("count", "system"), [(16, None), (9, "Be brief.")])
def test_c1_without_methods_logits_and_answers_are_the_librarys(
    model: Any, reference: Any, chunk: int, count: int, system: str | None
) -> None:
    images = random_pixels(count, ROWS * CELL, COLUMNS * CELL, seed=count)
    frames = frames_of(images)
    session = Session(model, chunk=chunk, system=system, pixels=ROWS * COLUMNS * CELL**2)
    session.watch(frames[:5])
    session.watch(frames[5:])

    text = prompt_text(model.tokenizer, [frame.time for frame in frames], ROWS * COLUMNS, QUESTION, system)
    ids = torch.tensor(model.tokenizer(text, add_special_tokens=False)["input_ids"])
    patches, grid = naive_patches(images, 8, 2), ((count + 1) // 2, ROWS * 2, COLUMNS * 2)
    expected = one_shot(reference, ids, patches, grid).logits[0, -1]
    torch.testing.assert_close(first_logits(session), expected, atol=1e-4, rtol=0)
    assert expected.std() > 0.5

    answer = session.ask(QUESTION, max_new_tokens=4)
    whole = ids
    for token in answer.ids:
        assert int(one_shot(reference, whole, patches, grid).logits[0, -1].argmax()) == token
        whole = torch.cat([whole, torch.tensor([token])])
    assert answer.evicted == 0
    assert answer.counts["context"] + answer.counts["completing"] + answer.counts["prompt"] == len(ids)


@pytest.mark.parametrize("way", ["whole model", "decoder"])
def test_c12_a_mask_that_would_hide_keys_of_a_session_is_refused(model: Any, way: str) -> None:
    session = Session(model, cache="window:target=1/2", budget=60, pixels=ROWS * COLUMNS * CELL**2)
    session.watch(frames_of(random_pixels(12, ROWS * CELL, COLUMNS * CELL)))
    slab = session._context.slab
    assert slab.held < slab.seen
    run = model.model.model if way == "whole model" else model.model.model.language_model
    rows = {"inputs_embeds": torch.zeros(1, 2, model.info.decoder.hidden), "past_key_values": slab}
    rows["position_ids"] = torch.full((3, 1, 2), slab.seen)
    mark = slab.snapshot()
    for wrong in (2, slab.held, slab.held + 2, slab.seen):
        with pytest.raises(UsageError, match=f"mask of {wrong:,} columns does not fit: {slab.seen:,} rows seen"):
            run(**rows, attention_mask=torch.ones(1, wrong, dtype=torch.int64))
    assert slab.snapshot() == mark
    run(**rows, attention_mask=torch.ones(1, slab.seen + 2, dtype=torch.int64))
    slab.rollback(mark)


def test_full_frames_and_shrunk_ones_are_watched_alike(model: Any) -> None:
    """Whoever decodes may make frames small before they come; the session does it to those that are not."""
    frames = frames_of(random_pixels(9, 90, 130, seed=3))
    geometry = model.geometry((130, 90), ROWS * COLUMNS * CELL**2)
    full, small = Session(model, geometry=geometry, chunk=2), Session(model, geometry=geometry, chunk=2)
    full.watch(frames)
    small.watch(model.shrink(frame, geometry) for frame in frames)
    for mine, theirs in zip(memory_of(full)[0], memory_of(small)[0], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    assert torch.equal(first_logits(full), first_logits(small))
    (waiting,) = full._tail
    assert tuple(waiting.image.shape[-2:]) == geometry.size != (90, 130)
    assert min(full.meter.seconds[stage] for stage in ("preprocess", "vision", "prefill")) > 0


@pytest.mark.parametrize("policy", ["window", "uniform-cache"])
@pytest.mark.parametrize("pruner", [None, "uniform:retain=1/3", "random:retain=50%,seed=4"])
@pytest.mark.parametrize("chunk", [2, 7])
def test_c3_chunks_change_nothing_on_a_real_model(model: VideoLM, policy: str, pruner: str | None, chunk: int) -> None:
    frames = frames_of(random_pixels(25, ROWS * CELL, COLUMNS * CELL, seed=3))
    sessions = [
        Session(model, cache=policy, pruner=pruner, budget=90, chunk=size, pixels=ROWS * COLUMNS * CELL**2)
        for size in (1, chunk)
    ]
    for session in sessions:
        session.watch(frames)
    one, other = sessions
    assert one.evicted == other.evicted > 0
    assert one.meter.peaks["kv_budgeted_bytes"] <= 90 * model.info.kv_bytes_per_token
    for mine, theirs in zip(one._context.slab.blocks, other._context.slab.blocks, strict=True):
        assert torch.equal(mine.unit[:, : one.context], theirs.unit[:, : one.context])
        assert torch.equal(mine.patch[:, : one.context], theirs.patch[:, : one.context])
    torch.testing.assert_close(first_logits(one), first_logits(other), atol=1e-4, rtol=0)


def test_c9_the_question_starts_one_after_everything_before_it(model: Any, reference: Any) -> None:
    """Also after evictions: positions are those of the whole video, as the library numbers it."""
    images = random_pixels(12, ROWS * CELL, COLUMNS * CELL, seed=8)
    frames = frames_of(images)
    session = Session(model, budget=70, pixels=ROWS * COLUMNS * CELL**2)
    session.watch(frames)
    session.ask(QUESTION, max_new_tokens=2)
    assert session.evicted > 0
    text = prompt_text(model.tokenizer, [frame.time for frame in frames], ROWS * COLUMNS, QUESTION)
    ids = torch.tensor(model.tokenizer(text, add_special_tokens=False)["input_ids"])
    kinds = (ids == reference.config.video_token_id).int() * 2
    positions, _ = reference.model.get_rope_index(
        ids[None], mm_token_type_ids=kinds[None], video_grid_thw=torch.tensor([[6, ROWS * 2, COLUMNS * 2]])
    )
    span = model.question(session._context.cursor, QUESTION)
    assert torch.equal(span.positions, positions[:, 0, -len(span) :])
    everything_before = positions[:, 0, : -len(span)]
    assert int(span.positions.min()) == int(everything_before.max()) + 1


def test_evidence_points_into_the_video_and_answers_do_not_change(model: VideoLM) -> None:
    frames = frames_of(random_pixels(20, ROWS * CELL, COLUMNS * CELL, seed=1), gap=1.0)
    with_it = Session(model, budget=80, pixels=ROWS * COLUMNS * CELL**2)
    without = Session(model, budget=80, pixels=ROWS * COLUMNS * CELL**2, evidence=False)
    for session in (with_it, without):
        session.watch(frames)
    answer, plain = with_it.ask(QUESTION, max_new_tokens=6), without.ask(QUESTION, max_new_tokens=6)
    assert answer.ids == plain.ids
    assert plain.evidence is None
    assert answer.evidence is not None
    alive = {int(unit) for unit in with_it._context.slab.view(0).unit.unique()}
    assert {moment.time for moment in answer.evidence} <= {2.0 * unit + 0.5 for unit in alive}
    assert 0 < sum(moment.score for moment in answer.evidence) <= 1 + 1e-9
    choice = with_it.ask(QUESTION, choices={"A": "red", "B": "blue"})
    assert choice.evidence is not None


def test_c13_time_tags_grow_and_a_video_of_known_length_still_fits_whole(model: VideoLM) -> None:
    """Units are not of constant length; a default budget for a known number of units leaves room for longer tags."""
    frames = frames_of(random_pixels(40, ROWS * CELL, COLUMNS * CELL, seed=2), gap=2000.0)
    session = Session(model, units=20, pixels=ROWS * COLUMNS * CELL**2)
    session.watch(frames)
    assert session.allowance is not None
    assert session.allowance.reason == "the whole video fits"
    assert session.evicted == 0
    unit = session._context.slab.view(0).unit[0]
    lengths = torch.bincount(unit.long())
    assert int(lengths.max()) > int(lengths[0]) > ROWS * COLUMNS
    assert int(unit.max()) == 19


def test_kv_bytes_per_token_is_what_a_row_costs(model: VideoLM) -> None:
    session = Session(model, budget=200, pixels=ROWS * COLUMNS * CELL**2)
    session.watch(frames_of(random_pixels(4, ROWS * CELL, COLUMNS * CELL, seed=2)))
    assert session.kv_bytes == session.context * model.info.kv_bytes_per_token
