"""FastV on a real model class: what it ranks by, what leaves, and that keeping everything is no policy at all."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache
from vtc_baselines.fastv import FastV

from tests.engine.comparing import memory_of
from tests.engine.test_layering import QUESTION, hidden_from, spans_of
from tests.models.reference import frames_of
from tests.support.checkpoints import random_pixels, random_qwen3_vl
from vtc_cli import LayerRows, Route, Session, UsageError, load_model
from vtc_cli.methods import choose
from vtc_cli.models.contract import Span

DEPTH, CELL, ROWS, COLUMNS = 5, 16, 3, 4
PIXELS = ROWS * COLUMNS * CELL**2


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = random_qwen3_vl(tmp_path_factory.mktemp("checkpoint") / "deep", layers=DEPTH)
    return load_model(str(folder), device="cpu", dtype="float32", attention="eager")


def expected_to_leave(model: Any, span: Span, layer: int, keep: int) -> Tensor:
    """bool [n], from the weights the eager kernel of layer `layer - 1` returns, unit by unit, written out."""
    paid: list[Tensor] = []
    block = model.model.model.language_model.layers[layer - 1]
    handle = block.self_attn.register_forward_hook(lambda _, args, output: paid.append(output[1][0].mean(0)))
    model.forward(span, DynamicCache())
    handle.remove()
    leave = torch.zeros(len(span), dtype=torch.bool)
    for unit in range(int(span.unit.max()) + 1):
        rows = [row for row in range(len(span)) if span.unit[row] == unit]
        seen = sorted((row for row in rows if span.patch[row] >= 0), key=lambda row: -float(paid[0][rows[-1], row]))
        leave[seen[keep:]] = True
    return leave


@pytest.mark.parametrize(("layer", "retain", "keep"), [(1, 1 / 2, 6), (2, 1 / 4, 3), (4, 0.01, 1), (3, 11 / 12, 11)])
def test_the_least_attended_rows_leave_and_the_rest_is_masking(
    eager: Any, layer: int, retain: float, keep: int
) -> None:
    whole = Span.join(spans_of(eager))
    leave = expected_to_leave(eager, whole, layer, keep)
    with hidden_from(eager, layer, leave):
        expected = eager.forward(whole, DynamicCache())
    cache = DynamicCache()
    ours = eager.forward(whole, cache, layers=FastV(layer, retain))
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)
    kept = len(whole) - 3 * (12 - keep)
    assert [cache.get_seq_length(number) for number in range(DEPTH)] == [len(whole)] * layer + [kept] * (DEPTH - layer)
    assert FastV(layer, retain).entries(12, DEPTH) == [12] * layer + [keep] * (DEPTH - layer)


def test_keeping_everything_is_no_policy_bit_for_bit(eager: Any) -> None:
    frames = frames_of(random_pixels(15, ROWS * CELL, COLUMNS * CELL, seed=5))
    sessions = [
        Session(eager, layers=layers, budget=90, chunk=2, pixels=PIXELS) for layers in (None, "fastv:retain=1,layer=3")
    ]
    for session in sessions:
        session.watch(frames)
        session.answer = session.ask(QUESTION, max_new_tokens=6)  # type: ignore[attr-defined]
    plain, kept = sessions
    assert plain.answer.ids == kept.answer.ids  # type: ignore[attr-defined]
    assert plain.answer.evidence == kept.answer.evidence  # type: ignore[attr-defined]
    assert plain.evicted == kept.evicted > 0
    assert kept.meter.routed["prefill"].flops == 0
    mine, theirs = memory_of(plain), memory_of(kept)
    assert mine[2] == theirs[2]
    for one, other in zip((*mine[0], *mine[1]), (*theirs[0], *theirs[1]), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    span = Span.join(spans_of(eager))
    assert torch.equal(
        eager.forward(span, DynamicCache()), eager.forward(span, DynamicCache(), layers=FastV(retain=1.0))
    )


def test_a_unit_is_settled_without_what_comes_after_it(eager: Any) -> None:
    """The same rows leave whether units come one at a time or all at once, and whatever follows."""

    class Told(FastV):
        stayed: list[Tensor]

        def enter(self, rows: LayerRows) -> Route:
            route = super().enter(rows)
            if route.stay is not None:
                self.stayed.append(torch.stack([rows.unit, rows.patch])[:, route.stay])
            return route

    spans, places = spans_of(eager, count=8), []
    for parts in ([[span] for span in spans], [spans], [spans[:3], spans[3:]]):
        policy, cache = Told(layer=2, retain=1 / 3), DynamicCache()
        policy.stayed = []
        for part in parts:
            eager.forward(Span.join(part), cache, layers=policy)
        both = torch.cat(policy.stayed, dim=1)
        places.append(both[:, both[1] >= 0])
    assert places[0].shape == (2, 4 * 4)
    assert all(torch.equal(places[0], other) for other in places[1:])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("retain=0", "above 0"),
        ("retain=1.5", "at most 1"),
        ("retain=abc", "retain=abc"),
        ("layer=0", "at least 1"),
        ("layer=-1", "at least 1"),
        ("layer=1.5", "layer=1.5"),
    ],
)
def test_impossible_options_are_usage_errors(options: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        choose(f"fastv:{options}")


def test_a_layer_the_model_does_not_have_is_refused(eager: Any) -> None:
    with pytest.raises(UsageError, match="layer must be below 5"):
        Session(eager, layers="fastv:layer=5")
