"""The selection of InfiniPot-V by itself: what must stay, what may not matter, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from vtc_infinipot_v import select
from vtc_infinipot_v.pooling import official, over_grid
from vtc_infinipot_v.scores import distinctiveness

HEADS, TOKENS, WIDTH = 3, 6, 8


def stream(frames: int = 8, seed: int = 0, heads: int = HEADS) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """keys, values, frame and patch ids of a whole cache."""
    generator = torch.Generator().manual_seed(seed)
    count = frames * TOKENS
    keys, values = torch.randn(2, heads, count, WIDTH, generator=generator)
    index = torch.arange(count).expand(heads, count)
    return keys, values, index // TOKENS, index % TOKENS


def run(data: tuple[Tensor, Tensor, Tensor, Tensor], keep: int, **options: Any) -> Tensor:
    return select(*data, keep, **({"unit_tokens": TOKENS} | options))


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(1, 9),
    seed=st.integers(0, 50),
    alpha=st.floats(0, 1),
    recent=st.floats(0.01, 1),
    align=st.sampled_from(["patch", "packed"]),
    pooling=st.sampled_from(["off", "official", "grid"]),
    data=st.data(),
)
def test_s5_exactly_so_many_ascending_and_the_newest_whole(
    frames: int, seed: int, alpha: float, recent: float, align: str, pooling: str, data: Any
) -> None:
    given_rows = stream(frames, seed)
    keep = data.draw(st.integers(1, frames * TOKENS))
    newest = max(1, int(frames * recent)) * TOKENS
    options = {"alpha": alpha, "recent": recent, "align": align, "pooling": pooling, "grid": (2, 3)}
    feasible = keep == frames * TOKENS or alpha == 0 or keep - round((1 - alpha) * keep) >= newest
    for layer in range(3):
        if not feasible:
            with pytest.raises(ValueError, match="raise alpha or keep"):
                run(given_rows, keep, layer=layer, layers=3, **options)
            continue
        kept = run(given_rows, keep, layer=layer, layers=3, **options)
        assert kept.dtype == torch.int64
        assert kept.shape == (HEADS, keep)
        assert bool((kept[:, 1:] > kept[:, :-1]).all())
        assert 0 <= int(kept.min()) <= int(kept.max()) < frames * TOKENS
        if alpha > 0 and keep < frames * TOKENS:
            assert bool((kept[:, -newest:] == torch.arange(frames * TOKENS - newest, frames * TOKENS)).all())
        assert torch.equal(kept, run(given_rows, keep, layer=layer, layers=3, **options))


@pytest.mark.parametrize("keep", [48, 49, 1000])
def test_s1_a_cache_that_fits_is_left_alone(keep: int) -> None:
    assert run(stream(), keep).tolist() == [list(range(48))] * HEADS


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"keep": 0}, "at least 1"),
        ({"keep": -3}, "at least 1"),
        ({"unit_tokens": 0}, "at least 1"),
        ({"alpha": -0.1}, "alpha must be from 0 to 1"),
        ({"alpha": 1.1}, "alpha must be from 0 to 1"),
        ({"alpha": float("nan")}, "alpha must be from 0 to 1"),
        ({"recent": 0}, "recent must be above 0"),
        ({"recent": 1.5}, "recent must be above 0"),
        ({"alpha": 0.1}, "leaves 2 for keys, fewer than the 6 of the newest frames"),
        ({"layer": 2, "layers": 2}, "layer 2 is not one of 2"),
        ({"align": "none"}, "patch or packed"),
        ({"pooling": "max"}, "off, official or grid"),
        ({"pooling": "grid"}, "needs the grid"),
        ({"pooling": "official"}, "needs the grid"),
        ({"pooling": "official", "grid": (2, 2)}, "whole frames"),
        ({"pooling": "grid", "grid": (0, 3)}, "no places"),
        ({"align": "packed", "unit_tokens": 7}, "no multiple of 7"),
    ],
)
def test_s2_s8_what_cannot_be_is_refused_with_the_reason(bad: dict[str, Any], reason: str) -> None:
    options = {"keep": 20, **bad}
    with pytest.raises(ValueError, match=reason):
        run(stream(), **options)


def test_inputs_that_do_not_belong_together_are_refused() -> None:
    keys, values, frame, patch = stream()
    with pytest.raises(ValueError, match=r"\[H, n, D\]"):
        run((keys[0], values, frame, patch), 20)
    with pytest.raises(ValueError, match=r"\[H, n, D\]"):
        run((keys, values[:, 1:], frame, patch), 20)
    with pytest.raises(ValueError, match="frame_id must be whole numbers"):
        run((keys, values, frame.float(), patch), 20)
    with pytest.raises(ValueError, match="patch_id must be whole numbers"):
        run((keys, values, frame, patch[:, 1:]), 20)
    with pytest.raises(ValueError, match="text rows"):
        run((keys, values, frame, patch - 1), 20)
    for which in (0, 1):
        broken = [keys.clone(), values.clone()]
        broken[which][1, 5, 2] = float("nan")
        with pytest.raises(ValueError, match="not numbers"):
            run((broken[0], broken[1], frame, patch), 20)


def test_s6_alpha_1_with_room_for_the_newest_only_keeps_exactly_them() -> None:
    assert run(stream(), 2 * TOKENS, alpha=1.0, recent=0.25).tolist() == [list(range(36, 48))] * HEADS


def test_s7_alpha_0_keeps_the_longest_values_and_protects_nothing() -> None:
    data = stream()
    data[1][:, 42:] *= 1e-3
    best = data[1].norm(dim=-1).topk(20).indices.sort().values
    kept = run(data, 20, alpha=0.0)
    assert torch.equal(kept, best)
    assert int(kept.max()) < 42


def test_s9_at_least_one_frame_is_recent() -> None:
    data = stream()
    assert torch.equal(run(data, 24, recent=0.01), run(data, 24, recent=0.125))


def test_s10_halves_are_rounded_to_even() -> None:
    """25 x 0.5 = 12.5 by norm: 12, so 13 by keys, 6 of them the newest frame's. Values of the past are told apart."""
    data = stream(seed=3)
    data[1][:, :20] *= 100
    kept = run(data, 25)
    by_norm = [int((row < 20).sum()) for row in kept]
    scores = distinctiveness(data[0], data[3], data[2] == 7, torch.ones_like(data[2], dtype=torch.bool))[:, :42]
    best = scores.topk(7).indices
    expected = [12 + int((row < 20).sum()) for row in best]
    assert by_norm == [min(20, count) for count in expected]


