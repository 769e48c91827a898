"""Which moments of the video are still in the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vtc_cli.engine.slab import Slab
from vtc_cli.models.contract import Span, Unit


class Held(NamedTuple):
    """A unit that still has entries. start, end: seconds of its first and last frame; entries: of its visual rows, the
    mean over layers and key heads."""

    unit: int
    start: float
    end: float
    entries: float


class HeldByLayer(NamedTuple):
    """units: ascending, those with entries in some layer. entries: fp64 [layers, units], of visual rows, the mean over
    key heads."""

    units: tuple[int, ...]
    entries: Tensor


def held_units(
    slab: Slab, times: Mapping[int, tuple[float, float]], cut: Sequence[tuple[Unit, Span]] = ()
) -> list[Held]:
    """Units with visual entries in the cache, in time order.

    times: unit -> (first, last) seconds. cut: what is put on top of the cache for a question.
    """
    shown = dict(times) | {whole.index: whole.span for whole, _ in cut}
    units, entries = held_by_layer(slab, cut)
    means = (entries.sum(0) / max(1, entries.shape[0])).tolist()
    return [Held(unit, *shown[unit], mean) for unit, mean in zip(units, means, strict=True)]


def held_by_layer(slab: Slab, cut: Sequence[tuple[Unit, Span]] = ()) -> HeldByLayer:
    """Visual entries of every unit in every layer. cut: as for `held_units`."""
    counts: list[dict[int, float]] = []
    for layer in range(len(slab.blocks)):
        view = slab.view(layer)
        units, entries = view.unit[view.patch >= 0].unique(return_counts=True)
        heads = view.unit.shape[0]
        counts.append({unit: n / heads for unit, n in zip(units.tolist(), entries.tolist(), strict=True)})
        counts[-1] |= {whole.index: float(span.visual.sum()) for whole, span in cut}
    held = sorted({unit for layer_counts in counts for unit in layer_counts})
    table = [[layer_counts.get(unit, 0.0) for unit in held] for layer_counts in counts]
    return HeldByLayer(tuple(held), torch.tensor(table, dtype=torch.float64).reshape(len(counts), len(held)))


def held_places(slab: Slab, unit: int, rows: int) -> Tensor:
    """fp32 [layers, rows]: the share of key heads that hold each row of a unit."""
    found = torch.zeros(len(slab.blocks), rows)
    for layer in range(len(slab.blocks)):
        view = slab.view(layer)
        patches = view.patch[(view.unit == unit) & (view.patch >= 0)].cpu().long()
        found[layer].index_add_(0, patches, torch.full((len(patches),), 1 / view.unit.shape[0]))
    return found
