"""The last few moments and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from vtc_cli import CachePolicy, LayerView


@dataclass
class RecentCache(CachePolicy):
    """Keep the newest whole units, a fixed number of them, however much room there is.

    After SimpleStream (arXiv 2604.02317), where four frames beat published memory methods on streaming benchmarks: a
    memory has to show that it is worth more than forgetting. There the last frames are read afresh for each question;
    here they stay as they were read when they came, with what they took over from the moments before them. No unit is
    ever cut: where the budget holds fewer units than asked for, fewer stay.

    units: how many units to keep, the newest included. A unit is a frame, or two for models that fold two into one.
    """

    target: float = field(default=1.0, init=False)  # whole units stay, whatever their share of the budget
    units: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units < 1:
            raise ValueError(f"units must be at least 1, not {self.units}")

    def most_units(self) -> int | None:
        return self.units

    def wanted(self, view: LayerView, most: int) -> int:
        """The newest whole units that fit, leaving a place among `units` for the one about to come."""
        sizes = view.unit[0].unique_consecutive(return_counts=True)[1]
        ends = sizes.flip(0).cumsum(0)[: self.units - 1]
        return int(ends[ends <= most].amax()) if bool((ends <= most).any()) else 0

    def select(self, view: LayerView, keep: int) -> Tensor:
        heads, count = view.unit.shape
        return torch.arange(count - keep, count, device=view.unit.device).expand(heads, keep)
