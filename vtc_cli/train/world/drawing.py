"""Coverage masks and textures of shapes at any resolution, from distance functions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.float32]


def _distance(shape: str, u: Mask, v: Mask) -> Mask:
    """Signed distance (negative inside) of a shape of radius 1 at the origin, y down."""
    if shape == "circle":
        return np.hypot(u, v) - np.float32(0.95)
    if shape == "ring":
        return np.abs(np.hypot(u, v) - np.float32(0.72)) - np.float32(0.24)
    if shape == "square":
        return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.82)
    if shape == "triangle":  # apex (0, -1), base from (-0.95, 0.6) to (0.95, 0.6)
        return np.maximum(v - np.float32(0.6), np.float32(0.86) * np.abs(u) - np.float32(0.51) * (v + 1))
    if shape == "cross":
        a, b = np.abs(u), np.abs(v)
        return np.minimum(
            np.maximum(a - np.float32(0.95), b - np.float32(0.33)),
            np.maximum(a - np.float32(0.33), b - np.float32(0.95)),
        )
    if shape == "star":  # fold the plane into one tenth; the edge runs from a tip (radius 1) to a notch (0.42)
        angle = np.mod(np.arctan2(u, -v), 2 * np.pi / 5)
        angle = np.minimum(angle, 2 * np.pi / 5 - angle)
        radius = np.hypot(u, v)
        return np.float32(0.35) * (radius * np.cos(angle) - 1) + np.float32(0.936) * radius * np.sin(angle)
    raise ValueError(f"no such shape: {shape}")


@dataclass(frozen=True)
class Piece:
    """A shape on the canvas. mask: coverage [h, w] in 0..1; shade: brightness factor [h, w]; corner: (top, left)."""

    mask: Mask
    shade: Mask
    corner: tuple[int, int]


_EMPTY = np.zeros((0, 0), np.float32)
# How far from the centre a shape of radius 1 reaches; beyond it, and two pixels for the soft edge, it covers nothing.
_REACH = {"circle": 0.96, "ring": 0.97, "square": 1.17, "triangle": 1.13, "cross": 1.02, "star": 1.01}


@lru_cache(maxsize=64)  # what stands still is the same piece in every frame
def shape_piece(
    shape: str,
    centre: tuple[float, float],
    radius: float,
    turn: float,
    size: tuple[int, int],
    texture: str = "flat",
) -> Piece:
    """A shape's antialiased coverage and its texture, on the part of the canvas where it lies (maybe nothing).

    centre: (x, y) pixels; radius: pixels; turn: radians; size: (height, width) of the canvas.
    """
    height, width = size
    x, y = centre
    reach = radius * _REACH[shape] + 2
    left, right = max(0, int(x - reach)), min(width, int(x + reach) + 2)
    top, bottom = max(0, int(y - reach)), min(height, int(y + reach) + 2)
    if left >= right or top >= bottom:
        return Piece(_EMPTY, _EMPTY, (0, 0))
    du = (np.arange(left, right, dtype=np.float32) + np.float32(0.5 - x)) / np.float32(radius)
    dv = (np.arange(top, bottom, dtype=np.float32) + np.float32(0.5 - y)) / np.float32(radius)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u = du[None, :] * cos + dv[:, None] * sin
    v = dv[:, None] * cos - du[None, :] * sin
    mask = np.clip(0.5 - _distance(shape, u, v) * np.float32(radius), 0, 1).astype(np.float32)
    shade = _shade(texture, u, v)
    mask.flags.writeable = shade.flags.writeable = False
    return Piece(mask, shade, (top, left))


def _shade(texture: str, u: Mask, v: Mask) -> Mask:
    """Brightness factor of a texture at each point of a shape of radius 1: 0.62 to 1, so the colour can be told."""
    if texture == "flat":
        return np.ones((1, 1), np.float32)
    if texture == "striped":
        wave = np.sin(u * np.float32(9.0))
    elif texture == "dotted":
        wave = np.sin(u * np.float32(8.0)) * np.sin(v * np.float32(8.0)) * np.float32(1.6)
    elif texture == "shaded":
        wave = -(u + v) * np.float32(0.7)
    else:
        raise ValueError(f"no such texture: {texture}")
    return np.float32(0.81) + np.float32(0.19) * np.clip(wave * 1.5, -1, 1).astype(np.float32)


def paint(canvas: NDArray[np.float32], mask: Mask, corner: tuple[int, int], colour: NDArray[np.float32]) -> None:
    """Blend one colour (or [h, w, 3] colours) into a float32 [H, W, 3] canvas under a mask, in place."""
    if mask.size == 0:
        return
    top, left = corner
    view = canvas[top : top + mask.shape[0], left : left + mask.shape[1]]
    view += mask[..., None] * (colour - view)


def paint_planes(
    canvas: NDArray[np.float32], mask: Mask, corner: tuple[int, int], colour: NDArray[np.float32], shade: Mask
) -> None:
    """`paint` on a canvas of planes, [3, H, W], with `colour` [3] darkened by `shade` [h, w]; several times faster."""
    if mask.size == 0:
        return
    top, left = corner
    view = canvas[:, top : top + mask.shape[0], left : left + mask.shape[1]]
    view += mask * (shade * colour[:, None, None] - view)
