"""Evidence against attention written out: every layer and head, also when heads hold different rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tests.engine.decoders import KV_HEADS, LAYERS, MAKERS, make, rows, run
from tests.support.masking import random_choice
from vtc_cli.engine.evidence import attending
from vtc_cli.engine.slab import Slab
from vtc_cli.errors import UsageError

PREFIX, UNITS, PER_UNIT, QUESTION = 3, 6, 4, 5


def watched(model: Any, keep: int | None) -> Slab:
    """Prefix, six units of a tag and three visual rows, then a per-head compaction to `keep` entries."""
    slab = Slab(LAYERS, 60)
    run(model, rows(PREFIX, 1), 0, slab)
    slab.pin(PREFIX)
    count = UNITS * PER_UNIT
    order = torch.arange(count, dtype=torch.int32)
    slab.expect(order // PER_UNIT + 10, order % PER_UNIT - 1)
    run(model, rows(count, 2), PREFIX, slab)
    if keep is not None:
        slab.compact(random_choice(LAYERS, KV_HEADS, count, keep, seed=5))
    return slab


@contextmanager
def weights_of(model: Any) -> Iterator[list[Tensor]]:
    """Attention weights [heads, q, kv] per layer, from the eager implementation itself."""
    seen: list[Tensor] = []
    handles = [
        layer.self_attn.register_forward_hook(lambda module, args, output: seen.append(output[1][0]))
        for layer in model.layers
    ]
    yield seen
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("keep", [None, 9])
@pytest.mark.parametrize("family", MAKERS)
def test_shares_equal_the_eager_weights_per_head(family: str, keep: int | None, attention: str) -> None:
    model, start = make(family, attention), PREFIX + UNITS * PER_UNIT
    slab = watched(model, keep)
    mark = slab.snapshot()
    plain = run(model, rows(QUESTION, 3), start, slab)
    labels = [(block.unit[:, : slab.held].clone(), block.patch[:, : slab.held].clone()) for block in slab.blocks]
    slab.rollback(mark)
    with attending(slab, attention) as attended:
        watched_states = run(model, rows(QUESTION, 3), start, slab)
    assert torch.equal(plain, watched_states)
    slab.rollback(mark)

    model.set_attn_implementation("eager")
    with weights_of(model) as layers:
        run(model, rows(QUESTION, 3), start, slab)
    mass: dict[int, float] = {}
    for number in range(LAYERS // 2, LAYERS):
        unit, patch = labels[number]
        for head, weights in enumerate(layers[number][:, -1]):
            group = head // (layers[number].shape[0] // KV_HEADS)
            for slot, weight in enumerate(weights.tolist()):
                if patch[group, slot] >= 0:
                    mass[int(unit[group, slot])] = mass.get(int(unit[group, slot]), 0.0) + weight
    total = sum(mass.values())
    assert attended.scores() == pytest.approx({unit: value / total for unit, value in mass.items()}, abs=1e-6)

    times = {unit: (2.0 * unit, 2.0 * unit + 1) for unit in mass}
    found = attended.evidence(times)
    assert found is not None
    best = sorted(mass, key=lambda unit: -mass[unit])[:3]
    assert [moment.time for moment in found] == [2.0 * unit + 0.5 for unit in best]
    assert found[0].score >= found[1].score >= found[2].score > 0


def test_nothing_stays_installed_also_after_a_failure() -> None:
    slab = watched(make("qwen3-vl"), None)
    before = dict(ALL_ATTENTION_FUNCTIONS._local_mapping), ALL_ATTENTION_FUNCTIONS["sdpa"]
    with attending(slab, "sdpa"):
        assert ALL_ATTENTION_FUNCTIONS["sdpa"] is not before[1]
    with pytest.raises(UsageError, match="full"), attending(slab, "sdpa"):
        run(make("qwen3-vl"), rows(100, 3), 0, slab)
    assert (dict(ALL_ATTENTION_FUNCTIONS._local_mapping), ALL_ATTENTION_FUNCTIONS["sdpa"]) == before
    with attending(slab, "eager"):
        pass
    assert "eager" not in ALL_ATTENTION_FUNCTIONS


def test_only_the_slabs_own_forward_counts() -> None:
    model, other = make("qwen3-vl"), make("internvl")
    slab, foreign = watched(model, None), Slab(LAYERS, 20)
    with attending(slab, "sdpa") as attended:
        run(other, rows(4, 1), 0, foreign)
    assert attended.scores() is None
    assert attended.evidence({}) is None


def test_a_layer_that_was_missed_means_no_evidence() -> None:
    model = make("qwen3-vl")
    slab = watched(model, None)
    with attending(slab, "sdpa") as attended:
        attended._expected += 1
        run(model, rows(2, 3), PREFIX + UNITS * PER_UNIT, slab)
    assert attended.scores() is None


def test_no_visual_rows_means_no_evidence() -> None:
    model, slab = make("qwen3-vl"), Slab(LAYERS, 20)
    run(model, rows(3, 1), 0, slab)
    with attending(slab, "sdpa") as attended:
        run(model, rows(2, 3), 3, slab)
    assert attended.scores() is None


@pytest.mark.parametrize("option", ["softcap", "sliding_window", "position_bias"])
def test_attention_of_another_kind_is_not_guessed_at(option: str) -> None:
    model = make("qwen3-vl")
    slab = watched(model, None)
    with attending(slab, "sdpa") as attended:
        query = torch.zeros(1, 4, 1, 16)
        for block in slab.blocks:
            attended.observe(query, block.keys[:, :, : block.held], {option: 1})
    assert attended.scores() is None
