"""The slab against the library's own cache, on the decoders of every family. C-numbers: the cache's behaviours."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache

from tests.engine.decoders import KV_HEADS, LAYERS, MAKERS, make, rows, run
from tests.support.masking import all_but_kept_hidden, random_choice
from vtc_cli.engine.slab import Slab
from vtc_cli.errors import UsageError
from vtc_cli.models.masks import refuse_wrong_masks


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", MAKERS)
def test_c1_slab_equals_dynamic_cache_exactly(family: str, attention: str) -> None:
    model = make(family, attention)
    slab, plain = Slab(LAYERS, 40), DynamicCache()
    start = 0
    for count, seed in ((7, 1), (5, 2), (1, 3), (9, 4), (1, 5)):
        ours = run(model, rows(count, seed), start, slab)
        theirs = run(model, rows(count, seed), start, plain)
        assert torch.equal(ours, theirs)
        start += count
    assert slab.held == slab.seen == slab.get_seq_length() == plain.get_seq_length() == 23
    for mine, other in zip(slab.blocks, plain.layers, strict=True):
        assert torch.equal(mine.keys[:, :, :23], other.keys)
        assert torch.equal(mine.values[:, :, :23], other.values)


@pytest.mark.parametrize("queries", [1, 6])
@pytest.mark.parametrize("family", MAKERS)
def test_c2_evicting_equals_masking_per_layer_and_head(family: str, queries: int) -> None:
    model = make(family)
    prefix, count, keep = 4, 20, 9
    slab, full = Slab(LAYERS, 40), DynamicCache()
    for cache in (slab, full):
        run(model, rows(prefix, 1), 0, cache)
        run(model, rows(count, 2), prefix, cache)
    slab.pin(prefix)
    chosen = random_choice(LAYERS, KV_HEADS, count, keep, seed=3)
    slab.compact(chosen)
    assert slab.held == prefix + keep
    assert slab.seen == prefix + count

    ours = run(model, rows(queries, 4), prefix + count, slab)
    attentions = [layer.self_attn for layer in model.layers]
    groups = attentions[0].num_key_value_groups
    with all_but_kept_hidden(attentions, dict(enumerate(chosen)), prefix, prefix + count, queries, groups):
        theirs = run(model, rows(queries, 4), prefix + count, full)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    unmasked = DynamicCache()
    run(model, rows(prefix, 1), 0, unmasked)
    run(model, rows(count, 2), prefix, unmasked)
    assert (ours - run(model, rows(queries, 4), prefix + count, unmasked)).abs().max() > 1e-2  # eviction does matter


def test_c8_prefix_is_bit_identical_after_a_hundred_compactions() -> None:
    model = make("qwen3-vl")
    slab = Slab(LAYERS, 30)
    run(model, rows(5, 1), 0, slab)
    slab.pin(5)
    before = [(layer.keys[:, :, :5].clone(), layer.values[:, :, :5].clone()) for layer in slab.blocks]
    storage = [(layer.keys.data_ptr(), layer.values.data_ptr()) for layer in slab.blocks]
    start = 5
    for turn in range(100):
        run(model, rows(12, turn), start, slab)
        start += 12
        slab.compact(random_choice(LAYERS, KV_HEADS, slab.evictable, 10, seed=turn))
        assert slab.held == 15
    for layer, (keys, values) in zip(slab.blocks, before, strict=True):
        assert torch.equal(layer.keys[:, :, :5], keys)
        assert torch.equal(layer.values[:, :, :5], values)
    assert storage == [(layer.keys.data_ptr(), layer.values.data_ptr()) for layer in slab.blocks]
    assert slab.seen == start
    assert slab.compactions == 100


def test_labels_follow_their_rows_through_a_per_head_compaction() -> None:
    model = make("qwen2-vl")
    slab = Slab(LAYERS, 30)
    run(model, rows(2, 1), 0, slab)
    slab.pin(2)
    unit, patch = torch.arange(12, dtype=torch.int32) // 4, torch.arange(12, dtype=torch.int32) % 4 - 1
    slab.expect(unit, patch)
    run(model, rows(12, 2), 2, slab)
    keys = [layer.keys[0, :, 2:14].clone() for layer in slab.blocks]
    chosen = random_choice(LAYERS, KV_HEADS, 12, 5, seed=9)
    slab.compact(chosen)
    for number, kept in enumerate(chosen):
        view = slab.view(number)
        assert torch.equal(view.unit, unit[kept])
        assert torch.equal(view.patch, patch[kept])
        for head in range(KV_HEADS):
            assert torch.equal(view.keys[head], keys[number][head, kept[head]])
    run(model, rows(1, 3), 14, slab)  # rows nobody announced are plain text
    assert slab.view(0).unit[:, -1].tolist() == [-1] * KV_HEADS


@pytest.mark.parametrize("wrong", [1, 3, 8, 9, 13, 40])
def test_c12_a_mask_of_another_than_the_logical_length_is_refused(wrong: int) -> None:
    model = make("qwen3-vl")
    slab = Slab(LAYERS, 30)
    handle = refuse_wrong_masks(model)
    run(model, rows(8, 1), 0, slab)
    slab.compact(random_choice(LAYERS, KV_HEADS, 8, 5, seed=1))
    mark = slab.snapshot()
    right = torch.ones(1, 8 + 3, dtype=torch.int64)  # 8 seen, though 5 are held; physical length would be 8
    expected = run(model, rows(3, 2), 8, slab)
    slab.rollback(mark)
    torch.testing.assert_close(run(model, rows(3, 2), 8, slab, attention_mask=right), expected)
    slab.rollback(mark)
    with pytest.raises(UsageError, match="= 11"):
        run(model, rows(3, 2), 8, slab, attention_mask=torch.ones(1, wrong, dtype=torch.int64))
    assert slab.snapshot() == mark
    run(model, rows(8, 1), 0, DynamicCache(), attention_mask=torch.ones(1, 8, dtype=torch.int64))
    handle.remove()


def test_c16_layers_out_of_step_are_noticed() -> None:
    model = make("llava-onevision")
    slab = Slab(LAYERS, 30)
    run(model, rows(8, 1), 0, slab)
    slab.blocks[1].crop(-1)
    with pytest.raises(AssertionError, match="different numbers"):
        _ = slab.held
    with pytest.raises(AssertionError):
        slab.snapshot()


def test_appending_beyond_the_capacity_raises_and_can_be_rolled_back() -> None:
    model = make("qwen3-vl")
    slab = Slab(LAYERS, 10)
    run(model, rows(8, 1), 0, slab)
    mark = slab.snapshot()
    with pytest.raises(UsageError, match="8 entries held \\+ 3 new > 10 slots"):
        run(model, rows(3, 2), 8, slab)
    slab.rollback(mark)
    assert slab.held == 8
    run(model, rows(2, 2), 8, slab)


def test_rollback_and_crop_leave_no_trace() -> None:
    model = make("qwen2.5-vl")
    slab = Slab(LAYERS, 30)
    run(model, rows(8, 1), 0, slab)
    mark = slab.snapshot()
    first = run(model, rows(4, 2), 8, slab)
    slab.rollback(mark)
    run(model, rows(6, 3), 8, slab)
    slab.crop(-6)
    assert slab.snapshot() == mark
    assert torch.equal(run(model, rows(4, 2), 8, slab), first)
    with pytest.raises(ValueError, match="minus"):
        slab.crop(2)
    slab.compact(random_choice(LAYERS, KV_HEADS, 12, 6, seed=1))
    with pytest.raises(AssertionError, match="across a compaction"):
        slab.rollback(mark)


def test_reset_forgets_rows_and_keeps_the_storage() -> None:
    model = make("smolvlm")
    slab = Slab(LAYERS, 20)
    first = run(model, rows(8, 1), 0, slab)
    pointer = slab.blocks[0].keys.data_ptr()
    slab.pin(3)
    slab.reset()
    assert (slab.held, slab.seen, slab.pinned, slab.nbytes) == (0, 0, 0, 0)
    assert torch.equal(run(model, rows(8, 1), 0, slab), first)
    assert slab.blocks[0].keys.data_ptr() == pointer


def test_bytes_are_those_of_the_tensors() -> None:
    model = make("qwen3-vl")
    slab = Slab(LAYERS, 20)
    assert slab.nbytes == slab.allocated == 0
    run(model, rows(6, 1), 0, slab)
    assert slab.nbytes == 2 * LAYERS * KV_HEADS * 16 * 4 * 6
    assert slab.allocated == 2 * LAYERS * KV_HEADS * 16 * 4 * 20


@pytest.mark.parametrize(
    "bad",
    [
        [[0, 1, 1], [0, 1, 2]],
        [[2, 1, 0], [0, 1, 2]],
        [[0, 1, 8], [0, 1, 2]],
        [[-1, 1, 2], [0, 1, 2]],
        [[0, 1, 2]],
    ],
)
def test_a_bad_choice_moves_nothing(bad: list[list[int]]) -> None:
    model = make("qwen3-vl")
    slab = Slab(LAYERS, 20)
    run(model, rows(8, 1), 0, slab)
    before = [layer.keys[:, :, :8].clone() for layer in slab.blocks]  # the rest was never written: it may hold NaN
    good = torch.tensor([[5, 6, 7]] * KV_HEADS)
    with pytest.raises(ValueError, match="layer 2"):
        slab.compact([good, good, torch.tensor(bad)])
    with pytest.raises(ValueError, match="int64"):
        slab.compact([good, good, good.int()])
    with pytest.raises(ValueError, match="same number"):
        slab.compact([good, good, good[:, :2]])
    assert slab.held == 8
    assert all(torch.equal(layer.keys[:, :, :8], old) for layer, old in zip(slab.blocks, before, strict=True))


def test_a_slab_first_filled_in_inference_mode_can_be_compacted_outside() -> None:
    model = make("qwen3-vl")
    slab = Slab(LAYERS, 20)
    with torch.inference_mode():
        run(model, rows(8, 1), 0, slab)
    slab.compact(random_choice(LAYERS, KV_HEADS, 8, 3, seed=0))
    assert slab.held == 3
