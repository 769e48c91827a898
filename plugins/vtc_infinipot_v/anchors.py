"""Time tags among the visual tokens: which of them stay, so that what is kept can still be told apart in time."""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 0.05
"""Of what is kept, for the time tags of older units."""


def text_to_keep(unit: Tensor, patch: Tensor, newest: int, keep: int) -> Tensor:
    """bool [H, n]: text rows worth keeping: of units from `newest` on, and of older units at a uniform stride.

    unit, patch: int [H, n]; text has patch -1. The tags of every 2^j-th unit stay, for the smallest j whose tags are
    at most a twentieth of `keep`; a tag stays whole or not at all. The choice rests on the labels alone, so it is the
    same in all heads and layers; and as strides only ever double, a tag needed later was never dropped earlier.
    """
    text = patch < 0
    old = text & (unit >= 0) & (unit < newest)
    fresh = text & (unit >= newest)
    if not bool(old.any()):
        return fresh
    room = int(keep * SHARE)
    most = int(unit.max()) + 1
    stride = 1
    while True:
        anchors = old & (unit % stride == 0)
        if int(anchors.sum(1).max()) <= room:
            return fresh | anchors
        if stride >= most:  # unit 0 alone is too long
            return fresh
        stride *= 2


def cut_to(wanted: Tensor, text: Tensor, most: list[int], least: list[int]) -> Tensor:
    """bool [H, n]: the wanted text, at most `most` and at least `least` rows of each head; the newest first.

    least: how many rows must be text because all visual rows are kept already.
    """
    slots = torch.arange(text.shape[1], device=text.device)
    order = (slots + wanted * text.shape[1]).masked_fill(~text, -1).argsort(dim=1, descending=True)
    rank = torch.empty_like(order).scatter_(1, order, slots.expand_as(order))
    count = [
        min(max(int(number), low), high) for number, low, high in zip(wanted.sum(1).tolist(), least, most, strict=True)
    ]
    return text & (rank < torch.tensor(count, device=text.device)[:, None])
