"""Efficient video sampling: keep what changed since the moment before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from vtc_baselines.lattice import lattice
from vtc_baselines.rows import directions, largest
from vtc_cli import Kept, SharePruner, Unit


@dataclass
class EvsPruner(SharePruner):
    """Drop the tokens that resemble the same place one unit earlier: keep those that changed most.

    Change is 1 - cosine between a token and the token at its place in the unit before, as in vLLM's version of
    efficient video sampling (arXiv 2510.14624); equal changes are kept in raster order. vLLM ranks the tokens of the
    whole video against each other; here a video is watched as it comes, so each unit keeps its own share.

    The first unit has nothing before it. It keeps its share spread evenly over the picture, or all of it.

    first: what the first unit keeps; `whole` keeps every token, as vLLM does, once per video on top of the share.
    least: the change, from 0 to 2, that a token must exceed to be kept; a still unit then keeps fewer than its share,
    but at least one token. 0 keeps the full share always.
    """

    first: Literal["share", "whole"] = "share"
    least: float = 0.0
    _last: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.least < 2:
            raise ValueError(f"least must be at least 0 and below 2, not {self.least}")

    def reset(self) -> None:
        self._last = None

    def budget(self, tokens: int) -> int:
        return tokens if self.first == "whole" and self._last is None else self.average(tokens)

    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        now, last = directions(unit), self._last
        self._last = now
        if last is None:
            return Kept(lattice(unit.grid, budget).to(now.device))
        change = 1 - (now * last).sum(-1)
        if self.least > 0:
            budget = max(1, min(budget, int((change > self.least).sum())))
        return Kept(largest(change, budget))
