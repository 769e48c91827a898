"""HiPrune as a token pruner: a budget per unit, two layers of the tower, the selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from vtc_cli import Calibration, Frame, Kept, ModelInfo, NumbersError, SharePruner, Unit, VideoLM, VtcError
from vtc_hiprune.layers import layers_for
from vtc_hiprune.selection import check_share, kinds, select
from vtc_hiprune.spending import Spending


@dataclass
class HiPrune(SharePruner):
    """Keep the tokens the vision tower attends to: objects in a middle layer, the whole picture in the last.

    A few anchors with their four neighbours by the attention they receive in the object layer, the rest by the
    attention received in the deep layer. It needs neither training nor the question. arXiv 2508.00553.

    alpha: share of the kept tokens that is meant for anchors and neighbours, 0 to 1.
    layer: the object layer of the vision tower, counted from 1; 0 is the published one for the model's family,
    else the middle one, and `vtc methods hiprune --calibrate MODEL` finds it for a model.
    deep: the deep layer, counted from 1; 0 is the last.
    edge: neighbours at the border: `strict` has none beyond it, `official` wraps and clamps like the authors' code.
    split: `uniform` gives every unit its share; `global` lets a unit use what earlier ones saved, by its scores.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"attention"})

    alpha: float = 0.1
    layer: int = 0
    deep: int = 0
    edge: Literal["strict", "official"] = "strict"
    split: Literal["uniform", "global"] = "uniform"
    _layers: tuple[int, int] | None = field(default=None, init=False, repr=False)
    _spending: Spending = field(default_factory=Spending, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("alpha", self.alpha)
        for name, value in (("layer", self.layer), ("deep", self.deep)):
            if value < 0:
                raise ValueError(f"{name} must be 0 (chosen for the model) or a layer from 1 on, not {value}")
        if self.edge not in ("strict", "official"):
            raise ValueError(f"edge must be strict or official, not {self.edge}")
        if self.split not in ("uniform", "global"):
            raise ValueError(f"split must be uniform or global, not {self.split}")

    @classmethod
    def calibrate(cls, model: VideoLM, clips: Sequence[Sequence[Frame]]) -> Calibration:
        from vtc_hiprune.calibration import calibrate

        return calibrate(model, clips)

    def needs_on(self, model: ModelInfo) -> frozenset[str]:
        self._layers = layers_for(model, self.layer, self.deep)
        if self.keeps_all and self.split == "uniform":
            return self.needs - {"attention"}
        return (self.needs - {"attention"}) | {f"attention:{self._layers[0]},{self._layers[1]}"}

    def options_on(self, model: ModelInfo) -> Mapping[str, Any]:
        layer, deep = layers_for(model, self.layer, self.deep)
        return {**super().options_on(model), "layer": layer, "deep": deep}

    def reset(self) -> None:
        self._spending = Spending()

    def budget(self, tokens: int) -> int:
        if self.split == "global":
            return min(tokens, self.average(tokens) + self._spending.saved)
        return self.average(tokens)

    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        count = len(unit.tokens)
        if budget >= count and self.split == "uniform":
            return Kept(torch.arange(count, device=unit.tokens.device))
        first, deep = self._scores(unit)
        if self.split == "global":
            budget = self._spending.take(deep, self.average(count), budget)
        return Kept(self._choose(unit, first, deep, budget, query))

    def kinds(self, unit: Unit, kept: Kept, query: Tensor | None = None) -> Mapping[str, Tensor]:
        """Anchors, their neighbours (buffers) and registers, as the paper calls them."""
        if len(kept.indices) == len(unit.tokens):
            return super().kinds(unit, kept, query)
        base = self._by_attention(unit, len(kept.indices), query)
        found = kinds(*self._scores(unit), unit.grid, base, self.alpha, self.edge)
        others = kept.indices[~torch.isin(kept.indices, torch.cat(list(found.values())))]
        return {**found, "text": others} if len(others) else found

    def _by_attention(self, unit: Unit, kept: int, query: Tensor | None) -> int:
        """How many of the kept tokens were not chosen by the question."""
        return kept

    def _choose(self, unit: Unit, first: Tensor, deep: Tensor, count: int, query: Tensor | None) -> Tensor:
        """int64 [count], ascending."""
        return select(first, deep, unit.grid, count, self.alpha, self.edge)

    def _scores(self, unit: Unit) -> tuple[Tensor, Tensor]:
        """Of the object layer and the deep layer."""
        layers = self._layers
        if layers is None:  # used without a model: a unit holds what was asked for, the object layer first
            layers = (self.layer or min(unit.scores), self.deep or max(unit.scores))
        for layer in layers:
            if layer not in unit.scores:
                raise VtcError(f"unit {unit.index} comes without the attention received in vision layer {layer}")
            if not bool(torch.isfinite(unit.scores[layer]).all()):
                raise NumbersError(f"the attention scores of vision layer {layer} in unit {unit.index}")
        return unit.scores[layers[0]], unit.scores[layers[1]]
