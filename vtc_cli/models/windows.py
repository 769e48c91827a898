"""Which rows a layer sees where layers differ: all that the cache holds, or those within a sliding window."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.masking_utils import create_causal_mask

from vtc_cli.models.contract import Span


def whole_mask(config: Any, span: Span, cache: Any, layer: int) -> Any:
    """What the layers take that see everything before a row, as the library makes it for the kernel in use.

    config: the decoder's. cache: holds layer `layer` (0-based), one of those, before the rows are in it.
    """
    return create_causal_mask(
        config=config, inputs_embeds=span.embeds[None], attention_mask=None, past_key_values=cache, layer_idx=layer
    )


def window_mask(span: Span, cache: Any, layer: int, window: int, together: bool = False) -> Tensor:
    """What is added to the scores of the new rows: [1, 1, q, k] in the rows' dtype, 0 where they see.

    cache: holds layer `layer` (0-based), before the rows are in it. window: positions a row sees, its own included.
    They are counted as if pruned rows were there. together: visual rows of a unit see each other in both directions.
    """
    new = span.positions[0]
    kept = cache.layers[layer] if len(cache.layers) else None
    held = getattr(kept, "positions", None)
    if held is None:  # a cache of the library's own, in which nothing was pruned
        count = 0 if kept is None or not kept.is_initialized else kept.keys.shape[2]
        held = torch.arange(int(new[0]) - count, int(new[0]), device=new.device)
    there = torch.cat([held.to(new.device), new])  # of a layer that may be on another GPU
    sees = there <= new[:, None]
    if together:
        frame = torch.where(span.visual, span.unit, -1)
        sees[:, len(held) :] |= (frame[:, None] == frame) & (frame >= 0)
    sees &= there > new[:, None] - window
    least = torch.finfo(span.embeds.dtype).min
    return torch.where(sees, 0.0, least).to(span.embeds.dtype)[None, None]
