"""Rows that leave the sequence inside the decoder, against hand-written references on a real model class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from tests.models.reference import frames_of
from tests.support.checkpoints import random_pixels, random_qwen3_vl
from vtc_cli import LayerPolicy, LayerRows, Route, VideoLM, load_model
from vtc_cli.models.contract import Cursor, Span

QUESTION, CELL, ROWS, COLUMNS, DEPTH = "Which colour does the square have?", 16, 3, 4, 5
PIXELS = ROWS * COLUMNS * CELL**2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    folder = random_qwen3_vl(tmp_path_factory.mktemp("checkpoint") / "deep", layers=DEPTH)
    return load_model(str(folder), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    folder: Path = random_qwen3_vl(tmp_path_factory.mktemp("checkpoint") / "deep", layers=DEPTH)
    return load_model(str(folder), device="cpu", dtype="float32", attention="eager")


@dataclass
class EveryOther(LayerPolicy):
    """Visual rows with odd places leave before `layer`."""

    layer: int = 2

    def acts_at(self, layers: int) -> list[int]:
        return [self.layer]

    def enter(self, rows: LayerRows) -> Route:
        return Route(stay=((rows.patch < 0) | (rows.patch % 2 == 0)).nonzero()[:, 0])

    def entries(self, visual: int, layers: int) -> list[int]:
        return [visual if layer < self.layer else (visual + 1) // 2 for layer in range(layers)]


@dataclass
class Depths(LayerPolicy):
    """At every second layer only places divisible by four run, with a gate on what the layer adds."""

    gate: float = 1.0

    def acts_at(self, layers: int) -> range:
        return range(1, layers, 2)

    def enter(self, rows: LayerRows) -> Route:
        through = ((rows.patch < 0) | (rows.patch % 4 == 0)).nonzero()[:, 0]
        text = rows.patch[through] < 0
        return Route(through=through, gate=torch.where(text, 1.0, self.gate))


@dataclass
class Nothing(LayerPolicy):
    def enter(self, rows: LayerRows) -> Route:
        return Route()


def spans_of(model: Any, count: int = 6, seed: int = 0) -> list[Span]:
    frames = frames_of(random_pixels(count, ROWS * CELL, COLUMNS * CELL, seed=seed))
    geometry = model.geometry((COLUMNS * CELL, ROWS * CELL), PIXELS)
    spans = [model.open(Cursor())]
    for unit in model.encode(model.prepare(frames, geometry), geometry):
        spans.append(model.place(spans[-1].cursor, unit))
    return [*spans, model.question(spans[-1].cursor, QUESTION)]


@contextmanager
def hidden_from(model: Any, layer: int, rows: Tensor) -> Iterator[None]:
    """Hide `rows` (bool [n], of one forward over an empty cache) as keys from `layer` on."""

    def change(_: Any, args: Any, given: dict[str, Any]) -> Any:
        count = len(rows)
        mask = torch.ones(count, count, dtype=torch.bool).tril() & ~rows[None]
        mask |= torch.eye(count, dtype=torch.bool)  # a row without any key would not be a number
        added = torch.zeros(count, count).masked_fill(~mask, torch.finfo(torch.float32).min)  # all kernels take this
        return args, given | {"attention_mask": added[None, None]}

    blocks = model.model.model.language_model.layers[layer:]
    handles = [block.self_attn.register_forward_pre_hook(change, with_kwargs=True) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("layer", [1, 2, 4])
def test_rows_that_leave_equal_rows_whose_keys_are_masked(model: Any, layer: int) -> None:
    """Layers 1 and 2 are before and after the last DeepStack level."""
    spans = spans_of(model)
    whole = Span.join(spans)
    with hidden_from(model, layer, whole.visual & (whole.patch % 2 == 1)):
        expected = model.forward(whole, DynamicCache())
    cache = DynamicCache()
    ours = model.forward(whole, cache, layers=EveryOther(layer))
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)
    assert (ours - model.forward(whole, DynamicCache())).abs().max() > 1e-2  # leaving does matter
    kept = int(((whole.patch < 0) | (whole.patch % 2 == 0)).sum())
    assert [cache.get_seq_length(number) for number in range(DEPTH)] == [len(whole)] * layer + [kept] * (DEPTH - layer)


@pytest.mark.parametrize("policy", [EveryOther(2), Depths(0.3)], ids=["leave", "pass by"])
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_forwards_in_pieces_equal_one_forward(model: Any, eager: Any, kernel: str, policy: LayerPolicy) -> None:
    """Each layer has a mask for its own cache, also for text after it and with the eager kernel."""
    lm = model if kernel == "sdpa" else eager
    spans = spans_of(lm)
    expected = lm.forward(Span.join(spans), DynamicCache(), layers=policy)
    cache = DynamicCache()
    for part in (spans[:2], spans[2:-1], [_cut(spans[-1], 0, -3)], *([_cut(spans[-1], at)] for at in (-3, -2, -1))):
        ours = lm.forward(Span.join(part), cache, layers=policy)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


def _cut(span: Span, start: int, end: int | None = None) -> Span:
    if end is None and start < 0:
        end = len(span) + start + 1
        start = len(span) + start
    rows = slice(start, end)
    return Span(
        span.ids[rows], span.embeds[rows], span.positions[:, rows], span.unit[rows], span.patch[rows], span.cursor
    )


def test_rows_that_pass_a_layer_by_come_out_as_they_went_in(model: Any) -> None:
    """A layer over the rows that run alone, by the library's own block; the others bit for bit as they were."""
    seen: dict[int, LayerRows] = {}

    @dataclass
    class Watching(Depths):
        def acts_at(self, layers: int) -> range:
            return range(layers)

        def enter(self, rows: LayerRows) -> Route:
            seen[rows.layer] = rows
            return super().enter(rows) if rows.layer == 3 else Route()

    whole = Span.join(spans_of(model))
    cache = DynamicCache()
    model.forward(whole, cache, layers=Watching(0.25))
    before, after = seen[3].hidden, seen[4].hidden
    ran = (whole.patch < 0) | (whole.patch % 4 == 0)
    assert torch.equal(before[~ran], after[~ran])
    decoder = model.model.model.language_model
    with torch.no_grad():
        cos, sin = decoder.rotary_emb(before[None], whole.positions[:, None])
        count = int(ran.sum())
        mask = torch.ones(1, 1, count, count, dtype=torch.bool).tril()
        plain = decoder.layers[3](
            before[None, ran], position_embeddings=(cos[:, ran], sin[:, ran]), attention_mask=mask
        )[0]
    gate = torch.where(whole.patch[ran] < 0, 1.0, 0.25)[:, None]
    torch.testing.assert_close(after[ran], before[ran] + gate * (plain - before[ran]), atol=1e-5, rtol=0)
    assert cache.get_seq_length(3) == count < cache.get_seq_length(4) == len(whole)


