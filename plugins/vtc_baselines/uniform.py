"""Uniform pruning: the same share of every part of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vtc_baselines.share import SharePruner
from vtc_cli import Kept, TokenPruner, Unit

_GOLDEN = 0.6180339887498949


@dataclass
class UniformPruner(SharePruner, TokenPruner):
    """Keep tokens spread evenly over the picture's rows and columns.

    Of k tokens on a grid of R rows, row i takes floor((i+1)k/R) - floor(ik/R); in a row that takes m they stand one
    C/m-th of its C columns apart. Each row starts at another offset (multiples of the golden ratio), since equal
    offsets would line the kept tokens up in columns and leave stripes of the picture unseen. The same places are kept
    in every unit of the same grid; nothing about the content matters.
    """

    def keep(self, unit: Unit, budget: int, query: torch.Tensor | None = None) -> Kept:
        rows, columns = unit.grid
        places: list[int] = []
        for row in range(rows):
            count = (row + 1) * budget // rows - row * budget // rows
            offset = row * _GOLDEN % 1.0
            places += (row * columns + int((place + offset) * columns / count) for place in range(count))
        return Kept(torch.tensor(places, dtype=torch.int64, device=unit.tokens.device))
