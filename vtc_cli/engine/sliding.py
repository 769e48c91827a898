"""What a layer that attends to the last positions only keeps: the rows it can still see, and no more.

It is a state of fixed size, like that of a layer with linear attention: nothing in it is for a policy to evict, and it
is taken back by putting the old one back. What slid out of the window before a question cannot come back after it, so
a state is never written into: each forward leaves a new one.

The window is counted in positions, not in rows: where rows were pruned, it reaches as far back as if they were there
and were not attended to.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import CacheLayerMixin

from vtc_cli.engine.recurrent import State


class SlidingLayer(CacheLayerMixin):
    """The last rows of one layer, for one video.

    window: positions a row sees, its own included. keys, values: [1, H, n, D]. positions: int64 [n], ascending.
    announced: positions of the rows that come next.
    """

    is_compileable = False
    is_sliding = True

    def __init__(self, window: int):
        super().__init__()
        self.window = window
        self.announced: Tensor | None = None
        self._state = State(None, None)

    def __repr__(self) -> str:
        return f"SlidingLayer(window={self.window}, {self.nbytes:,} bytes)"

    @property
    def positions(self) -> Tensor | None:
        """Where the rows held stand; None before the first."""
        return self._state.positions

    @property
    def nbytes(self) -> int:
        """Bytes of the rows held, from the tensors."""
        return sum(part.nbytes for part in (self._state.columns, self._state.memory) if part is not None)

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing is taken ahead."""
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append rows [1, H, q, D]; those held and the new ones together. Raises ValueError where they were not
        announced."""
        if self.announced is None or len(self.announced) != key_states.shape[2]:
            raise ValueError("rows of a sliding layer must be announced, with their positions")
        positions, before = self.announced, self._state
        if before.columns is not None and before.memory is not None and before.positions is not None:
            key_states = torch.cat([before.columns, key_states], 2)
            value_states = torch.cat([before.memory, value_states], 2)
            positions = torch.cat([before.positions, positions])
        self.announced, self.is_initialized = None, True
        # The next row stands after the last one, at the earliest.
        first = int((positions < positions[-1] + 2 - self.window).sum())
        keys, values = (part[:, :, first:].clone() for part in (key_states, value_states))
        self._state = State(keys, values, positions[first:].clone())
        return key_states, value_states

    def get_seq_length(self) -> int:
        """Rows held."""
        return 0 if self.positions is None else len(self.positions)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(keys the next forward attends to, 0): masks of such layers are made from positions."""
        return self.get_seq_length() + int(query_length), 0

    def get_max_length(self) -> int:
        """Rows that are held at most."""
        return self.window

    def snapshot(self) -> State:
        """The state now."""
        return self._state

    def restore(self, state: State) -> None:
        """Put a state back; it may be put back again."""
        self._state, self.announced = state, None

    def reset(self) -> None:
        """Forget every row."""
        self.restore(State(None, None))
