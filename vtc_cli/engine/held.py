"""Which moments of the video are still in the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vtc_cli.engine.slab import Slab
from vtc_cli.models.contract import Span, Unit


class Held(NamedTuple):
    """A unit that still has entries. start, end: seconds of its first and last frame; entries: of its visual rows, the
    mean over layers and key heads."""

    unit: int
    start: float
    end: float
    entries: float


def held_units(
    slab: Slab, times: Mapping[int, tuple[float, float]], cut: Sequence[tuple[Unit, Span]] = ()
) -> list[Held]:
    """Units with visual entries in the cache, in time order.

    times: unit -> (first, last) seconds. cut: what is put on top of the cache for a question.
    """
    counts: dict[int, float] = {}
    layers = len(slab.blocks)
    for layer in range(layers):
        view = slab.view(layer)
        units, entries = view.unit[view.patch >= 0].unique(return_counts=True)
        for unit, count in zip(units.tolist(), entries.tolist(), strict=True):
            counts[unit] = counts.get(unit, 0.0) + count / (layers * view.unit.shape[0])
    shown = dict(times)
    for whole, span in cut:
        shown[whole.index] = whole.span
        counts[whole.index] = float(span.visual.sum())
    return [Held(unit, *shown[unit], counts[unit]) for unit in sorted(counts)]
