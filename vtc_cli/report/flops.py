"""Arithmetic of a vision tower and a decoder, counted from their widths.

One multiply and one add are two operations. Matrix products are counted; norms, activations, rotary
angles and softmax are not (well under one percent, and no counter agrees on them).

Attention of n new rows over c cached ones has two conventions in use, and both are here by name:

- `causal`: every row sees the rows before it and itself, n*c + n(n+1)/2 pairs. What a causal kernel needs.
- `square`: every row against every key, n*(n+c) pairs. What `torch.utils.flop_counter` counts.

Reports use `causal`; the test against torch's counter uses `square`. The formula printed in the FastV
paper is beside them as `fastv`, only so that tables of papers can be compared: it counts a
multiply-add once, assumes as many key heads as query heads and a two-matrix MLP, and leaves out the
vision tower and the output layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vtc_cli.models.contract import DecoderDims, TowerDims

Convention = Literal["causal", "square"]


@dataclass(frozen=True)
class Forwards:
    """What a series of decoder forwards amounted to; sums, so an hour of video is five integers.

    rows: new rows in all. cached: sum over forwards of rows x rows already cached.
    triangle: sum of n(n+1)/2. square: sum of n*n. logits: rows the output layer was applied to.
    spared_*: how much less than that the layers did, summed over layers, where rows left inside the decoder; a layer
    that holds more than the widest counts against it. 0 where all layers do the same.
    """

    rows: int = 0
    cached: int = 0
    triangle: int = 0
    square: int = 0
    logits: int = 0
    spared_rows: int = 0
    spared_cached: int = 0
    spared_triangle: int = 0
    spared_square: int = 0

    @staticmethod
    def one(new: int, cached: int, logits: int = 1) -> Forwards:
        """One forward of `new` rows on top of `cached`, with the output layer on `logits` of them."""
        return Forwards(new, new * cached, new * (new + 1) // 2, new * new, logits)

    @staticmethod
    def total(forwards: Iterable[Forwards]) -> Forwards:
        """The sum of several."""
        result = Forwards()
        for forward in forwards:
            result = result + forward
        return result

    def __mul__(self, times: int) -> Forwards:
        """The same forward `times` times, each on as many cached rows."""
        return Forwards(**{name: amount * times for name, amount in vars(self).items()})

    def __add__(self, other: Forwards) -> Forwards:
        return Forwards(**{name: amount + getattr(other, name) for name, amount in vars(self).items()})

    def pairs(self, convention: Convention) -> int:
        """Query-key pairs of one head in one layer."""
        return self.cached + (self.triangle if convention == "causal" else self.square)

    def spared_pairs(self, convention: Convention) -> int:
        """Query-key pairs of one head that were not, all layers together."""
        return self.spared_cached + (self.spared_triangle if convention == "causal" else self.spared_square)

    @staticmethod
    def uneven(layers: Sequence[tuple[int, int]], logits: int = 1) -> Forwards:
        """One forward whose layers differ: (new, cached) of each."""
        new, cached = (max(column) for column in zip(*layers, strict=True))
        whole, depth = Forwards.one(new, cached), len(layers)
        done = Forwards.total(Forwards.one(*layer) for layer in layers)
        return Forwards(
            *(whole.rows, whole.cached, whole.triangle, whole.square, logits),
            depth * whole.rows - done.rows,
            depth * whole.cached - done.cached,
            depth * whole.triangle - done.triangle,
            depth * whole.square - done.square,
        )


def decoder_layer(dims: DecoderDims, rows: int, pairs: int) -> int:
    """FLOPs of one decoder layer: GQA projections, `pairs` query-key pairs, SwiGLU MLP."""
    projections = 4 * rows * dims.hidden * dims.head_dim * (dims.heads + dims.kv_heads)
    if dims.gated:
        projections += 2 * rows * dims.hidden * dims.head_dim * dims.heads
    attention = 4 * dims.head_dim * dims.heads * pairs
    mlp = 0 if dims.row_products else 6 * rows * dims.hidden * dims.intermediate
    return projections + attention + mlp


def linear_layer(dims: DecoderDims, rows: int) -> int:
    """FLOPs of one layer with linear attention: its projections, the recurrence row by row (read, correct, read out:
    6 x D_k x D_v for each head), and the MLP. Kernels that work in chunks do more than the recurrence needs."""
    assert dims.linear is not None
    linear = dims.linear
    keys, values = linear.key_heads * linear.key_dim, linear.heads * linear.value_dim
    # Queries, keys, values and gate in, values out; two numbers for each head.
    projections = 2 * rows * dims.hidden * (2 * keys + 3 * values + 2 * linear.heads)
    return rows * (6 * linear.heads * linear.key_dim * linear.value_dim + 6 * dims.hidden * dims.intermediate) + (
        projections
    )


def decoder(dims: DecoderDims, work: Forwards, convention: Convention = "causal") -> int:
    """FLOPs of all layers and the output layer for `work`."""
    head = 2 * dims.hidden * dims.vocab * work.logits
    spared = decoder_layer(dims, work.spared_rows, work.spared_pairs(convention))
    recurrent = (
        len(dims.recurrent) * linear_layer(dims, work.rows) if dims.linear else 2 * work.rows * dims.row_products
    )
    for layer in dims.others:
        own = replace(dims, kv_heads=layer.kv_heads, head_dim=layer.head_dim, intermediate=layer.intermediate)
        pairs = work.pairs(convention)
        recurrent += decoder_layer(own, work.rows, min(pairs, work.rows * layer.window) if layer.window else pairs)
    return dims.cached * decoder_layer(dims, work.rows, work.pairs(convention)) + recurrent - spared + head


def tower(dims: TowerDims, work: Forwards) -> int:
    """FLOPs of the vision tower on `work`: one forward per attention segment (a unit), rows are its patches.

    Counts the patch embedding, the blocks (full attention within a segment, no causal half), the merger and the
    DeepStack mergers. Layers with window attention are counted as if every window were whole, which is exact where
    windows tile the picture and slightly too much elsewhere. `cached` and `logits` of a tower's work are 0.
    """
    patches = work.rows
    embedding = 2 * patches * dims.patch_inputs * dims.hidden
    projections = 8 * patches * dims.hidden**2
    windowed, late = len(dims.windowed), dims.quartered
    pairs = (dims.layers - windowed - late) * work.square + windowed * min(work.square, patches * dims.window)
    pairs += late * work.square // 16
    attention = 4 * pairs * dims.hidden
    mlp = (6 if dims.gated else 4) * patches * dims.hidden * dims.intermediate
    merged = dims.hidden * dims.merge**2
    merger = 2 * (patches // dims.merge**2) * merged * (merged + dims.out_hidden)
    if dims.projector:
        merger = round(2 * patches * dims.projector)
    blocks = (4 * dims.layers - 3 * late) * (projections + mlp) // 4
    return embedding + blocks + attention + (1 + dims.deep) * merger


def received(dims: TowerDims, work: Forwards, layers: int) -> int | None:
    """FLOPs of reading the attention received in `layers` layers of a tower that see whole units: the scores a second
    time, and their sums over queries. None where nobody asks for any."""
    return layers * 2 * work.square * (dims.hidden + dims.heads) if layers else None


def one_shot(dims: DecoderDims, rows: int) -> int:
    """FLOPs of prefilling `rows` at once with nothing evicted, output layer on the last row (causal)."""
    return decoder(dims, Forwards.one(rows, 0))


def fastv(dims: DecoderDims, tokens: int, layers: int | None = None) -> int:
    """The FastV paper's formula (arXiv 2403.06764, section 4.1): 4nd^2 + 2n^2d + 2ndm per layer.

    tokens: n, rows in the layer. layers: how many layers hold n rows, all of them when None; a schedule
    that cuts inside the decoder is the sum of its parts. Multiply-adds, not FLOPs: see the module's head.
    """
    depth = dims.layers if layers is None else layers
    return depth * (
        4 * tokens * dims.hidden**2 + 2 * tokens**2 * dims.hidden + 2 * tokens * dims.hidden * dims.intermediate
    )
