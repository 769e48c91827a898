"""FastV: visual rows that a decoder layer hardly looks at leave the sequence there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vtc_cli import LayerPolicy, LayerRows, ModelInfo, NumbersError, Route


@dataclass
class FastV(LayerPolicy):
    """Let the visual rows that received least attention leave inside the decoder (Chen et al., ECCV 2024, 2403.06764).

    All rows run through the first `layer` layers. There each visual row is scored by the attention it received in the
    last of them, averaged over heads, and only the best run through the rest; their positions stay. The paper's R is
    1 - retain, its K is `layer`.

    In the paper one row asks, the prompt's last, and all visual rows compete. A video that is watched before the
    question has no such row, and rows that have left cannot come back for it. So every unit is settled as it comes in:
    its own last row asks (the marker that ends it, where the model has one), having seen the unit and all before it,
    and the rows of the unit compete with each other. That is what the paper's rule does to a prompt that ends there;
    the question is not known to it, and every moment of the video keeps the same share.

    layer: how many layers all rows run through, at least 1.
    retain: share of a unit's visual rows that run through the others, above 0 and at most 1; rounded, at least one row.
    """

    layer: int = 2
    retain: float = 0.5

    def __post_init__(self) -> None:
        if self.layer < 1:
            raise ValueError(f"layer must be at least 1, not {self.layer}: rows are ranked by a layer they ran through")
        if not 0 < self.retain <= 1:
            raise ValueError(f"retain must be above 0 and at most 1, not {self.retain}")

    def needs_on(self, model: ModelInfo) -> frozenset[str]:
        if self.layer >= model.decoder.layers:
            raise ValueError(
                f"layer must be below {model.decoder.layers}, the layers of {model.name}, not {self.layer}"
            )
        return self.needs

    def acts_at(self, layers: int) -> range:
        return range(self.layer, self.layer + 1) if self.retain < 1 else range(0)

    def enter(self, rows: LayerRows) -> Route:
        units = _segments(rows)
        if not units:
            return Route()
        paid = rows.attention(torch.stack([place[-1] for place in units])).mean(0)
        if not bool(torch.isfinite(paid).all()):
            raise NumbersError(f"the attention scores of layer {rows.layer}")
        stay = rows.patch < 0
        for place, received in zip(units, paid, strict=True):
            visual = place[rows.patch[place] >= 0]
            best = received[visual].sort(descending=True, stable=True).indices[: self._kept(len(visual))]
            stay[visual[best]] = True
        return Route(stay=stay.nonzero()[:, 0])

    def entries(self, visual: int, layers: int) -> Sequence[int]:
        return [visual if layer < self.layer else self._kept(visual) for layer in range(layers)]

    def _kept(self, visual: int) -> int:
        return min(visual, max(1, round(visual * self.retain)))


def _segments(rows: LayerRows) -> list[Tensor]:
    """Places of each unit's rows, units without visual rows left out."""
    seen = rows.unit[rows.patch >= 0].unique().tolist()
    return [(rows.unit == unit).nonzero()[:, 0] for unit in seen]
