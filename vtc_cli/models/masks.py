"""Attention masks over a cache: a decoder that refuses the ones that would silently hide keys.

The library pads a 2-D mask that is too short with zeros, which hides the newest keys; the answer is wrong and nothing
fails. Adapters pass no mask at all, since causality against the cache follows from its lengths. The guard is for
whoever calls the model with a session's cache, or writes the next adapter.
"""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn
from transformers.cache_utils import Cache

from vtc_cli.errors import UsageError


def refuse_wrong_masks(decoder: nn.Module) -> Any:
    """Make `decoder` (a transformers model) refuse a 2-D attention mask that does not fit the cache it is given.

    A mask of the logical length (rows the cache has seen + new rows) passes. Returns the hook's handle, to remove it.
    Raises (from the decoder's forward) UsageError.
    """

    def check(_: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        cache, mask = given.get("past_key_values"), given.get("attention_mask")
        if not isinstance(cache, Cache) or not isinstance(mask, Tensor) or mask.ndim != 2:
            return
        rows = given.get("inputs_embeds")
        if rows is None:
            rows = given.get("input_ids", args[0] if args else None)
        seen, new = cache.get_seq_length(), cast("Tensor", rows).shape[1]
        if mask.shape[-1] != seen + new:
            raise UsageError(
                f"an attention mask of {mask.shape[-1]:,} columns does not fit: {seen:,} rows seen + {new:,} new = "
                f"{seen + new:,}",
                "pass no mask, or one of the logical length",
            )

    return decoder.register_forward_pre_hook(check, with_kwargs=True)
