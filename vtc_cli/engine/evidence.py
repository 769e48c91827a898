"""Which moments an answer looked at: the attention of the last prompt row over the video in the cache.

For one forward, the attention function the model is already using is wrapped: the wrapper calls it unchanged, then
recomputes the weights of one query row. Output is therefore identical, no mask function is replaced, no other model
is touched (a layer is recognised by the slab's own storage) and nothing is installed otherwise.

Weights are averaged over heads and over the upper half of the layers, summed over the visual rows of each unit with
the slab's labels of that very head (heads hold different rows after a per-head compaction), and divided by their sum.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vtc_cli.engine.answer import Evidence
from vtc_cli.engine.slab import Slab
from vtc_cli.models.library import library

ALL_ATTENTION_FUNCTIONS = library("transformers.modeling_utils").ALL_ATTENTION_FUNCTIONS

# The library's table of attention functions is one for the whole process; two captures at once would undo each other.
_INSTALLING = threading.Lock()

# Arguments that change the weights in ways not recomputed here: with any of them there is no evidence, not a wrong one.
UNSUPPORTED = ("softcap", "position_bias", "sliding_window")


def shares(scores: Tensor, options: Mapping[str, Any]) -> Tensor:
    """Attention weights of scores [H, G, ..., n], for H key heads and the G query heads of each.

    options: those of the kernel; a sink (`s_aux`, [H * G]) takes its share of each row and gives it to no entry.
    """
    sinks = options.get("s_aux")
    if sinks is None:
        return scores.softmax(-1)
    column = sinks.view(*scores.shape[:2], *[1] * (scores.ndim - 2)).expand(*scores.shape[:-1], 1).to(scores)
    return torch.cat([scores, column], -1).softmax(-1)[..., :-1]


class Attended:
    """The weights gathered during one forward. `scores` is None when they could not be had."""

    def __init__(self, slab: Slab):
        first = len(slab.blocks) // 2
        self._slab = slab
        self._wanted = {id(layer) for layer in slab.blocks[first:] if layer.is_initialized}
        self._expected = len(slab.blocks) - first
        self._seen: set[int] = set()
        self._mass = torch.zeros(0, dtype=torch.float64)
        self._first_unit = 0
        self._failed = False

    def observe(self, query: Tensor, key: Tensor, options: Mapping[str, Any]) -> None:
        """Add one layer's weights. query: [1, heads, q, D]; key: the slab's view [1, H, held, D]."""
        layer = self._slab.owner(key)
        if layer is None or id(layer) not in self._wanted:
            return
        if any(options.get(name) is not None for name in UNSUPPORTED) or key.shape[-2] != layer.held:
            self._failed = True
            return
        heads, held, width = key.shape[1], key.shape[2], key.shape[3]
        rows = query[0, :, -1].view(heads, -1, width)
        scaling = options.get("scaling")
        scores = (rows @ key[0].transpose(-1, -2)).float() * (width**-0.5 if scaling is None else scaling)
        weights = shares(scores, options).mean(1)  # [H, held]: all query heads have equal shares of a key head
        self._seen.add(id(layer))
        visual = (layer.patch[:, :held] >= 0).cpu()
        unit, share = layer.unit[:, :held].cpu().long()[visual], weights.cpu().double()[visual]
        if len(unit):
            self._cover(int(unit.min()), int(unit.max()))
            self._mass.index_add_(0, unit - self._first_unit, share)

    def _cover(self, first: int, last: int) -> None:
        """Make room for units `first` to `last`: layers may hold different ones."""
        if not len(self._mass):
            self._first_unit = first
        before = max(0, self._first_unit - first)
        after = max(0, last + 1 - self._first_unit - len(self._mass))
        self._mass = nn.functional.pad(self._mass, (before, after))
        self._first_unit -= before

    def scores(self) -> dict[int, float] | None:
        """Unit -> share of the visual attention, or None when a layer was missed or no visual row is held."""
        if self._failed or len(self._seen) != self._expected:
            return None
        total = float(self._mass.sum())
        if not total > 0:
            return None
        shares = (self._mass / total).tolist()
        return {self._first_unit + place: share for place, share in enumerate(shares) if share > 0}

    def evidence(self, times: Mapping[int, tuple[float, float]], most: int = 3) -> tuple[Evidence, ...] | None:
        """The `most` units with the largest shares, as moments. times: unit -> (first, last) seconds."""
        shares = self.scores()
        if shares is None:
            return None
        ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:most]
        return tuple(Evidence((times[unit][0] + times[unit][1]) / 2, share) for unit, share in ranked)


@contextmanager
def attending(slab: Slab, attention: str) -> Iterator[Attended]:
    """Gather the attention of the last row of every forward over `slab` in the block.

    attention: the implementation the model runs, as transformers names it (`ModelInfo.attention`).
    """
    gathered = Attended(slab)
    with observing(gathered.observe, attention):
        yield gathered


@contextmanager
def observing(observe: Callable[[Tensor, Tensor, Mapping[str, Any]], None], attention: str) -> Iterator[None]:
    """Show `observe` the queries and keys of every attention layer that runs in the block, after it has run.

    observe: called with query [1, heads, q, D], key [1, H, kv, D] and the options of the attention function.
    """
    with _INSTALLING:
        plain = _function(attention)

        def wrapped(module: nn.Module, query: Tensor, key: Tensor, *args: Any, **options: Any) -> Any:
            result = plain(module)(module, query, key, *args, **options)
            observe(query, key, options)
            return result

        before = ALL_ATTENTION_FUNCTIONS._local_mapping.get(attention)
        ALL_ATTENTION_FUNCTIONS[attention] = wrapped
        try:
            yield
        finally:
            if before is None:
                del ALL_ATTENTION_FUNCTIONS[attention]
            else:
                ALL_ATTENTION_FUNCTIONS[attention] = before


def _function(attention: str) -> Callable[[nn.Module], Callable[..., Any]]:
    """How to find what the model would have called: the table's entry, or a modelling file's own eager function."""
    if attention in ALL_ATTENTION_FUNCTIONS:
        entry = ALL_ATTENTION_FUNCTIONS[attention]
        return lambda module: entry
    return lambda module: sys.modules[type(module).__module__].eager_attention_forward
