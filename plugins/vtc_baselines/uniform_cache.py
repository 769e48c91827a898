"""A cache that thins the video in time, evenly over all of it, however long it has become."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vtc_cli import CachePolicy, LayerView

_BITS = 31  # unit indices are int32


@dataclass
class UniformCache(CachePolicy):
    """Keep whole units evenly spaced over the video so far, time tags included.

    Units have a fixed rank: their index with its bits reversed. Unit 0 comes first, then the largest powers of two,
    so the first m units of the ranking are about evenly spaced for every m: once all multiples of 2^j are in, the odd
    multiples of 2^(j-1) enter, every other one of them first, and no two gaps differ by more than a factor of two
    (the gap before the newest unit aside). As the rank does not depend on time, a unit needed later was never dropped
    earlier: many compactions to one size keep what a single one over the whole video would have kept.

    Entries are taken unit by unit in that order. The last unit taken may be cut to fit: its visual rows are taken
    first (in raster order), its time tag and markers last, so that no tag outlives its unit's visual rows.
    """

    def select(self, view: LayerView, keep: int) -> Tensor:
        alike = bool((view.unit == view.unit[:1]).all()) and bool((view.patch == view.patch[:1]).all())
        heads = 1 if alike else view.unit.shape[0]
        chosen = torch.stack([_choose(view.unit[head], view.patch[head], keep) for head in range(heads)])
        return chosen.expand(view.unit.shape[0], keep)


def _choose(unit: Tensor, patch: Tensor, keep: int) -> Tensor:
    order = _rank(unit.long()) * 2 + (patch < 0)
    return order.argsort(stable=True)[:keep].sort().values


def _rank(index: Tensor) -> Tensor:
    """The index with its bits in reverse order: smaller is kept first.

    0 comes first, then the numbers with most trailing zeros; among equals the next bits decide the same way, which
    puts every other one before those in between.
    """
    rank = torch.zeros_like(index)
    for bit in range(_BITS):
        rank = (rank << 1) | ((index >> bit) & 1)
    return rank
