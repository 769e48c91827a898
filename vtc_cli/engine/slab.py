"""The bounded key/value cache: one preallocated block per layer, compacted between forwards.

Lengths are logical. `seen` counts every row ever appended and `held` the rows still stored, so a model that asks for
the sequence length is told how far the video has come, while attention runs over what is left. Positions are always
given explicitly by the model adapter; keys are stored rotated and survivors keep the positions they were given.

Memory is taken once, up front, with uninitialised storage: on a CPU the operating system gives pages as they are
first written, so a budget that is never reached is never resident; on an accelerator the block is taken at once, so
a run that starts is a run that fits. Nothing grows afterwards. `reset` forgets rows without touching the pages.

Attention masks: pass none. A 2-D mask must have the logical length; any other would hide the newest keys, and adapters
refuse it (`vtc_cli.models.masks`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from vtc_cli.errors import UsageError
from vtc_cli.methods.stages import LayerView


class SlabLayer(CacheLayerMixin):
    """Keys and values of one decoder layer.

    keys, values: [1, H, capacity, D], allocated on the first `update`; rows `[:held]` are in use.
    unit, patch: int32 [H, capacity], what each slot holds (see `Span`); heads differ after a per-head compaction.
    """

    is_compileable = False
    is_croppable = True
    is_sliding = False

    keys: Tensor
    values: Tensor

    def __init__(self, capacity: int):
        super().__init__()
        self.capacity = capacity
        self.held = 0
        self.seen = 0
        self.labels: tuple[Tensor, Tensor] | None = None

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
        self.keys[:, :, self.held : end] = key_states
        self.values[:, :, self.held : end] = value_states
        if self.labels is None:
            self.unit[:, self.held : end] = -1
            self.patch[:, self.held : end] = -1
        else:
            unit, patch = self.labels
            if unit.shape[0] != rows:
                raise ValueError(f"{unit.shape[0]} labels were announced for {rows} rows")
            self.unit[:, self.held : end] = unit
            self.patch[:, self.held : end] = patch
            self.labels = None
        self.held = end
        self.seen += rows
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Rows ever appended and not rolled back (logical length)."""
        return self.seen

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(keys the next forward attends to, how far the first of them lies behind the logical start)."""
        return self.held + int(query_length), self.seen - self.held

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
        self.labels = None


@dataclass(frozen=True)
class Mark:
    """A point to come back to: rows held and seen, and which compaction the slab was in."""

    held: int
    seen: int
    compactions: int


class Slab(Cache):
    """The bounded cache of one video: a `SlabLayer` per decoder layer, kept in step.

    capacity = pinned prefix + budget + room for a turn, in entries. Compaction is called by the session between
    forwards, for all layers together: the mask of a running forward is already built for the old length.
    """

    def __init__(self, layers: int, capacity: int):
        if layers < 1 or capacity < 1:
            raise ValueError(f"a slab needs layers and slots, not {layers} x {capacity}")
        self.blocks = [SlabLayer(capacity) for _ in range(layers)]
        super().__init__(layers=list(self.blocks))
        self.capacity = capacity
        self.pinned = 0
        self.compactions = 0

    @property
    def held(self) -> int:
        """Entries in use, prefix included. Raises AssertionError when layers are out of step.

        Layers of unequal length would be masked with the first layer's mask; a one-row forward would not even fail.
        """
        lengths = {(layer.held, layer.seen) for layer in self.blocks}
        if len(lengths) != 1:
            raise AssertionError(f"layers hold different numbers of entries: {sorted(lengths)} (held, seen)")
        return self.blocks[0].held

    @property
    def seen(self) -> int:
        """Rows ever appended and not rolled back."""
        return self.blocks[0].seen

    @property
    def evictable(self) -> int:
        """Entries after the pinned prefix."""
        return self.held - self.pinned

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values in use, from the tensors."""
        return sum(
            (layer.keys.nbytes + layer.values.nbytes) // layer.capacity * layer.held
            for layer in self.blocks
            if layer.is_initialized
        )

    @property
    def allocated(self) -> int:
        """Bytes of the whole blocks, used or not, from the tensors."""
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in self.blocks if layer.is_initialized)

    def expect(self, unit: Tensor, patch: Tensor) -> None:
        """Announce what the rows of the next forward are: int32 [q] each. The library passes keys and values only."""
        for layer in self.blocks:
            layer.labels = (unit, patch)

    def pin(self, rows: int) -> None:
        """Make the first `rows` entries the prefix: never shown to a policy, never moved."""
        if not 0 <= rows <= self.held:
            raise ValueError(f"cannot pin {rows} of {self.held} entries")
        self.pinned = rows

    def view(self, layer: int) -> LayerView:
        """The evictable entries of one layer, as a policy sees them (views, not copies)."""
        block = self.blocks[layer]
        slots = slice(self.pinned, block.held)
        return LayerView(
            keys=block.keys[0, :, slots],
            values=block.values[0, :, slots],
            unit=block.unit[:, slots],
            patch=block.patch[:, slots],
            layer=layer,
            layers=len(self.blocks),
        )

    def compact(self, choose: Callable[[LayerView], Tensor] | Sequence[Tensor]) -> None:
        """Keep the chosen evictable entries of every layer: indices [H, k], ascending, the same k everywhere.

        choose: a policy's function, or the indices of each layer. Every choice is made and checked before anything
        moves. Raises ValueError on indices that are not ascending, unique and in range.
        """
        if callable(choose):
            choose = [choose(self.view(layer)) for layer in range(len(self.blocks))]
        counts = set()
        for number, (layer, indices) in enumerate(zip(self.blocks, choose, strict=True)):
            _check_indices(indices, layer.keys.shape[1], self.evictable, number)
            counts.add(indices.shape[1])
        if len(counts) != 1:
            raise ValueError(f"all layers must keep the same number of entries, not {sorted(counts)}")
        for layer, indices in zip(self.blocks, choose, strict=True):
            layer.compact(indices, self.pinned)
        self.compactions += 1

    def snapshot(self) -> Mark:
        """A point `rollback` can return to, until the next compaction."""
        return Mark(self.held, self.seen, self.compactions)

    def rollback(self, mark: Mark) -> None:
        """Forget every row appended since `mark`, also those of a forward that failed half way."""
        if mark.compactions != self.compactions:
            raise AssertionError("cannot roll back across a compaction: older entries have been dropped")
        for layer in self.blocks:
            layer.held, layer.seen, layer.labels = mark.held, mark.seen, None

    def reset(self) -> None:
        """Forget everything, prefix included; the storage stays."""
        super().reset()
        self.pinned = self.compactions = 0


def _check_indices(indices: Tensor, heads: int, count: int, layer: int) -> None:
    where = f"layer {layer}"
    if indices.ndim != 2 or indices.shape[0] != heads or indices.dtype != torch.int64:
        raise ValueError(f"{where}: kept entries must be int64 [{heads}, k], not {indices.dtype} {list(indices.shape)}")
    if indices.shape[1] == 0:
        return
    ascending = bool((indices[:, 1:] > indices[:, :-1]).all())
    if not ascending or int(indices[:, 0].min()) < 0 or int(indices[:, -1].max()) >= count:
        raise ValueError(f"{where}: kept entries must be ascending, unique and below {count} in every head")
