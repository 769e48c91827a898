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

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from vtc_cli.engine.recurrent import RecurrentLayer, State
from vtc_cli.engine.slab_layer import SlabLayer
from vtc_cli.engine.sliding import SlidingLayer
from vtc_cli.engine.slots import Slots
from vtc_cli.methods.stages import LayerView
from vtc_cli.models.rotary import Rotation


@dataclass(frozen=True)
class Mark:
    """A point to come back to: (held, seen) rows of every layer, and which compaction the slab was in.

    states: of the layers without entries.
    """

    layers: tuple[tuple[int, int], ...]
    compactions: int
    states: tuple[State, ...] = ()

    @property
    def held(self) -> int:
        """Entries of the fullest layer."""
        return max(held for held, _ in self.layers)


class Slab(Cache):
    """The bounded cache of one video: a `SlabLayer` per decoder layer, kept in step.

    capacity = pinned prefix + budget + room for a turn, in entries. Compaction is called by the session between
    forwards, for all layers together: the mask of a running forward is already built for the old length.

    rotation: how the model rotates keys, given when someone wants them unrotated; positions are then remembered.
    grid: (rows, columns) of a whole unit, shown to policies; None until a unit is known.
    uneven: layers may hold different numbers of entries, as they do where rows leave inside the decoder. Whoever runs
    forwards over such a slab gives each layer a mask of its own.
    recurrent: layers (0-based) of a hybrid decoder that keep a state of fixed size and no entries. Elsewhere in this
    class "layer" means one with entries; `blocks` holds those, in order.
    windows: those of them that keep their last rows instead, and how many positions these see.
    """

    def __init__(
        self,
        layers: int,
        capacity: int,
        uneven: bool = False,
        rotation: Rotation | None = None,
        recurrent: Collection[int] = (),
        windows: Mapping[int, int] | None = None,
    ):
        if layers <= len(recurrent) or capacity < 1:
            raise ValueError(f"a slab needs layers and slots, not {layers - len(recurrent)} x {capacity}")
        axes = rotation.axes if rotation else 0
        states: dict[int, RecurrentLayer | SlidingLayer] = {number: RecurrentLayer() for number in recurrent}
        states |= {number: SlidingLayer(window) for number, window in (windows or {}).items()}
        whole = [states.get(number) or SlabLayer(capacity, axes) for number in range(layers)]
        self.blocks = [layer for layer in whole if isinstance(layer, SlabLayer)]
        self.states = [layer for layer in whole if not isinstance(layer, SlabLayer)]
        super().__init__(layers=list(whole))
        self.capacity = capacity
        self.uneven = uneven
        self.rotation = rotation
        self.grid: tuple[int, int] | None = None
        self.pinned = 0
        self.compactions = 0

    @property
    def lengths(self) -> list[int]:
        """Entries in use in every layer, prefix included."""
        return [layer.held for layer in self.blocks]

    @property
    def held(self) -> int:
        """Entries in use in the fullest layer, prefix included. Raises AssertionError when layers are out of step.

        Layers of unequal length would be masked with the first layer's mask; a one-row forward would not even fail.
        """
        lengths = {(layer.held, layer.seen) for layer in self.blocks}
        if len(lengths) != 1 and not self.uneven:
            raise AssertionError(f"layers hold different numbers of entries: {sorted(lengths)} (held, seen)")
        return max(self.lengths)

    @property
    def seen(self) -> int:
        """Rows ever appended and not rolled back, in the layer that has had most."""
        return max(layer.seen for layer in self.blocks)

    @property
    def evictable(self) -> int:
        """Entries after the pinned prefix, in the fullest layer."""
        return self.held - self.pinned

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values in use, from the tensors."""
        return self._bytes_after(0)

    @property
    def evictable_nbytes(self) -> int:
        """Bytes of the keys and values after the pinned prefix, from the tensors."""
        return self._bytes_after(self.pinned)

    def _bytes_after(self, slot: int) -> int:
        return sum(
            (layer.keys.nbytes + layer.values.nbytes) // layer.capacity * (layer.held - slot)
            for layer in self.blocks
            if layer.is_initialized
        )

    @property
    def state_nbytes(self) -> int:
        """Bytes of the states of layers without entries, from the tensors; the same after any number of rows."""
        return sum(layer.nbytes for layer in self.states)

    @property
    def allocated(self) -> int:
        """Bytes of the whole blocks, used or not, from the tensors."""
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in self.blocks if layer.is_initialized)

    def expect(self, unit: Tensor, patch: Tensor, positions: Tensor | None = None) -> None:
        """Announce what the rows of the next forward are: int32 [q] each, and positions [axes, q].

        The library passes keys and values only.
        """
        for layer in self.blocks:
            layer.labels = (unit, patch, positions)
        for state in self.states:
            if isinstance(state, SlidingLayer):
                state.announced = None if positions is None else positions[0]

    def pin(self, rows: int) -> None:
        """Make the first `rows` entries the prefix: never shown to a policy, never moved."""
        if not 0 <= rows <= min(self.lengths):
            raise ValueError(f"cannot pin {rows} of {self.held} entries")
        self.pinned = rows

    def view(self, layer: int) -> LayerView:
        """The evictable entries of one layer, as a policy sees them (views, not copies)."""
        block = self.blocks[layer]
        slots = slice(self.pinned, block.held)
        keys, numbered, rotation = block.keys[0, :, slots], block.slots, self.rotation

        def unrotated() -> Tensor:
            if numbered or rotation is None:
                return keys.float()
            return rotation.unrotate(keys, block.positions[:, :, slots])

        return LayerView(
            keys=numbered.turned(keys, self.pinned) if numbered else keys,
            values=block.values[0, :, slots],
            unit=block.unit[:, slots],
            patch=block.patch[:, slots],
            layer=layer,
            layers=len(self.blocks),
            grid=self.grid,
            unrotated=unrotated if rotation else None,
        )

    def owner(self, keys: Tensor) -> SlabLayer | None:
        """The layer that gave these keys to the running forward, None when they are of another cache."""
        if self.numbered:
            return next((b for b in self.blocks if b.slots and b.slots.is_shown(b.keys, keys)), None)
        return next((b for b in self.blocks if b.is_initialized and b.keys.data_ptr() == keys.data_ptr()), None)

    @property
    def numbered(self) -> bool:
        """Whether entries are numbered by slot."""
        return self.blocks[0].slots is not None

    @torch.no_grad()
    def renumber(self) -> None:
        """From now on entries are numbered by slot: keys are turned back, once, and rows come at positions from `held`.

        Not undone by `rollback`. Raises ValueError where the rotation of keys is not known or not one-dimensional.
        """
        if self.rotation is None:
            raise ValueError("entries cannot be numbered by slot: how keys are rotated is not known")
        held = self.held
        for layer in self.blocks:
            keys = layer.keys[0, :, :held]
            keys.copy_(self.rotation.unrotate(keys, layer.positions[:, :, :held]))
        self.show_by_slot()

    def show_by_slot(self) -> None:
        """Take the keys that are held for unrotated ones, to be turned to their slots. Raises ValueError likewise."""
        if self.rotation is None:
            raise ValueError("entries cannot be numbered by slot: how keys are rotated is not known")
        on: dict[torch.device, Slots] = {}  # layers of one device share a block, in which they are turned
        for layer in self.blocks:
            device = layer.keys.device
            if device not in on:
                on[device] = Slots(self.rotation, self.capacity, device)
            layer.slots = on[device]

    def compact(self, choose: Callable[[LayerView], Tensor] | Sequence[Tensor | None]) -> None:
        """Keep the chosen evictable entries of every layer: indices [H, k], ascending.

        choose: a policy's function, or the indices of each layer, None leaving one as it is. k is the same in all
        layers unless the slab is uneven. Every choice is made and checked before anything moves. Raises ValueError on
        indices that are not ascending, unique and in range.
        """
        if callable(choose):
            choose = [choose(self.view(layer)) for layer in range(len(self.blocks))]
        counts = set()
        for number, (layer, indices) in enumerate(zip(self.blocks, choose, strict=True)):
            if indices is not None:
                _check_indices(indices, layer.keys.shape[1], layer.held - self.pinned, number)
            counts.add(layer.held - self.pinned if indices is None else indices.shape[1])
        if len(counts) != 1 and not self.uneven:
            raise ValueError(f"all layers must keep the same number of entries, not {sorted(counts)}")
        for layer, indices in zip(self.blocks, choose, strict=True):
            if indices is not None:
                layer.compact(indices, self.pinned)
        self.compactions += 1

    def snapshot(self) -> Mark:
        """A point `rollback` can return to, until the next compaction. Raises AssertionError like `held`."""
        _ = self.held
        states = tuple(layer.snapshot() for layer in self.states)
        return Mark(tuple((layer.held, layer.seen) for layer in self.blocks), self.compactions, states)

    def rollback(self, mark: Mark) -> None:
        """Forget every row appended since `mark`, also those of a forward that failed half way."""
        if mark.compactions != self.compactions:
            raise AssertionError("cannot roll back across a compaction: older entries have been dropped")
        for layer, (held, seen) in zip(self.blocks, mark.layers, strict=True):
            layer.held, layer.seen, layer.labels = held, seen, None
        for recurrent, state in zip(self.states, mark.states, strict=True):
            recurrent.restore(state)

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
