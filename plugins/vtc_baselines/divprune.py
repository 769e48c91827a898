"""DivPrune: the tokens that differ most from each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vtc_baselines.rows import cosines, directions
from vtc_cli import Kept, SharePruner, Unit


@dataclass
class DivPruner(SharePruner):
    """Keep tokens that are far from each other: the greedy solution of the max-min diversity problem.

    DivPrune (arXiv 2503.02175, CVPR 2025). The distance of two tokens is 1 - cosine. The first token kept is the one
    whose nearest neighbour is farthest; each next one is the token farthest from all kept so far; of equally far ones
    the earlier in raster order. Looks at neither the question nor attention. A unit of n tokens takes an n x n matrix.
    """

    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        return Kept(max_min(directions(unit), budget).sort().values)


def max_min(rows: Tensor, count: int) -> Tensor:
    """int64 [count], in the order chosen. rows: [n, d] of length one."""
    distance = 1 - cosines(rows, rows)
    distance.fill_diagonal_(torch.inf)  # nobody is its own neighbour
    chosen = [distance.amin(1).argmax()] if len(rows) > 1 else [distance.new_zeros((), dtype=torch.int64)]
    nearest = distance[chosen[0]].clone()
    for _ in range(count - 1):
        nearest[chosen[-1]] = -torch.inf
        chosen.append(nearest.argmax())
        nearest = torch.minimum(nearest, distance[chosen[-1]])
    return torch.stack(chosen)
