"""Families with one-frame units with every registered method, at least once each; and positions by slot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conformance.registered import of_stage
from tests.conformance.test_families import BUILDERS as SEVERAL_AXES
from tests.conformance.test_families import covering
from tests.conformance.witness import Witness
from tests.support import line_checkpoints, picture_checkpoints
from tests.support.checkpoints import random_pixels
from vtc_cli import CachePolicy, Frame, LayerPolicy, Session, UsageError, VideoLM, load_model
from vtc_cli.models.contract import Cursor
from vtc_cli.models.registry import FAMILIES, cannot

BUILDERS = {
    **picture_checkpoints.BUILDERS,
    **line_checkpoints.BUILDERS,
    "internvl-gpt-oss": picture_checkpoints.random_internvl_gpt_oss,
}
QUESTION = "Which colour does the moving square have?"


@pytest.fixture(scope="module", params=BUILDERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    if request.param == "perception-lm":
        pytest.importorskip("timm")
    folder = BUILDERS[request.param](tmp_path_factory.mktemp("checkpoint") / "model", vision_depth=6)
    return load_model(str(folder), device="cpu", dtype="float32")


def test_every_registered_family_is_here_or_among_those_of_several_axes() -> None:
    assert {family.name for family in FAMILIES} == {*BUILDERS, *SEVERAL_AXES}


def frames(count: int) -> list[Frame]:
    return [Frame(float(number), picture) for number, picture in enumerate(random_pixels(count, 50, 70, seed=4))]


def rows_of_a_unit(model: VideoLM) -> int:
    """Rows a whole unit appends, words around it included."""
    session = Session(model, cache="window", budget=1000)
    session.watch(frames(2))
    return session.entries // 2 + 1


@pytest.mark.parametrize(("pruner", "cache"), covering())
def test_pruner_and_cache_compose(model: VideoLM, pruner: Any, cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    film, budget = frames(12), 4 * rows_of_a_unit(model)
    witness = Witness(model, budget, monkeypatch)
    session = Session(model, pruner=pruner(), cache=cache(), budget=budget, question=QUESTION, chunk=3)
    session.watch(film[:5])
    session.ask(QUESTION, max_new_tokens=4)
    session.watch(film[5:])
    slab = session._context.slab
    witness.check(slab)
    assert sorted(set(witness.placed)) == list(range(12))
    mark, entries = slab.snapshot(), session.entries
    answers = [session.ask(QUESTION, max_new_tokens=4) for _ in range(2)]
    assert answers[0].ids == answers[1].ids
    assert slab.snapshot() == mark
    assert session.units == 12
    assert session.entries == entries <= budget
    assert session.meter.peaks["kv_budgeted_bytes"] <= budget * model.info.kv_bytes_per_token
    assert session.entries + session.evicted == session.meter.counts["rows"] == witness.rows
    assert 0 < session.meter.counts["visual_kept"] <= session.meter.counts["visual_in"]
    assert answers[0].evidence is not None


@pytest.mark.parametrize("cache", of_stage(CachePolicy))
def test_every_cache_evicts_and_answers_alike(model: VideoLM, cache: Any) -> None:
    """With every row kept the budget is outgrown, whatever the policy; chunks change nothing."""
    film, budget = frames(12), 4 * rows_of_a_unit(model)
    # Gemma 4 gives all values the same norm, so a choice by norms would be one by rounding.
    options = {"alpha": 1.0} if (model.info.family, cache.__name__) == ("gemma4", "InfiniPotV") else {}
    sessions = [
        Session(model, cache=cache(**options), budget=budget, question=QUESTION, chunk=chunk) for chunk in (1, 5)
    ]
    for session in sessions:
        session.watch(film)
        assert session.evicted > 0
    one, other = (session._context.slab for session in sessions)
    for mine, theirs in zip(one.blocks, other.blocks, strict=True):
        assert torch.equal(mine.patch[:, : mine.held], theirs.patch[:, : theirs.held])
        assert torch.equal(mine.unit[:, : mine.held], theirs.unit[:, : theirs.held])
    answers = [session.ask(QUESTION, max_new_tokens=4).ids for session in sessions]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("make", of_stage(LayerPolicy))
def test_every_layer_policy_runs_or_is_refused(model: VideoLM, make: Any) -> None:
    budget = 4 * rows_of_a_unit(model)
    if why := cannot(model.info.family, "layers"):
        with pytest.raises(UsageError, match=why):
            Session(model, layers=make(), budget=budget, question=QUESTION)
        return
    session = Session(model, layers=make(), budget=budget, question=QUESTION)
    session.watch(frames(12))
    context, slab = session._context, session._context.slab
    assert session.evicted > 0
    for length, gone, ran in zip(slab.lengths, context._dropped, session.meter.routed["prefill"].rows, strict=True):
        assert length + gone == ran
        assert length - slab.pinned <= budget
    mark = slab.snapshot()
    answers = [session.ask(QUESTION, max_new_tokens=4) for _ in range(2)]
    assert slab.snapshot() == mark
    assert answers[0].ids == answers[1].ids


def test_infinipot_v_numbers_entries_by_slot(model: VideoLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """A video longer than the model's context: from there on every key stands at its slot.

    The first layer's keys depend on nothing but a row and its position, so they can be had from the rows themselves.
    """
    if model.info.decoder.recurrent:
        pytest.skip("entries keep their positions where other layers keep a state")
    budget, turn = 4 * rows_of_a_unit(model), 64
    short = len(model.open(Cursor())) + turn + 2 * budget
    monkeypatch.setattr(model, "info", replace(model.info, context=short))
    rows: dict[tuple[int, int], Tensor] = {}
    forward = model.forward

    def watched(span: Any, cache: Any, **options: Any) -> Any:
        for unit, patch, row in zip(span.unit.tolist(), span.patch.tolist(), span.embeds, strict=True):
            rows[unit, patch] = row
        return forward(span, cache, **options)

    monkeypatch.setattr(model, "forward", watched)
    session = Session(model, cache="infinipot-v", budget=budget, chunk=2, max_turn=turn)
    session.watch(frames(12))
    slab = session._context.slab
    assert session.evicted > 0
    assert slab.numbered
    assert slab.get_seq_length() == slab.held < session.meter.counts["rows"]
    view, rotation = slab.view(0), model.rotation()
    assert rotation is not None
    attention = model._decoder.layers[0].self_attn  # type: ignore[attr-defined]
    norm = model._decoder.layers[0].input_layernorm  # type: ignore[attr-defined]
    checked = 0
    for head, (units, patches) in enumerate(zip(view.unit.tolist(), view.patch.tolist(), strict=True)):
        for slot, label in enumerate(zip(units, patches, strict=True)):
            if label[1] < 0:
                continue  # words share a label
            key = attention.k_proj(norm(rows[label])).unflatten(-1, (-1, attention.head_dim))[head][None, None]
            place = torch.tensor([[[slab.pinned + slot]]])
            torch.testing.assert_close(rotation.rotate(key, place)[0, 0], view.keys[head, slot], atol=1e-4, rtol=1e-4)
            checked += 1
    assert checked > 4
    mark = slab.snapshot()
    answers = [session.ask(QUESTION, max_new_tokens=4).ids for _ in range(2)]
    assert answers[0] == answers[1]
    assert slab.snapshot() == mark
