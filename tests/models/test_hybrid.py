"""Decoders of which some layers keep a state and no entries: what is compacted, what is taken back, what is refused."""

from __future__ import annotations

import pytest
import torch

from tests.models.families import CELL, QUESTION, Loaded, load, spans_of
from tests.models.greedy import greedy
from tests.models.slabs import slab_with
from tests.report.counting import counter
from tests.support.checkpoints import random_pixels
from tests.support.masking import all_but_kept_hidden, random_choice
from vtc_cli import Frame, Session
from vtc_cli.engine.recurrent import RecurrentLayer, State
from vtc_cli.engine.slab import Slab
from vtc_cli.errors import UsageError
from vtc_cli.models.catalog import facts_of
from vtc_cli.models.contract import Cursor, Span
from vtc_cli.report import flops
from vtc_cli.report.flops import Forwards

CAPACITY = 200


@pytest.fixture(scope="module", params=["qwen3.5", "qwen3.5-moe"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(request.param, tmp_path_factory.mktemp("checkpoint") / "model")


def test_only_full_attention_layers_have_entries(family: Loaded) -> None:
    dims = family.model.info.decoder
    assert (dims.layers, dims.cached, dims.recurrent) == (4, 2, (0, 2))
    slab = slab_with(family.model, spans_of(family.model, family.watch(random_pixels(6, 3 * CELL, 4 * CELL))), CAPACITY)
    assert [isinstance(layer, RecurrentLayer) for layer in slab.layers] == [True, False, True, False]
    assert slab.nbytes == slab.held * family.model.info.kv_bytes_per_token
    assert facts_of(family.folder).kv_bytes_per_token("float32") == family.model.info.kv_bytes_per_token
    # Four heads of 8 x 12 in fp32, and four columns of 2 x 2 x 8 + 4 x 12 channels, in two layers.
    assert slab.state_nbytes == 2 * (4 * 8 * 12 + 4 * (2 * 2 * 8 + 4 * 12)) * 4
    assert dims.state_bytes == sum(layer.recurrent_states[0].nbytes for layer in slab.states) == 2 * 4 * 8 * 12 * 4


def test_evicted_entries_equal_masked_ones(family: Loaded) -> None:
    """Other entries in each head; the states have seen everything in both runs."""
    model = family.model
    *before, question = spans_of(model, family.watch(random_pixels(6, 3 * CELL, 4 * CELL, seed=3)))
    slab = slab_with(family.model, before, CAPACITY)
    held, pinned = slab.held, slab.pinned
    kept = random_choice(len(slab.blocks), 2, held - pinned, 20, seed=1)
    slab.compact(kept)
    slab.expect(question.unit, question.patch, question.positions)
    ours = model.forward(question, slab)

    whole, rows = family.cache(), len(question)
    family.model.forward(Span.join(before), whole)
    with all_but_kept_hidden(model._decoder.layers, {1: kept[0], 3: kept[1]}, pinned, held, rows):
        theirs = model.forward(question, whole)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    untouched = model.forward(question, slab_with(family.model, before, CAPACITY))
    assert (untouched - theirs).abs().max() > 1e-2


def test_a_rollback_takes_the_states_back(family: Loaded) -> None:
    model = family.model
    *before, question = spans_of(model, family.watch(random_pixels(4, 2 * CELL, 3 * CELL, seed=5)))
    slab = slab_with(family.model, before, CAPACITY)
    mark, answers = slab.snapshot(), []
    for _ in range(3):
        # One row at a time, which shifts the convolution's columns in place.
        answers.append(greedy(model, slab, model.forward(question, slab), question.cursor, 4))
        assert slab.snapshot() != mark
        slab.rollback(mark)
        assert slab.snapshot() == mark
    assert answers[0][0] == answers[1][0] == answers[2][0]
    assert torch.equal(answers[0][1], answers[2][1])
    expected = slab_with(family.model, before, CAPACITY)
    assert expected.snapshot().states == mark.states


def test_a_forward_that_fails_half_way_leaves_no_trace(family: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    model = family.model
    session = Session(model, budget=120, pixels=64 * 96)
    frames = [Frame(float(number), picture) for number, picture in enumerate(random_pixels(6, 64, 96))]
    session.watch(frames[:4])
    mark = session._context.slab.snapshot()
    monkeypatch.setattr(model._decoder.layers[3], "forward", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        session.watch(frames[4:])
    assert session._context.slab.snapshot() == mark
    fresh = slab_with(family.model, [], CAPACITY)
    empty = fresh.snapshot()
    with pytest.raises(ZeroDivisionError):
        model.forward(model.open(Cursor()), fresh)
    fresh.rollback(empty)
    assert fresh.snapshot() == empty
    assert fresh.states[0].snapshot() == State(None, None)


def test_asking_and_forgetting_leave_no_trace(family: Loaded) -> None:
    frames = [Frame(float(number), picture) for number, picture in enumerate(random_pixels(24, 64, 96))]
    asked, quiet = (Session(family.model, budget=120, pixels=64 * 96) for _ in range(2))
    for start in range(0, 24, 8):
        asked.watch(frames[start : start + 8])
        asked.ask("what is it?", max_new_tokens=4)
    quiet.watch(frames)
    assert asked.evicted > 0
    assert asked._context.slab.snapshot().states == quiet._context.slab.snapshot().states
    assert asked.ask(QUESTION, max_new_tokens=6).ids == quiet.ask(QUESTION, max_new_tokens=6).ids
    slab = asked._context.slab
    slab.reset()
    assert slab.states[0].snapshot() == State(None, None)


def test_layer_policies_are_refused_with_the_reason(family: Loaded) -> None:
    with pytest.raises(UsageError, match=r"layer policy, and the qwen3\.5.* family runs none: most of its layers"):
        Session(family.model, layers="fastv")


def test_a_slab_without_a_layer_that_keeps_entries_is_refused() -> None:
    with pytest.raises(ValueError, match="not 0 x 8"):
        Slab(2, 8, recurrent=(0, 1))


def test_projections_equal_the_counter(family: Loaded) -> None:
    """One row, whose recurrence the library computes without a matrix product; the convolution is not counted."""
    model, dims = family.model, family.model.info.decoder
    if family.name != "qwen3.5":
        pytest.skip("the counter does not see grouped experts")
    cache = family.cache()
    span = model.open(Cursor())
    model.forward(span, cache)
    with counter() as measured:
        model.forward(model.continuation(span.cursor, [5]), cache)
    linear = dims.linear
    assert linear is not None
    recurrence = 2 * 6 * linear.heads * linear.key_dim * linear.value_dim
    convolution = measured.get_flop_counts()["Global"][torch.ops.aten.convolution]
    ours = flops.decoder(dims, Forwards.one(1, len(span)), "square")
    assert measured.get_total_flops() - convolution == ours - recurrence