def test_s11_a_still_video_keeps_the_earliest_whatever_the_type() -> None:
    keys, values, frame, patch = stream()
    still = keys[:, :TOKENS].repeat(1, 8, 1), torch.ones_like(values), frame, patch
    expected = [[*range(14), *range(42, 48)]] * HEADS
    for kind in (torch.float32, torch.bfloat16, torch.float16):
        assert run((still[0].to(kind), still[1].to(kind), frame, patch), 20).tolist() == expected


def test_s12_the_one_thing_that_changed_survives_every_round() -> None:
    keys, values, _, _ = stream()
    keys, values = keys[:, :TOKENS].repeat(1, 8, 1), torch.ones_like(values)
    keys[:, 2 * TOKENS + 4] = -keys[:, 2 * TOKENS + 4]
    frame, patch = torch.arange(48).expand(HEADS, 48) // TOKENS, torch.arange(48).expand(HEADS, 48) % TOKENS
    scores = distinctiveness(keys, patch, frame == 7, torch.ones_like(frame, dtype=torch.bool))
    assert scores[:, : 7 * TOKENS].argmax(1).tolist() == [16] * HEADS
    still = keys[:, :TOKENS]
    for newest in range(8, 20, 2):
        kept = run((keys, values, frame, patch), 36)
        keys = torch.cat([keys.gather(1, kept[..., None].expand(-1, -1, WIDTH)), still, still], dim=1)
        values = torch.ones_like(keys)
        added = torch.arange(2 * TOKENS).expand(HEADS, -1)
        frame = torch.cat([frame.gather(1, kept), newest + added // TOKENS], dim=1)
        patch = torch.cat([patch.gather(1, kept), added % TOKENS], dim=1)
        assert bool(((frame == 2) & (patch == 4)).any(1).all()), f"gone before frame {newest}"


@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e4])
def test_s13_scale_does_not_matter(factor: float) -> None:
    keys, values, frame, patch = stream()
    expected = run((keys, values, frame, patch), 24)
    assert torch.equal(run((keys * factor, values, frame, patch), 24), expected)
    assert torch.equal(run((keys, values * factor, frame, patch), 24), expected)


def test_s14_heads_do_not_see_each_other() -> None:
    data = stream()
    order = torch.tensor([2, 0, 1])
    kept = run(data, 24)
    permuted = run(tuple(part[order] for part in data), 24)  # type: ignore[arg-type]
    assert torch.equal(permuted, kept[order])
    alone = torch.cat([run(tuple(part[head : head + 1] for part in data), 24) for head in range(HEADS)])  # type: ignore[arg-type]
    assert torch.equal(alone, kept)


def test_s15_zero_keys_and_infinite_norms_have_scores() -> None:
    keys, values, frame, patch = stream()
    keys[:, ::5], values[:, ::7] = 0, 0
    assert run((keys, values, frame, patch), 24).shape == (HEADS, 24)
    zero = torch.zeros_like(keys)
    assert run((zero, zero, frame, patch), 20).tolist() == [[*range(14), *range(42, 48)]] * HEADS
    values[:, 3] = 3e38
    assert run((keys, values, frame, patch), 24)[:, -TOKENS:].tolist() == [list(range(42, 48))] * HEADS


