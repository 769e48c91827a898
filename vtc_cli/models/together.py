"""One step of several answers at once: a row of each, over caches of different lengths that end at the same column."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.masking_utils import create_causal_mask


def run_together(decoder: Any, embeds: Tensor, positions: Tensor, cache: Any, seen: Tensor) -> Tensor:
    """Append a row to each of B answers; their states [B, d] after the final norm.

    The library's own modules in the library's order, as in `layered`, with a batch in place of one.

    decoder: a transformers text model with `layers`, `rotary_emb`, `norm` and `config`, whose attention is causal over
    everything cached. embeds: [B, 1, d]. positions: int64 [axes, B, 1]. cache: a transformers `Cache` of B answers.
    seen: int64 [B, columns of the cache + 1], 1 where a column belongs to the answer.
    """
    cos, sin = decoder.rotary_emb(embeds, positions if len(positions) > 1 else positions[0])
    mask = create_causal_mask(
        config=decoder.config, inputs_embeds=embeds, attention_mask=seen, past_key_values=cache, layer_idx=0
    )
    hidden = embeds
    for block in decoder.layers:
        hidden = block(
            hidden, attention_mask=mask, position_ids=None, past_key_values=cache, position_embeddings=(cos, sin)
        )
    states: Tensor = decoder.norm(hidden)[:, -1]
    return states
