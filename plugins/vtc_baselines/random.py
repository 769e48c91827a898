"""Random pruning: the floor any informed choice has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vtc_cli import Kept, SharePruner, Unit


@dataclass
class RandomPruner(SharePruner):
    """Keep tokens drawn at random, all places equally likely, without repetition.

    The draw depends on `seed` and on the unit's index only: the same unit is cut the same way whatever came before,
    on every device.

    seed: 0 or more; another seed, another draw.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, not {self.seed}")

    def keep(self, unit: Unit, budget: int, query: torch.Tensor | None = None) -> Kept:
        # Mixed rather than added, so that unit 1 of seed 0 is not unit 0 of seed 1.
        mixed = (self.seed * 0x9E3779B97F4A7C15 + unit.index * 0xBF58476D1CE4E5B9 + 1) % 2**63
        generator = torch.Generator().manual_seed(mixed)
        drawn = torch.randperm(unit.tokens.shape[0], generator=generator)[:budget]
        return Kept(drawn.sort().values.to(unit.tokens.device))
