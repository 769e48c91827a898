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
    """How a decoder rotates keys: column i turns with column i + R/2; columns from R on are not rotated.

    axes: rows of a position: 3 for M-RoPE, 1 otherwise. angles: int [axes, H, n] -> cosine and sine of each pair of
    columns, fp32 [H, n, R/2]. scale: what the decoder multiplies rotated keys by (YaRN), 1 for most.
    paired: column 2i turns with column 2i + 1 instead (GLM-4.1V).
    """

    axes: int
    angles: Callable[[Tensor], tuple[Tensor, Tensor]]
    scale: float = 1.0
    paired: bool = False

    def rotate(self, keys: Tensor, positions: Tensor) -> Tensor:
        """fp32 [H, n, D]: `keys` [H, n, D] turned to `positions` [axes, H or 1, n]."""
        return turn(keys, *self.angles(positions), self.scale, self.paired)

    def unrotate(self, keys: Tensor, positions: Tensor) -> Tensor:
        """fp32 [H, n, D]: the keys that `positions` [axes, H or 1, n] turned into `keys`."""
        cosine, sine = self.angles(positions)
        return turn(keys, cosine, -sine, 1 / self.scale, self.paired)


def turn(keys: Tensor, cosine: Tensor, sine: Tensor, scale: float = 1.0, paired: bool = False) -> Tensor:
    """fp32: keys [..., n, D] turned by angles [..., n, R/2], and multiplied by `scale` where they are.

    paired: which columns turn together, as in `Rotation`.
    """
    half = cosine.shape[-1]
    one, other = (slice(0, 2 * half, 2), slice(1, 2 * half, 2)) if paired else (slice(half), slice(half, 2 * half))
    turned = keys.to(torch.float32, copy=True)
    first, second = keys[..., one].float(), keys[..., other].float()
    torch.addcmul(first * cosine, second, sine, value=-1, out=turned[..., one])
    torch.addcmul(second * cosine, first, sine, out=turned[..., other])
    if scale != 1:
        turned[..., : 2 * half] *= scale
    return turned


def rotation_of(decoder: Any, name: str) -> Rotation:
    """The rotation of a transformers text decoder. Raises UsageError where it cannot be undone, or is not understood.

    Which axis turns which columns is found by asking the decoder's embedding, and the whole is compared with it.
    """
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
    sections = getattr(embedding, "mrope_section", None)  # where the configuration leaves them to the class
    axes = 3 if sections or "mrope_section" in (getattr(decoder.config, "rope_parameters", None) or {}) else 1
    frequencies, scale = embedding.inv_freq.float(), float(embedding.attention_scaling)
    rows = torch.empty(0, dtype=torch.float32, device=frequencies.device)  # says which precision and device

    def asked(positions: Tensor) -> tuple[Tensor, Tensor]:
        cosine, sine = embedding(rows, positions if axes > 1 else positions[0])
        return cosine, sine

    half = len(frequencies)
    probe = torch.arange(2, 2 + 2 * axes, device=rows.device).view(axes, 1, 2)
    theirs = asked(probe)
    twice = theirs[0].shape[-1] == 2 * half  # most give each pair's angle twice
    paired = half > 1 and twice and all(torch.equal(values[..., 0::2], values[..., 1::2]) for values in theirs)
    one_each = torch.eye(axes, dtype=torch.int64, device=rows.device)[:, None]  # [axes, 1, axes]
    axis = asked(one_each)[1][0, :, slice(0, 2 * half, 2) if paired else slice(half)].abs().argmax(0)

    def angles(positions: Tensor) -> tuple[Tensor, Tensor]:
        device = positions.device  # that of a layer's cache, which may be another GPU
        turns = positions.float().movedim(0, -1)[..., axis.to(device)] * frequencies.to(device)
        return turns.cos(), turns.sin()

    ours = list(angles(probe))
    if twice:
        ours = [mine.repeat_interleave(2, -1) if paired else mine.repeat(1, 1, 2) for mine in ours]
    if not all(torch.allclose(scale * mine, other, atol=1e-4) for mine, other in zip(ours, theirs, strict=True)):
        raise UsageError(
            f"how {name} rotates keys ({kind}) is not understood, so keys cannot be turned back",
            "use a method that looks at keys as they are",
        )
    return Rotation(axes, angles, scale, paired)
