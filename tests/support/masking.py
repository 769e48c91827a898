"""Eviction against masking: entries drawn for every layer and head, and a full cache with the others hidden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


def random_choice(layers: int, heads: int, count: int, keep: int, seed: int) -> list[Tensor]:
    """Another ascending choice for every layer and head: int64 [heads, keep] each, of `count` entries."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.stack([torch.randperm(count, generator=generator)[:keep].sort().values for _ in range(heads)])
        for _ in range(layers)
    ]


@contextmanager
def all_but_kept_hidden(
    layers: Sequence[Any], kept: Mapping[int, Tensor], pinned: int, held: int, rows: int, groups: int = 2
) -> Iterator[None]:
    """While it lasts, some decoder layers see of a full cache only the pinned prefix and what is kept.

    layers: of the decoder; each takes `attention_mask` by name. kept: place of a layer -> int64 [key heads, n], entries
    after the prefix. pinned, held: entries of the prefix, and all that are cached. rows: appended meanwhile, which see
    each other causally. groups: query heads per key head.
    """
    handles = [
        layers[place].register_forward_pre_hook(_masked(entries, pinned, held, rows, groups), with_kwargs=True)
        for place, entries in kept.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _masked(kept: Tensor, pinned: int, held: int, rows: int, groups: int) -> Any:
    hidden = torch.ones(len(kept), held, dtype=torch.bool)
    hidden[:, :pinned] = False
    hidden = hidden.scatter(1, kept + pinned, False).repeat_interleave(groups, dim=0)
    mask = torch.zeros(1, len(hidden), rows, held + rows)
    mask[..., :held].masked_fill_(hidden[None, :, None], float("-inf"))
    mask[..., held:] = torch.full((rows, rows), float("-inf")).triu(1)
    return lambda module, args, given: (args, {**given, "attention_mask": mask})
