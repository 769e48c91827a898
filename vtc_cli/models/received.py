"""How much attention each token receives inside the vision tower, for the layers a method asks for.

The tower stays on its fast attention kernel in every layer. In the layers asked for, the queries and keys it has just
projected are read, and the softmax is taken once more in chunks, of which only the column sums are kept: an attention
map never exists. HiPrune (arXiv 2508.00553) reads two such layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Rotate = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

# fp32 attention values alive at once. On a CPU a chunk stays in the cache next to the core: at 4096 patches this is
# 1.4 times a bare matrix product; chunks of 64 MB take three times as long. An accelerator wants fewer, larger kernels.
_CHUNK_VALUES = {"cpu": 2**19}
_LARGE_CHUNK_VALUES = 2**24
# But never fewer rows than this, or the products become too narrow: 32 rows over 16384 patches take a quarter longer.
_LEAST_ROWS = 256


@contextmanager
def received_attention(
    blocks: Sequence[nn.Module],
    layers: Sequence[int],
    *,
    units: int,
    merge: int,
    rotate: Rotate,
    order: Tensor | None = None,
) -> Iterator[dict[int, Tensor]]:
    """While the tower runs inside the block, fill {layer: fp32 [units, n]} for the 1-based `layers`.

    A value is the mean over heads and queries of the attention a patch receives within its attention segment, then the
    mean over the merge x merge patches of a token. Where a unit is one segment, its n values sum to 1 / merge**2:
    multiply by the number of patches for the scale on which uniform attention is 1.

    units: how many there are, all of one size. rotate: the family's rotary function, (q, k, cos, sin) -> (q, k).
    order: int64 [units * n], where each token (raster order) stands in the tower's own order, for towers that sort
    their patches into windows: `argsort(window_index)`. None where they stand in raster order, a token's patches
    together. A layer must see whole units; what is received within windows is not comparable between them.
    """
    found: dict[int, Tensor] = {}

    def keep(layer: int) -> Callable[[Tensor], None]:
        def put(patches: Tensor) -> None:
            found[layer] = token_scores(patches, units, merge, order)

        return put

    with ExitStack() as hooks:
        for layer in sorted(set(layers)):
            attention: Any = blocks[layer - 1].attn
            reader = _Reader(attention, rotate, keep(layer))
            for handle in (
                attention.register_forward_pre_hook(reader.enter, with_kwargs=True),
                attention.qkv.register_forward_hook(reader.read),
            ):
                hooks.callback(handle.remove)
        yield found


@contextmanager
def reading(
    modules: Mapping[int, nn.Module], read: Callable[[Any, dict[str, Any]], Tensor]
) -> Iterator[dict[int, Tensor]]:
    """While the tower runs inside the block, fill {layer: what `read` makes of it} for the attention modules given.

    modules: by layer (1-based). read: (module, what it is called with, by name) -> what its patches receive. For towers
    that hand states to attention as `hidden_states`; queries and keys are projected once more.
    """
    found: dict[int, Tensor] = {}

    def keep(layer: int) -> Callable[..., None]:
        def put(module: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
            found[layer] = read(module, {"hidden_states": args[0], **given} if args else given)

        return put

    with ExitStack() as hooks:
        for layer, module in modules.items():
            hooks.callback(module.register_forward_pre_hook(keep(layer), with_kwargs=True).remove)
        yield found


@dataclass
class _Reader:
    """Reads one attention module as it runs: first its segments and rotary angles, then what it projects."""

    attention: Any
    rotate: Rotate
    put: Callable[[Tensor], None]
    given: tuple[Tensor, Tensor, list[int]] | None = None

    def enter(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        bounds = kwargs["cu_seqlens"] if "cu_seqlens" in kwargs else args[1]
        cos, sin = kwargs["position_embeddings"]
        self.given = cos, sin, bounds.diff().tolist()

    def read(self, _: nn.Module, __: tuple[Any, ...], projected: Tensor) -> None:
        assert self.given is not None, "the attention module's own hook runs before its projection"
        (cos, sin, lengths), self.given = self.given, None
        width, heads = projected.shape[-1] // 3, self.attention.num_heads
        query, key = projected[:, : 2 * width].unflatten(-1, (2, heads, -1)).unbind(1)
        query, key = self.rotate(query, key, cos, sin)
        self.put(column_means(query, key, lengths, self.attention.scaling))


def token_scores(patches: Tensor, units: int, merge: int, order: Tensor | None = None) -> Tensor:
    """fp32 [units, n] from what each patch receives, fp32 [patches] in the tower's order. order: see above."""
    tokens = patches.unflatten(0, (-1, merge**2)).mean(-1)
    if order is not None:
        tokens = tokens[order]
    return tokens.unflatten(0, (units, -1))


def column_means(query: Tensor, key: Tensor, lengths: Sequence[int], scale: float) -> Tensor:
    """fp32 [patches]: mean over heads and queries of the attention a patch receives from its own segment.

    query, key: [patches, heads, width], rotated. lengths: patches of each segment, in order.
    Equals the dense softmax in fp32, whatever the chunk: a softmax is taken row by row. Accumulated in fp32.
    """
    if len(set(lengths)) == 1:
        return _equal_segments(query, key, len(lengths), scale)
    pairs = zip(query.split(list(lengths)), key.split(list(lengths)), strict=True)
    return torch.cat([_equal_segments(q, k, 1, scale) for q, k in pairs])


def _equal_segments(query: Tensor, key: Tensor, segments: int, scale: float) -> Tensor:
    heads, device = query.shape[1], query.device
    # [segments * heads, rows, width] and [segments * heads, width, rows]; the scale goes where it costs least.
    rows = query.float().mul(scale).unflatten(0, (segments, -1)).transpose(1, 2).flatten(0, 1)
    columns = key.float().unflatten(0, (segments, -1)).permute(0, 2, 3, 1).flatten(0, 1)
    count = rows.shape[1]
    room = _CHUNK_VALUES.get(device.type, _LARGE_CHUNK_VALUES)
    together = max(1, room // count**2)  # maps that fit the chunk whole; else one, a few of its rows at a time
    step = min(count, max(_LEAST_ROWS, room // (together * count)))
    total = torch.zeros(len(rows), count, device=device)
    for first in range(0, len(rows), together):
        some = slice(first, first + together)
        for row in range(0, count, step):
            weights = torch.bmm(rows[some, row : row + step], columns[some]).softmax(-1)
            # A product with ones sums the rows faster than a reduction over the middle axis.
            total[some] += torch.bmm(weights.new_ones(len(weights), 1, weights.shape[1]), weights)[:, 0]
    return total.unflatten(0, (segments, heads)).sum(1).flatten() / (heads * count)
