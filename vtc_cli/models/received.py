"""How much attention each token receives inside the vision tower, for the layers a method asks for.

Only those layers are computed twice (queries and keys again, softmax in chunks); the tower itself stays on its fast
attention kernel. HiPrune (arXiv 2508.00553) reads two such layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Rotate = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
_CHUNK_VALUES = 16 * 1024 * 1024  # fp32 attention values alive at once: 64 MB


@contextmanager
def received_attention(
    blocks: Sequence[nn.Module], layers: Sequence[int], *, units: int, merge: int, rotate: Rotate
) -> Iterator[dict[int, Tensor]]:
    """While the tower runs inside the block, fill {layer: fp32 [units, n]} for the 1-based `layers`.

    A value is the mean over heads and queries of the attention a patch receives, then the mean over the merge x merge
    patches of a token, so that the n values of a unit sum to 1 / merge**2. Multiply by the number of patches for the
    scale on which uniform attention is 1.

    rotate: the family's rotary function, (q, k, cos, sin) -> (q, k).
    """
    found: dict[int, Tensor] = {}

    def reader(layer: int) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def read(attention: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            hidden = args[0] if args else kwargs["hidden_states"]
            cos, sin = kwargs["position_embeddings"]
            found[layer] = _received(attention, hidden, cos, sin, units, rotate).unflatten(1, (-1, merge**2)).mean(-1)

        return read

    handles = [
        blocks[layer - 1].attn.register_forward_pre_hook(reader(layer), with_kwargs=True)  # type: ignore[union-attr]
        for layer in sorted(set(layers))
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _received(attention: Any, hidden: Tensor, cos: Tensor, sin: Tensor, units: int, rotate: Rotate) -> Tensor:
    """fp32 [units, patches], from the attention module's input [units * patches, width]."""
    width = attention.dim
    heads = attention.num_heads
    qk = F.linear(hidden, attention.qkv.weight[: 2 * width], attention.qkv.bias[: 2 * width])
    query, key = qk.view(hidden.shape[0], 2, heads, -1).unbind(1)
    query, key = rotate(query, key, cos, sin)
    # [units, heads, patches, head width]
    query = query.float().unflatten(0, (units, -1)).transpose(1, 2)
    key = key.float().unflatten(0, (units, -1)).transpose(1, 2)
    patches = query.shape[2]
    step = max(1, _CHUNK_VALUES // (units * heads * patches))
    total = torch.zeros(units, patches, device=hidden.device)
    for first in range(0, patches, step):
        scores = query[:, :, first : first + step] @ key.transpose(2, 3) * attention.scaling
        total += scores.softmax(-1).sum(dim=(1, 2))
    return total / (heads * patches)
