"""InfiniPot-V's policy against its pure function: keys it compares, lengths it smooths, units that stay whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from vtc_infinipot_v import InfiniPotV, select

from tests.engine.rotary_lm import angles
from vtc_cli import LayerView
from vtc_cli.models.rotary import Rotation

HEADS, UNITS, WIDTH = 2, 8, 4
GRID = (3, 4)
TOKENS = GRID[0] * GRID[1]
COUNT = UNITS * TOKENS
RAW, VALUES = torch.randn(2, HEADS, COUNT, WIDTH, generator=torch.Generator().manual_seed(4))


def turned(raw: Tensor) -> Tensor:
    """Keys as a decoder caches them, each turned by its place in the video."""
    return Rotation(1, angles).rotate(raw, torch.arange(COUNT)[None, None])


def cache(raw: Tensor = RAW, values: Tensor = VALUES, layer: int = 0, layers: int = 1) -> LayerView:
    """A whole cache of pictures alone."""
    index = torch.arange(COUNT, dtype=torch.int32).expand(HEADS, -1)
    unit, patch = index // TOKENS, index % TOKENS
    return LayerView(turned(raw), values, unit, patch, layer, layers, grid=GRID, unrotated=lambda: raw)


def by_function(view: LayerView, keys: Tensor, keep: int, **options: Any) -> Tensor:
    where: dict[str, Any] = {"grid": view.grid, "layer": view.layer, "layers": view.layers}
    return select(keys, view.values, view.unit, view.patch, keep, unit_tokens=TOKENS, **where, **options)


def of_units(kept: Tensor) -> Tensor:
    """int [H, UNITS]: how many entries of each unit stay."""
    return torch.stack([torch.bincount(row // TOKENS, minlength=UNITS) for row in kept])


@pytest.mark.parametrize("align", ["patch", "packed"])
def test_keys_are_compared_as_they_were_before_positions_turned_them(align: Any) -> None:
    view, keep = cache(), 48
    plain = InfiniPotV(align=align).select(view, keep)
    assert torch.equal(plain, by_function(view, RAW, keep, align=align))
    rotated = InfiniPotV(align=align, score_keys="rotated").select(view, keep)
    assert torch.equal(rotated, by_function(view, view.keys, keep, align=align))
    assert not torch.equal(plain, rotated)


def test_in_a_still_video_only_unrotated_keys_show_the_one_token_that_changed() -> None:
    """It changed a little; turned by their places, tokens that did not change differ by far more."""
    still, odd = torch.ones(HEADS, COUNT, WIDTH), 2 * TOKENS + 5
    still[:, odd, 3] = 0.5
    view, keep = cache(still, torch.ones_like(still)), TOKENS + 1
    newest = list(range(COUNT - TOKENS, COUNT))
    assert InfiniPotV(alpha=1.0).select(view, keep).tolist() == [[odd, *newest]] * HEADS
    rotated = InfiniPotV(alpha=1.0, score_keys="rotated").select(view, keep)
    assert odd not in rotated


@pytest.mark.parametrize("layer", range(4))
@pytest.mark.parametrize("pooling", ["grid", "official"])
def test_pooling_smooths_the_lengths_of_values_by_the_layer(pooling: Any, layer: int) -> None:
    """Kernels of 3 in the first three quarters of the depth, none in the last, where pooling changes nothing."""
    view, keep = cache(layer=layer, layers=4), 48
    smoothed = InfiniPotV(pooling=pooling).select(view, keep)
    assert torch.equal(smoothed, by_function(view, RAW, keep, pooling=pooling))
    assert torch.equal(smoothed, InfiniPotV().select(view, keep)) == (layer == 3)


def test_pooling_keeps_a_patch_of_long_values_before_a_single_longer_one() -> None:
    """A corner of 2 x 2 tokens, and one token among others of length 0."""
    values = torch.zeros(HEADS, COUNT, WIDTH)
    values[:, 40] = 3.0
    patch = [TOKENS + place for place in (0, 1, 4, 5)]
    values[:, patch] = 2.0
    view = cache(values=values, layers=4)
    assert InfiniPotV(alpha=0.0).select(view, 1).tolist() == [[40]] * HEADS
    assert InfiniPotV(alpha=0.0, pooling="grid").select(view, 1).tolist() == [[TOKENS]] * HEADS


@pytest.mark.parametrize(("alpha", "share", "whole"), [(0.5, 24, 2), (0.6, 29, 2), (0.75, 36, 3), (1.0, 48, 3)])
def test_s8_no_more_units_are_recent_than_alphas_share_of_what_stays_holds(
    alpha: float, share: int, whole: int
) -> None:
    """Three of the eight units are asked for, 36 entries, but they stay only where alpha's share of 48 holds them."""
    third = slice(COUNT - 3 * TOKENS, COUNT - 2 * TOKENS)
    raw, values = RAW.clone(), VALUES.clone()
    raw[:, third], values[:, third] = RAW[:, -TOKENS:], 0  # nothing in it stays for its keys or its values
    view, keep = cache(raw, values), 48
    kept = InfiniPotV(alpha=alpha, recent=0.375).select(view, keep)
    assert of_units(kept)[:, -3:].tolist() == [[TOKENS if whole == 3 else 0, TOKENS, TOKENS]] * HEADS
    assert torch.equal(kept, by_function(view, raw, keep, alpha=alpha, recent=whole / UNITS))
    if whole < 3:
        with pytest.raises(ValueError, match=f"leaves {share} for keys, fewer than the 36 of the newest"):
            by_function(view, raw, keep, alpha=alpha, recent=0.375)
