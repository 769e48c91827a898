"""What a library computes inside: attention weights of a tower, keys before they are turned to their places."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from torch import Tensor


def attention_maps(monkeypatch: pytest.MonkeyPatch, tower: Any, attention: Any) -> list[Tensor]:
    """Weights [batch, heads, queries, keys] of one attention module of a tower, one more each time that it runs.

    From here on the tower computes them with its library's own eager function.
    """
    library: Any = sys.modules[type(tower).__module__]
    eager, found = library.eager_attention_forward, []

    def record(module: Any, *args: Any, **given: Any) -> Any:
        output, weights = eager(module, *args, **given)
        if module is attention:
            found.append(weights)
        return output, weights

    monkeypatch.setattr(library, "eager_attention_forward", record)
    monkeypatch.setattr(tower.config, "_attn_implementation", "eager")
    return found


@contextmanager
def projected_keys(layers: Sequence[Any], heads: int, width: int) -> Iterator[list[Tensor]]:
    """While it lasts, the keys [heads, rows, width] that decoder layers make, in the order in which they run, after a
    norm where there is one and before they are turned."""
    found: list[Tensor] = []

    def keep(module: Any, args: Any, output: Tensor) -> None:
        found.append(output.reshape(-1, heads, width).transpose(0, 1).clone())

    hooks = [getattr(layer.self_attn, "k_norm", layer.self_attn.k_proj).register_forward_hook(keep) for layer in layers]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