def test_s16_low_precision_is_widened_before_scoring() -> None:
    keys, values, frame, patch = stream()
    low = keys.bfloat16(), (values * 200).bfloat16(), frame, patch
    assert torch.equal(run(low, 24, alpha=1.0), run((low[0].float(), low[1].float(), frame, patch), 24, alpha=1.0))
    assert torch.equal(run(low, 24), run((low[0].float(), low[1].float(), frame, patch), 24))


@pytest.mark.parametrize("pooling", ["official", "grid"])
def test_s17_narrow_grids_and_any_number_of_layers(pooling: str) -> None:
    data = stream()
    for layer in range(30):
        assert run(data, 24, pooling=pooling, grid=(2, 3), layer=layer, layers=30).shape == (HEADS, 24)
        two_dimensional = pooling == "grid" or layer // 7 < 2
        if two_dimensional:
            flat = run(data, 24, pooling=pooling, grid=(1, 6), layer=layer, layers=30)
            assert torch.equal(flat, run(data, 24))
    for layers in (1, 2, 3):
        assert run(data, 24, pooling=pooling, grid=(2, 3), layer=layers - 1, layers=layers).shape == (HEADS, 24)


def test_s18_a_single_frame_stays_or_the_reason_is_given() -> None:
    data = stream(1)
    assert run(data, TOKENS).tolist() == [list(range(TOKENS))] * HEADS
    with pytest.raises(ValueError, match="fewer than the 6 of the newest"):
        run(data, TOKENS - 1)


def test_grid_pooling_is_the_mean_over_what_is_there() -> None:
    """Against a loop, on a sparse cache and at the borders."""
    rows, columns = 5, 6
    generator = torch.Generator().manual_seed(2)
    there = torch.randperm(4 * rows * columns, generator=generator)[:70].sort().values
    norms, frame, patch = torch.rand(70, generator=generator), there // (rows * columns), there % (rows * columns)
    pooled = over_grid(norms, frame, patch, (rows, columns), 0, 4)
    for index in range(70):
        row, column = divmod(int(patch[index]), columns)
        near = (frame == frame[index]) & ((patch // columns - row).abs() <= 2) & ((patch % columns - column).abs() <= 2)
        torch.testing.assert_close(pooled[index], norms[near].mean())
    assert torch.equal(over_grid(norms, frame, patch, (rows, columns), 3, 4), norms)


@pytest.mark.parametrize(
    ("layers", "kernels"),
    [
        (8, [7, 7, 5, 5, 3, 3, 1, 1]), (30, [7] * 8 + [5] * 7 + [3] * 8 + [1] * 7), (5, [7, 7, 5, 3, 1]),
        (4, [7, 5, 3, 1]), (3, [7, 5, 3]), (1, [7]),
    ],
)  # fmt: skip
def test_the_kernel_of_grid_pooling_follows_the_quarter_of_the_depth(layers: int, kernels: list[int]) -> None:
    """One token of a 9 x 9 frame weighs something: after the mean, a square of the kernel's side around it does."""
    norms, patch = torch.zeros(81), torch.arange(81)
    norms[40] = 1
    for layer, side in enumerate(kernels):
        pooled = over_grid(norms, torch.zeros_like(patch), patch, (9, 9), layer, layers)
        near = ((patch // 9 - 4).abs() <= side // 2) & ((patch % 9 - 4).abs() <= side // 2)
        assert torch.equal(pooled > 0, near), f"layer {layer}"


def test_official_pooling_counts_zeros_beyond_the_border() -> None:
    ones = torch.ones(2 * 3 * 3)
    assert official(ones, (3, 3), 1, 4)[:9].tolist() == pytest.approx(
        [4 / 9, 6 / 9, 4 / 9, 6 / 9, 1, 6 / 9, 4 / 9, 6 / 9, 4 / 9]
    )
    assert official(ones, (3, 3), 2, 4).tolist() == pytest.approx([2 / 3] + [1.0] * 16 + [2 / 3])
    assert torch.equal(official(ones, (3, 3), 3, 4), ones)


def test_a_place_that_no_recent_frame_shows_is_compared_with_the_nearest_that_one_does() -> None:
    """Frames pruned to different places: 2 x 3 places, the newest shows 0 and 5 only."""
    keys = torch.eye(8)[None, :6].clone()
    frame = torch.tensor([[0, 0, 0, 0, 1, 1]])
    patch = torch.tensor([[0, 1, 4, 5, 0, 5]])
    keys[0, 4], keys[0, 5] = torch.eye(8)[6], torch.eye(8)[7]
    keys[0, 1] = torch.eye(8)[6]  # beside place 0, and like it
    keys[0, 2] = torch.eye(8)[6]  # beside place 5, and like place 0
    scores = distinctiveness(keys, patch, frame == 1, torch.ones_like(frame, dtype=torch.bool), (2, 3))
    assert scores[0, :4].tolist() == [0, -1, 0, 0]
