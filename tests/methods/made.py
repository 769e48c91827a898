"""Units and cache views written out by hand, for methods whose choices can be worked out on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from vtc_cli import CachePolicy, LayerView, TokenPruner, Unit
from vtc_cli.methods import choose

NAN, INF = float("nan"), float("inf")


def pruner(spec: str) -> TokenPruner:
    return cast("TokenPruner", choose(spec).method)


def policy(spec: str) -> CachePolicy:
    return cast("CachePolicy", choose(spec).method)


def unit(
    tokens: Sequence[Sequence[float]] | Tensor,
    grid: tuple[int, int] | None = None,
    index: int = 0,
    scores: Mapping[int, Sequence[float]] | None = None,
) -> Unit:
    """A unit with these tokens, in one row unless a grid is given. Integers become fp32."""
    rows = tokens if isinstance(tokens, Tensor) else torch.tensor(tokens, dtype=torch.float32)
    attention = {layer: torch.tensor(values) for layer, values in (scores or {}).items()}
    return Unit(index, (0.0, 1.0), rows, grid or (1, len(rows)), (), attention)


def noise(rows: int, columns: int, seed: int, width: int = 6) -> Unit:
    """A unit of random tokens in fp64, so that no two distances are equal by rounding."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(rows * columns, width, generator=generator, dtype=torch.float64)
    scores = {layer: torch.rand(rows * columns, generator=generator) for layer in (1, 2)}
    return Unit(seed, (0.0, 1.0), tokens, (rows, columns), (), scores)


def shuffled(item: Unit, order: Tensor) -> Unit:
    """The same tokens at other places: place i holds what was at order[i]."""
    scores = {layer: values[order] for layer, values in item.scores.items()}
    return Unit(item.index, item.span, item.tokens[order], item.grid, (), scores)


def kept(spec: str, item: Unit, budget: int, query: Tensor | None = None) -> list[int]:
    """What a fresh pruner keeps of its first unit."""
    return pruner(spec).keep(item, budget, query).indices.tolist()


def view(
    keys: Tensor,
    units: Sequence[int] | None = None,
    patches: Sequence[int] | None = None,
    attention: Tensor | None = None,
) -> LayerView:
    """A layer's entries [H, n, D], the same labels in all heads: all visual and of unit 0 unless said otherwise."""
    heads, count = keys.shape[:2]
    labels = [torch.tensor(item or default, dtype=torch.int32).expand(heads, count) for item, default in (
        (units, [0] * count), (patches, list(range(count))),
    )]  # fmt: skip
    return LayerView(keys, keys.clone(), *labels, 0, 1, attention=attention)
