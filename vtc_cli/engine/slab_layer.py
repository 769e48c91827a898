"""One decoder layer's part of the bounded cache: a block of keys and values, and what every slot holds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import CacheLayerMixin

from vtc_cli.engine.slots import Slots
from vtc_cli.errors import UsageError


class SlabLayer(CacheLayerMixin):
    """Keys and values of one decoder layer.

    keys, values: [1, H, capacity, D], allocated on the first `update`; rows `[:held]` are in use.
    unit, patch: int32 [H, capacity], what each slot holds (see `Span`); heads differ after a per-head compaction.
    positions: int32 [axes, H, capacity], where each key was turned to; kept only for who asks (`axes` above 0).
    slots: given, keys are held unrotated and turned to their slots for each forward.
    """

    is_compileable = False
    is_croppable = True
    is_sliding = False

    keys: Tensor
    values: Tensor

    def __init__(self, capacity: int, axes: int = 0):
        super().__init__()
        self.capacity = capacity
        self.axes = axes
        self.slots: Slots | None = None
        self.held = 0
        self.seen = 0
        self.labels: tuple[Tensor, Tensor, Tensor | None] | None = None

    def __repr__(self) -> str:
        return f"SlabLayer(held={self.held}, seen={self.seen}, capacity={self.capacity})"

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take the block, in the shape, dtype and device of the first rows."""
        batch, heads, _, width = key_states.shape
        if batch != 1:
            raise ValueError(f"the slab holds one video at a time, not a batch of {batch}")
        self.dtype, self.device = key_states.dtype, key_states.device
        # Tensors born in inference mode could not be compacted outside of it.
        with torch.inference_mode(False):
            self.keys = key_states.new_empty((1, heads, self.capacity, width))
            self.values = value_states.new_empty((1, heads, self.capacity, value_states.shape[-1]))
            self.unit = torch.empty((heads, self.capacity), dtype=torch.int32, device=self.device)
            self.patch = torch.empty((heads, self.capacity), dtype=torch.int32, device=self.device)
            self.positions = torch.empty((self.axes, heads, self.capacity), dtype=torch.int32, device=self.device)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append rows [1, H, q, D]; views of everything held, [1, H, held, D].

        Raises UsageError when the rows do not fit: nothing is ever dropped inside a forward.
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        rows = key_states.shape[-2]
        end = self.held + rows
        if end > self.capacity:
            raise UsageError(
                f"the cache is full: {self.held:,} entries held + {rows:,} new > {self.capacity:,} slots",
                "compact before appending, or give the session a larger budget",
            )
        self.keys[:, :, self.held : end] = self.slots.back(key_states, self.held) if self.slots else key_states
        self.values[:, :, self.held : end] = value_states
        if self.labels is None:
            if self.axes:
                raise ValueError("rows whose positions are to be remembered must be announced")
            self.unit[:, self.held : end] = -1
            self.patch[:, self.held : end] = -1
        else:
            unit, patch, positions = self.labels
            if unit.shape[0] != rows:
                raise ValueError(f"{unit.shape[0]} labels were announced for {rows} rows")
            self.unit[:, self.held : end] = unit
            self.patch[:, self.held : end] = patch
            if self.axes and positions is not None:
                self.positions[:, :, self.held : end] = positions[:, None]
            self.labels = None
        self.held = end
        self.seen += rows
        keys = self.slots.show(self.keys, end) if self.slots else self.keys[:, :, :end]
        return keys, self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Rows ever appended and not rolled back (logical length); the entries held where they are numbered by slot."""
        return self.held if self.slots else self.seen

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(keys the next forward attends to, how far the first of them lies behind the logical start)."""
        return self.held + int(query_length), self.get_seq_length() - self.held

    def get_max_length(self) -> int:
        """No logical maximum: the slab is bounded in slots, not in rows seen."""
        return -1

    def compact(self, indices: Tensor, pinned: int) -> None:
        """Keep `indices` [H, k], ascending and counted from slot `pinned`; gaps are closed.

        The rows move through a copy of k rows of this layer's keys, then of its values: never a second slab.
        """
        end = pinned + indices.shape[1]
        where = indices.to(self.device) + pinned
        head = torch.arange(indices.shape[0], device=self.device)[:, None]
        for block in (self.keys[0], self.values[0], self.unit, self.patch):
            block[:, pinned:end] = block[head, where]
        self.positions[:, :, pinned:end] = self.positions[:, head, where]
        self.held = end

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the newest `-tokens_to_remove` rows (a count <= 0, as everywhere in transformers 5)."""
        if tokens_to_remove > 0 or -tokens_to_remove > self.held:
            raise ValueError(f"cannot crop {tokens_to_remove} of {self.held} rows: give minus the number to remove")
        self.held += tokens_to_remove
        self.seen += tokens_to_remove

    def reset(self) -> None:
        """Forget every row; the storage stays and is not touched."""
        self.held = self.seen = 0
        self.labels = self.slots = None
