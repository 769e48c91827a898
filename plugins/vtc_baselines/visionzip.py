"""VisionZip: the tokens the vision tower looks at most, and averages of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from vtc_baselines.rows import cosines, directions, largest, wide
from vtc_cli import Kept, ModelInfo, SharePruner, Unit


@dataclass
class VisionZipPruner(SharePruner):
    """Keep the tokens that receive most attention in the vision tower, and merge the rest into a few.

    VisionZip (arXiv 2412.04467, CVPR 2025). Of k tokens, round(contextual * k) are contextual and the others dominant:
    those that receive most attention, averaged over heads and queries as the paper does for towers without a class
    token. Of the tokens left, every s-th is a target (s = those left divided by the contextual ones, rounded down);
    each other one joins the target it resembles most, and a target becomes itself plus the mean of those that joined.
    Likeness is the cosine of the merged rows, where the published code compares keys of the tower. Kept tokens stay at
    their places, where the published code moves the contextual ones to the end.

    contextual: share of the kept tokens that are merged ones; the paper keeps 10 of 64, 20 of 128, 30 of 192.
    merge: `sum` adds the mean of those that joined to the target, as published; `mean` averages the target with them.
    layer: layer of the tower whose attention counts, from 1; 0 takes the last one that attends to the whole picture.
    """

    contextual: float = 10 / 64
    merge: Literal["sum", "mean"] = "sum"
    layer: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.contextual < 1:
            raise ValueError(f"contextual must be at least 0 and below 1, not {self.contextual}")
        if self.layer < 0:
            raise ValueError(f"layer must be 0 (the last) or a layer of the tower, not {self.layer}")

    def needs_on(self, model: ModelInfo) -> frozenset[str]:
        layer = self._layer_of(model)
        return frozenset() if self.keeps_all else frozenset({f"attention:{layer}"})

    def options_on(self, model: ModelInfo) -> Mapping[str, Any]:
        return {**super().options_on(model), "layer": self._layer_of(model)}

    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        if budget >= len(unit.tokens):
            return Kept(torch.arange(len(unit.tokens), device=unit.tokens.device))
        dominant = self._dominant(unit, budget)
        contextual = budget - len(dominant)
        if not contextual:
            return Kept(dominant)
        left = torch.ones(len(unit.tokens), dtype=torch.bool, device=unit.tokens.device)
        left[dominant] = False
        targets, merged = merge_rest(unit, left.nonzero()[:, 0], contextual, self.merge)
        indices, order = torch.cat([dominant, targets]).sort()
        return Kept(indices, torch.cat([unit.tokens[dominant], merged])[order])

    def kinds(self, unit: Unit, kept: Kept, query: Tensor | None = None) -> Mapping[str, Tensor]:
        """Dominant tokens as they were, and contextual ones, the targets that others may have been merged into."""
        if len(kept.indices) == len(unit.tokens):
            return super().kinds(unit, kept, query)
        dominant = self._dominant(unit, len(kept.indices))
        contextual = kept.indices[~torch.isin(kept.indices, dominant)]
        return {"dominant": dominant, "contextual": contextual} if len(contextual) else {"dominant": dominant}

    def _dominant(self, unit: Unit, budget: int) -> Tensor:
        """int64, ascending: the tokens that receive most, of a budget that has room for the contextual ones too."""
        layer = self.layer or max(unit.scores)
        received = wide(unit.scores[layer], f"the attention of vision layer {layer} in unit {unit.index}")
        return largest(received, budget - min(budget - 1, round(budget * self.contextual)))

    def _layer_of(self, model: ModelInfo) -> int:
        tower = model.tower
        whole = [layer for layer in range(1, tower.layers + 1) if layer not in tower.windowed]
        if not whole:
            raise ValueError(f"no layer of {model.name}'s vision tower sees the whole picture")
        return self.layer or whole[-1]


def merge_rest(unit: Unit, rest: Tensor, count: int, how: str) -> tuple[Tensor, Tensor]:
    """(int64 [count], [count, d]): targets among the raster indices `rest`, and what becomes of them."""
    chosen = torch.zeros_like(rest, dtype=torch.bool)
    chosen[:: max(1, len(rest) // count)][:count] = True
    targets, others = rest[chosen], rest[~chosen]
    rows, tokens = directions(unit), wide(unit.tokens, f"the rows of unit {unit.index}")
    joins = cosines(rows[others], rows[targets]).argmax(-1)
    member = one_hot(joins, count).to(tokens).T  # a product, since adding by index is not repeatable on every device
    total, joined = member @ tokens[others], member.sum(1, keepdim=True)
    if how == "mean":
        merged = (tokens[targets] + total) / (1 + joined)
    else:
        merged = tokens[targets] + total / joined.clamp(min=1)
    # A sum may leave the range of a narrow number format; its largest value is the closest there is.
    widest = torch.finfo(unit.tokens.dtype).max
    return targets, merged.clamp(-widest, widest).to(unit.tokens.dtype)
