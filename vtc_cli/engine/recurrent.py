"""What a hybrid decoder keeps outside the cache of keys and values: the states of its linear-attention layers.

Such a layer folds every row into a state of fixed size. Nothing can be evicted from it and nothing can be taken back,
so asking without a trace needs the state as it was before. A state is never written into: each forward leaves a new
one, and a snapshot only holds on to the old. The few columns of the convolution are the exception, since the library
shifts them in place while decoding; they are copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import LinearAttentionLayer


@dataclass(frozen=True, eq=False)
class State:
    """A layer's state at some moment; None before the first row.

    columns: [1, channels, kernel], the last inputs of the convolution. memory: fp32 [1, heads, D_k, D_v].
    Of a sliding layer these are keys and values [1, H, n, D], and positions int64 [n] is where they stand.
    """

    columns: Tensor | None
    memory: Tensor | None
    positions: Tensor | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and all(
            _same(getattr(self, name), getattr(other, name)) for name in ("columns", "memory", "positions")
        )

    __hash__ = None  # type: ignore[assignment]


class RecurrentLayer(LinearAttentionLayer):
    """The state of one linear-attention layer, for one video."""

    is_compileable = False

    def __repr__(self) -> str:
        return f"RecurrentLayer({self.nbytes:,} bytes)"

    @property
    def nbytes(self) -> int:
        """Bytes of the state, from the tensors."""
        return sum(part.nbytes for part in (self.conv_states[0], self.recurrent_states[0]) if part is not None)

    def update_conv_state(
        self, conv_states: Tensor, state_idx: int = 0, conv_kernel_size: int | None = None, **kwargs: Any
    ) -> Tensor:
        """Append inputs [1, channels, q]; the columns held and the new ones, at least a kernel's width together."""
        kernel = conv_kernel_size or conv_states.shape[-1]
        before = self.conv_states[0]
        if before is None:
            whole = nn.functional.pad(conv_states, (max(0, kernel - conv_states.shape[-1]), 0))
        else:
            whole = torch.cat([before, conv_states], dim=-1)
        self.conv_states[0] = whole[..., -kernel:].clone()
        self.is_conv_states_initialized[0] = self.has_previous_state[0] = True
        return whole

    def update_recurrent_state(self, recurrent_states: Tensor, state_idx: int = 0, **kwargs: Any) -> Tensor:
        """Hold the new state; the old one stays with whoever took a snapshot."""
        self.recurrent_states[0] = recurrent_states
        self.is_recurrent_states_initialized[0] = True
        return recurrent_states

    def snapshot(self) -> State:
        """The state now."""
        columns = self.conv_states[0]
        return State(None if columns is None else columns.clone(), self.recurrent_states[0])

    def restore(self, state: State) -> None:
        """Put a state back; it may be put back again."""
        self.conv_states[0] = None if state.columns is None else state.columns.clone()
        self.recurrent_states[0] = state.memory
        self.has_previous_state[0] = self.is_conv_states_initialized[0] = state.columns is not None
        self.is_recurrent_states_initialized[0] = state.memory is not None

    def reset(self) -> None:
        """Forget every row."""
        self.restore(State(None, None))


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(one, other)
