"""The two scores of the paper: how little a token repeats the newest frames, and how much its value weighs."""

from __future__ import annotations

import torch
from torch import Tensor

_GUARD = 1e-9
"""Added to a key's norm before dividing by it: a zero key resembles nothing."""

_STEPS = 2.0**20
"""Scores from -1 to 1 are told apart in steps of a millionth; below that fp32 sums differ by their order."""


def value_norms(values: Tensor) -> Tensor:
    """VaN: fp32 [H, n], the length of each value vector [H, n, D]. Section 4.2 of the paper."""
    # Above what fp32 can hold every value weighs the same; entries that must stay are told apart by more than a number.
    return torch.linalg.vector_norm(values, dim=-1, dtype=torch.float32).clamp(max=torch.finfo(torch.float32).max)


def distinctiveness(
    keys: Tensor, patch: Tensor, reference: Tensor, visual: Tensor, grid: tuple[int, int] | None = None
) -> Tensor:
    """TaR: fp32 [H, n], minus the mean cosine between a token's key and the keys of its patch in the newest frames.

    keys: [H, n, D]. patch: int [H, n]. reference: bool [H, n], the tokens of the newest frames. visual: bool [H, n],
    other rows' scores mean nothing. grid: (rows, columns) that patches count through in raster order.
    Section 4.1, equation 4. The mean of cosines is computed as one product with the mean of the unit keys.

    A token whose patch is in none of the newest frames (a pruner dropped it there) is compared with the nearest patch
    that is: at equal distance the first in raster order.
    """
    place = patch.long().clamp(min=0)
    patches = max(int(place.max()) + 1, grid[0] * grid[1] if grid else 1)
    heads, _, width = keys.shape
    norms = torch.linalg.vector_norm(keys, dim=-1, keepdim=True, dtype=torch.float32) + _GUARD
    shown = reference & visual
    first = int(shown.any(0).int().argmax())  # the newest frames are the last slots: no need to look at the others
    units = keys[:, first:].float() / norms[:, first:]
    # One more row takes what is no reference.
    where = place[:, first:].masked_fill(~shown[:, first:], patches)
    total = norms.new_zeros(heads, patches + 1, width).scatter_add_(1, where[..., None].expand_as(units), units)
    count = norms.new_zeros(heads, patches + 1).scatter_add_(1, where, torch.ones_like(units[..., 0]))
    mean, present = total[:, :patches] / count[:, :patches, None].clamp(min=1), count[:, :patches] > 0
    missing = visual & ~present.gather(1, place)
    if bool(missing.any()):
        place = torch.where(missing, _nearest(present, grid).gather(1, place), place)
    compared = mean.gather(1, place[..., None].expand(-1, -1, width))
    cosines = (keys * compared).sum(-1) / norms[..., 0]
    # A still picture is all ties: what differs by rounding alone is made equal, so that the order of slots decides.
    return -(cosines * _STEPS).round() / _STEPS


def _nearest(present: Tensor, grid: tuple[int, int] | None) -> Tensor:
    """int64 [H, P]: for each patch, the nearest of those present. A head with none is left as it is."""
    patches = present.shape[1]
    columns = grid[1] if grid else patches
    index = torch.arange(patches, device=present.device)
    place = torch.stack([index // columns, index % columns]).float()
    distance = ((place[:, :, None] - place[:, None, :]) ** 2).sum(0)
    nearest = [torch.where(row, distance, torch.inf).argmin(-1) if bool(row.any()) else index for row in present]
    return torch.stack(nearest)