def test_the_attention_told_is_the_attention_paid(eager: Any) -> None:
    """Against the weights that the eager kernel itself returns, cached entries included in the softmax."""
    told: dict[int, Tensor] = {}
    paid: dict[int, Tensor] = {}

    @dataclass
    class Asking(LayerPolicy):
        def enter(self, rows: LayerRows) -> Route:
            if rows.layer == 0:
                with pytest.raises(ValueError, match="no layer before it"):
                    rows.attention(torch.tensor([0]))
            else:
                told[rows.layer - 1] = rows.attention(torch.tensor([5, len(rows.hidden) - 1]))
            return Route()

    def keep(module: Any, args: Any, output: Any) -> None:
        paid[module.layer_idx] = output[1][0]

    spans, cache = spans_of(eager), DynamicCache()
    eager.forward(spans[0], cache)
    blocks = eager.model.model.language_model.layers
    handles = [block.self_attn.register_forward_hook(keep) for block in blocks]
    eager.forward(Span.join(spans[1:]), cache, layers=Asking())
    for handle in handles:
        handle.remove()
    assert sorted(told) == list(range(DEPTH - 1))
    for layer, weights in told.items():
        expected = paid[layer][:, [5, -1], len(spans[0]) :]
        torch.testing.assert_close(weights, expected, atol=1e-6, rtol=0)
