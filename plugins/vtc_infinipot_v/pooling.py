"""Smoothing of the value norms over the picture: as the authors' code does it, and over the true grid."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Pooling = Literal["off", "official", "grid"]
_KERNELS = (7, 5, 3, 1)
"""By quarter of the decoder's depth; the last is not smoothed."""


def official(norms: Tensor, grid: tuple[int, int], layer: int, layers: int) -> Tensor:
    """The authors' depth schedule over packed frames: fp32 [n] from [n], n a multiple of rows * columns.

    First quarter of the layers: 3-D (time, rows, columns), kernel 7; second: 2-D, 5; third: 1-D along the tokens,
    3, crossing rows and frames; fourth: none. Zeros beyond the border count in the mean. A 2-D or 3-D kernel larger
    than an axis is cut to it, made odd, and does nothing below 2.
    """
    rows, columns = grid
    frames = norms.reshape(1, 1, -1, rows, columns)
    quarter = min(3, layer // max(1, layers // 4))
    kernel = _KERNELS[quarter]
    if quarter == 0 and (kernel := _fitting(kernel, frames.shape[2], rows, columns)):
        return F.avg_pool3d(frames, kernel, 1, kernel // 2).flatten()
    if quarter == 1 and (kernel := _fitting(kernel, rows, columns)):
        return F.avg_pool2d(frames[0, 0][:, None], kernel, 1, kernel // 2).flatten()
    if quarter == 2:
        return F.avg_pool1d(norms[None, None], kernel, 1, kernel // 2).flatten()
    return norms


def over_grid(norms: Tensor, frame: Tensor, patch: Tensor, grid: tuple[int, int], layer: int, layers: int) -> Tensor:
    """2-D means over the true places of one head: fp32 [n] from norms, frame and patch, each [n].

    The kernel is 7, 5, 3, none by quarter of the depth. Only what is there counts: borders and evicted neighbours are
    left out of the mean.
    """
    rows, columns = grid
    kernel = _fitting(_KERNELS[min(3, 4 * layer // layers)], rows, columns)
    if not kernel:
        return norms
    inside = (frame.long() - int(frame.min())) * rows * columns + patch.long()
    places, order = inside.sort()
    row, column = patch.long() // columns, patch.long() % columns
    total, count = torch.zeros_like(norms), torch.zeros_like(norms)
    for down in range(-(kernel // 2), kernel // 2 + 1):
        for right in range(-(kernel // 2), kernel // 2 + 1):
            wanted = inside + down * columns + right
            slot = torch.searchsorted(places, wanted).clamp(max=len(places) - 1)
            there = (places[slot] == wanted) & (row + down >= 0) & (row + down < rows)
            there &= (column + right >= 0) & (column + right < columns)
            total += torch.where(there, norms[order[slot]], 0)
            count += there
    return total / count


def _fitting(kernel: int, *axes: int) -> int:
    """The kernel cut to the smallest axis and made odd; 0 where nothing is left to smooth."""
    kernel = min(kernel, *axes)
    kernel -= kernel % 2 == 0
    return kernel if kernel >= 2 else 0
