"""The cache policy `infinipot-v`: the selection of the paper on entries as the engine holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from vtc_cli import Bytes, CachePolicy, LayerView, ModelInfo
from vtc_infinipot_v.anchors import cut_to, text_to_keep
from vtc_infinipot_v.scores import distinctiveness, value_norms
from vtc_infinipot_v.selection import choose, newest_frames, packed, smooth


@dataclass(frozen=True)
class Sizes:
    """units: int64 [u], ascending, those with visual tokens in the cache. tokens: how many different ones each has."""

    units: Tensor
    tokens: list[int]


@dataclass
class InfiniPotV(CachePolicy):
    """Keep the newest units whole, what they do not repeat, and the tokens with the longest values.

    Every layer and head chooses for itself; nothing about the question is needed. InfiniPot-V, arXiv:2506.15745.

    memory: the budget in bytes, like 512MB, instead of `budget` in entries; 0 leaves it to `budget`.
    alpha: share of the visual tokens kept by how little the newest units repeat them (those units included), from 0
    to 1; the rest is kept by the length of the value vectors. 0 protects no unit.
    recent: share of the cache that is newest and stays whole; at least one unit.
    pooling: smooth the value lengths over the picture: off, grid (over what is there) or official (as the authors'
    code does it: zeros beyond the border, and packed frames).
    align: patch compares a token with its own place in the newest units; packed counts places as the authors' code
    does, which loses them with the first eviction.
    score_keys: unrotated compares keys as they were before positions turned them; rotated as they are cached.
    positions: original keeps the positions of the video; auto re-numbers the entries from 0 once a model with
    one-dimensional positions would pass its context. Models with three position axes always keep the original ones.
    """

    memory: int = field(default=0, metadata={"bytes": True})
    alpha: float = 0.5
    recent: float = 0.125
    pooling: Literal["off", "grid", "official"] = "off"
    align: Literal["patch", "packed"] = "patch"
    score_keys: Literal["unrotated", "rotated"] = "unrotated"
    positions: Literal["auto", "original"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory < 0:
            raise ValueError(f"memory must be 0 (not given) or more bytes, not {self.memory}")
        if self.memory and self.budget:
            raise ValueError(f"budget={self.budget} and memory={self.memory} both say how large the cache is: give one")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must be from 0 to 1, not {self.alpha}")
        if not 0 < self.recent <= 1:
            raise ValueError(f"recent must be above 0 and at most 1, not {self.recent}")
        if 0 < self.alpha * self.target < self.recent:
            raise ValueError(
                f"alpha={self.alpha:g} of what stays (target={self.target:g} of the cache) is less than "
                f"recent={self.recent:g} of the cache, which stays whole: raise alpha to "
                f"{self.recent / self.target:.3g} or lower recent to {self.alpha * self.target:.3g}"
            )

    @property
    def asked_budget(self) -> int:
        return Bytes(self.memory) if self.memory else self.budget

    def needs_on(self, model: ModelInfo) -> frozenset[str]:
        asked = {
            "unrotated": self.score_keys == "unrotated" and self.alpha > 0,
            "slots": self.positions == "auto",
            "whole": self.pooling == "official",
        }
        return frozenset(need for need, wanted in asked.items() if wanted)

    def options_on(self, model: ModelInfo) -> Mapping[str, Any]:
        return {**super().options_on(model), "memory": self.memory or None}

    def caveats(self, budget: int, unit: int) -> tuple[str, ...]:
        share = int(self.alpha * int(self.target * budget))
        if self.alpha == 0 or share >= unit:
            return ()
        return (
            f"infinipot-v: a budget of {budget:,} entries is too small for alpha={self.alpha:g}: its share of "
            f"{share:,} holds no whole unit of {unit:,}",
        )

    def select(self, view: LayerView, keep: int) -> Tensor:
        heads, count = view.unit.shape
        if keep >= count:
            return torch.arange(count, device=view.unit.device).expand(heads, count)
        visual = view.patch >= 0
        shown = [int(number) for number in visual.sum(1)]
        sizes = _sizes(view, visual)
        newest = self._newest(sizes, max(shown), keep) if max(shown) else int(view.unit.max())
        kept = text_to_keep(view.unit, view.patch, newest, keep)
        least = [max(0, keep - number) for number in shown]
        text = cut_to(kept, ~visual, [keep] * heads, least) if not bool(visual.all()) else torch.zeros_like(visual)
        places = [keep - int(number) for number in text.sum(1)]
        chosen = self._visual(view, visual, sizes, newest, places) if max(shown) else torch.zeros_like(visual)
        return (chosen | text).nonzero()[:, 1].view(heads, keep)

    def _newest(self, sizes: Sizes, shown: int, keep: int) -> int:
        """The first of the units that stay whole: as many of the newest as are `recent` of the visual tokens.

        At least one; fewer than `recent` where alpha's share of what stays would not hold them.
        """
        room = min(self.recent * shown + 1e-6, keep - round((1 - self.alpha) * keep))
        held, number = 0, 0
        for size in reversed(sizes.tokens):
            held += size
            if held > room and number:
                break
            number += 1
        return newest_frames(sizes.units, max(1, number))

    def _visual(self, view: LayerView, visual: Tensor, sizes: Sizes, newest: int, places: list[int]) -> Tensor:
        unit, patch = view.unit, view.patch
        protected = visual & (unit >= newest)
        if self.align == "packed":
            number = sum(int(first) >= newest for first in sizes.units)
            unit, patch = packed(visual, max(sizes.tokens[-number:]))
            protected = visual & (unit >= -number)
        if self.pooling != "off" and view.grid is None:
            raise ValueError(f"pooling={self.pooling} needs the grid of a unit, and none was given")
        norms = value_norms(view.values)
        norms = smooth(norms, view.unit, view.patch, visual, self.pooling, view.grid, view.layer, view.layers)
        tar = None
        if self.alpha > 0:
            raw = view.unrotated() if self.score_keys == "unrotated" and view.unrotated else view.keys
            tar = distinctiveness(raw, patch, protected, visual, view.grid)
        return choose(norms, tar, visual, protected, places, self.alpha)


def _sizes(view: LayerView, visual: Tensor) -> Sizes:
    """Counted over all heads together: units that were never thinned are there as they came."""
    patches = max(1, int(view.patch.max()) + 1)
    pairs = (view.unit.long() * patches + view.patch)[visual].unique()
    units, tokens = (pairs // patches).unique_consecutive(return_counts=True)
    return Sizes(units, tokens.tolist())
