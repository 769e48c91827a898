"""The engine's cache, filled by hand."""

from __future__ import annotations

from collections.abc import Sequence

from vtc_cli.engine.slab import Slab
from vtc_cli.models.contract import Span, VideoLM


def slab_with(model: VideoLM, spans: Sequence[Span], capacity: int) -> Slab:
    """A slab that `spans` were forwarded into one by one, the first of them pinned."""
    dims = model.info.decoder
    slab = Slab(dims.layers, capacity, recurrent=dims.recurrent, windows=dims.windows)
    for number, span in enumerate(spans):
        slab.expect(span.unit, span.patch, span.positions)
        model.forward(span, slab)
        if not number:
            slab.pin(len(span))
    return slab
