"""A witness of everything a session hands to a model: it checks the core's promises at every step.

Text is never pruned; kept rows stay in order, with their positions and their DeepStack rows; the budget holds after
every forward; what stays in the cache is what came in, bit for bit; a question leaves nothing behind.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from vtc_cli import Unit, VideoLM
from vtc_cli.engine.slab import Slab
from vtc_cli.models.contract import Cursor, Span

UNITS, PLACES = 16, 64  # more than any test shows


class Witness:
    """Looks over the shoulder of `model`. budget: entries after the prefix.

    placed: units that were placed, in order. rows: rows of units that entered the cache.
    """

    def __init__(self, model: VideoLM, budget: int, patch: pytest.MonkeyPatch):
        self.budget = budget
        self.placed: list[int] = []
        self.rows = 0
        self._place, self._forward = model.place, model.forward
        dims = model.info.decoder
        # What entered: [layers with entries, units, places, key and value, heads, D].
        self._entered = torch.full((dims.cached, UNITS, PLACES, 2, dims.kv_heads, dims.head_dim), torch.nan)
        self._prefix: list[Tensor] = []
        patch.setattr(model, "place", self.place)
        patch.setattr(model, "forward", self.forward)

    def place(self, cursor: Cursor, unit: Unit, keep: Tensor | None = None, merged: Tensor | None = None) -> Span:
        span, whole = self._place(cursor, unit, keep, merged), self._place(cursor, unit)
        text, kept = ~span.visual, span.patch[span.visual].long()
        assert torch.equal(span.ids[text], whole.ids[~whole.visual]), "text is never pruned"
        assert torch.equal(span.positions[:, text], whole.positions[:, ~whole.visual])
        assert bool((kept[1:] > kept[:-1]).all()), "kept rows stay in order"
        assert torch.equal(span.positions[:, span.visual], whole.positions[:, whole.visual][:, kept])
        assert span.cursor == whole.cursor, "what follows stands where it would have stood"
        values = unit.tokens[kept] if merged is None else merged
        assert torch.equal(span.embeds[span.visual], values.to(span.embeds))
        assert len(span.deep) == len(unit.deep)
        for level, rows in zip(span.deep, unit.deep, strict=True):
            assert torch.equal(level, rows[kept].to(level)), "DeepStack rows are cut with the same indices"
        self.placed.append(unit.index)
        return span

    def forward(self, span: Span, cache: Any, **options: Any) -> Tensor:
        before = cache.lengths
        logits = self._forward(span, cache, **options)
        if not self._prefix:
            self._prefix = [layer.keys[:, :, : layer.held].clone() for layer in cache.blocks]
        elif bool((span.unit >= 0).all()):
            assert cache.evictable <= self.budget, "the budget holds after every forward"
            self.rows += len(span)
            for layer, entered, start in zip(cache.blocks, self._entered, before, strict=True):
                new = slice(start, layer.held)
                unit, place = layer.unit[0, new].long(), layer.patch[0, new].long()
                pair = torch.stack([layer.keys[0, :, new], layer.values[0, :, new]]).permute(2, 0, 1, 3)
                entered[unit[place >= 0], place[place >= 0]] = pair[place >= 0]
        return logits

    def check(self, slab: Slab) -> None:
        """The cache as it stands between questions."""
        assert slab.evictable <= self.budget
        for number, (layer, prefix) in enumerate(zip(slab.blocks, self._prefix, strict=True)):
            assert torch.equal(layer.keys[:, :, : slab.pinned], prefix), "the prefix is never touched"
            view = slab.view(number)
            assert bool((view.unit >= 0).all()), "nothing of a question stays"
            assert bool((view.unit[:, 1:] >= view.unit[:, :-1]).all()), "entries stay in order of time"
            for head, (unit, place) in enumerate(zip(view.unit.long(), view.patch.long(), strict=True)):
                unit, place, seen = unit[place >= 0], place[place >= 0], place >= 0
                label = unit * PLACES + place
                assert bool((label[1:] > label[:-1]).all()), "and of place, none twice"
                held = torch.stack([view.keys[head, seen], view.values[head, seen]], 1)
                assert torch.equal(held, self._entered[number, unit, place, :, head]), "what stays is what came in"
