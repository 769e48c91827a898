"""Turning keys back: the rotation a decoder gave a key, and its inverse.

Keys reach the cache rotated by their positions. Comparing what two keys say, and not where they stand, needs the keys
as they were before; re-numbering the entries of a cache needs them too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vtc_cli.errors import UsageError

MOVING = {"dynamic", "longrope"}
"""Kinds of rotary embedding whose frequencies depend on the length so far: a key's rotation cannot be known later."""


@dataclass(frozen=True)
class Rotation:
    """How a decoder rotates keys, in the half-split layout: column i turns with column i + R/2.

    axes: rows of a position: 3 for M-RoPE, 1 otherwise. angles: int [axes, H, n] -> cosine and sine, each [H, n, R]
    in fp32, scaled as the decoder scales them; columns from R on are not rotated.
    """

    axes: int
    angles: Callable[[Tensor], tuple[Tensor, Tensor]]

    def rotate(self, keys: Tensor, positions: Tensor) -> Tensor:
        """fp32 [H, n, D]: `keys` [H, n, D] turned to `positions` [axes, H or 1, n]."""
        return turn(keys, *self.angles(positions))

    def unrotate(self, keys: Tensor, positions: Tensor) -> Tensor:
        """fp32 [H, n, D]: the keys that `positions` [axes, H or 1, n] turned into `keys`."""
        return turn_back(keys, *self.angles(positions))


def turn(keys: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """fp32: keys [..., n, D] turned by angles [..., n, R]."""
    width = cosine.shape[-1]
    head, rest = keys[..., :width].float(), keys[..., width:].float()
    return torch.cat([head * cosine + _quarter(head) * sine, rest], dim=-1)


def turn_back(keys: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """fp32: what `turn` made `keys` from. A scaled embedding (YaRN) is divided out again."""
    width = cosine.shape[-1]
    head, rest = keys[..., :width].float(), keys[..., width:].float()
    return torch.cat([(head * cosine - _quarter(head) * sine) / (cosine**2 + sine**2), rest], dim=-1)


def rotation_of(decoder: Any, name: str) -> Rotation:
    """The rotation of a transformers text decoder. Raises UsageError where it cannot be undone."""
    embedding = getattr(decoder, "rotary_emb", None)
    if embedding is None:
        raise UsageError(f"{name} does not say how it rotates keys", "use a method that looks at keys as they are")
    kind = str(getattr(embedding, "rope_type", "default"))
    if kind in MOVING:
        raise UsageError(
            f"{name} changes its rotary frequencies with the length of the input ({kind}), so keys cannot be turned "
            "back",
            "use a method that looks at keys as they are",
        )
    axes = 3 if "mrope_section" in (getattr(decoder.config, "rope_parameters", None) or {}) else 1

    def angles(positions: Tensor) -> tuple[Tensor, Tensor]:
        rows = torch.empty(0, dtype=torch.float32, device=positions.device)  # says which precision and device
        cosine, sine = embedding(rows, positions if axes > 1 else positions[0])
        return cosine, sine

    return Rotation(axes, angles)


def _quarter(keys: Tensor) -> Tensor:
    """A quarter turn of every pair of columns."""
    first, second = keys.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)
