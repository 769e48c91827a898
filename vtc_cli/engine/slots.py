"""Entries that are numbered by their place in the cache, for models whose positions would run out.

A model with one-dimensional positions spends one per row: an hour of video passes any context. Its entries are then
counted from 0, anew after every compaction. Turning cached keys from position to position would wear them down (2 % in
bfloat16 after some sixty compactions), so the cache holds them unrotated, and each forward turns a layer's keys to
their slots in a block that all layers share: half a layer's bytes more, and one rounding whatever has happened.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vtc_cli.models.rotary import Rotation, turn


class Slots:
    """Rotation by slot number. capacity: slots of a layer."""

    def __init__(self, rotation: Rotation, capacity: int, device: torch.device):
        if rotation.axes != 1:
            raise ValueError("only one-dimensional positions can be re-numbered: rows of a picture share theirs")
        self._cosine, self._sine = rotation.angles(torch.arange(capacity, device=device)[None, None])
        self._scale, self._paired = rotation.scale, rotation.paired
        self._shown: Tensor | None = None
        self._whose = 0

    def positions(self, first: int, count: int) -> Tensor:
        """int64 [1, count]: of rows appended at slot `first`."""
        return torch.arange(first, first + count, device=self._cosine.device)[None]

    def back(self, keys: Tensor, first: int) -> Tensor:
        """Keys [..., q, D] that a decoder turned to slots `first` and on, unrotated."""
        here = slice(first, first + keys.shape[-2])
        return turn(keys, self._cosine[:, here], -self._sine[:, here], 1 / self._scale, self._paired).to(keys.dtype)

    def turned(self, keys: Tensor, first: int = 0) -> Tensor:
        """Unrotated keys [..., n, D] turned to slots `first` and on."""
        here = slice(first, first + keys.shape[-2])
        return turn(keys, self._cosine[:, here], self._sine[:, here], self._scale, self._paired).to(keys.dtype)

    def show(self, block: Tensor, held: int) -> Tensor:
        """The first `held` of a layer's keys [1, H, capacity, D], turned; good until the next layer's are shown."""
        if self._shown is None:
            with torch.inference_mode(False):
                self._shown = torch.empty_like(block)
        self._shown[:, :, :held] = self.turned(block[:, :, :held])
        self._whose = block.data_ptr()
        return self._shown[:, :, :held]

    def is_shown(self, block: Tensor, keys: Tensor) -> bool:
        """Whether `keys` are what `show` gave last, and of this layer's block."""
        return self._shown is not None and keys.data_ptr() == self._shown.data_ptr() and self._whose == block.data_ptr()
