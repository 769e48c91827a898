"""Uniform pruning: the same share of every part of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vtc_baselines.lattice import lattice
from vtc_cli import Kept, SharePruner, Unit


@dataclass
class UniformPruner(SharePruner):
    """Keep tokens spread evenly over the picture's rows and columns.

    Of k tokens on a grid of R rows, row i takes floor((i+1)k/R) - floor(ik/R); in a row that takes m they stand one
    C/m-th of its C columns apart. Each row starts at another offset, so that no stripe of the picture is left unseen.
    The same places are kept in every unit of the same grid; nothing about the content matters.
    """

    def keep(self, unit: Unit, budget: int, query: torch.Tensor | None = None) -> Kept:
        return Kept(lattice(unit.grid, budget).to(unit.tokens.device))
