"""Coverage masks of shapes and digits at any resolution, from distance functions and a bitmap font."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.float32]

_GLYPHS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "01110 10001 00001 00110 00001 10001 01110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)
_BITMAPS = np.array([[[int(bit) for bit in row] for row in glyph.split()] for glyph in _GLYPHS], dtype=np.float32)


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


def shape_mask(shape: str, centre: tuple[float, float], radius: float, turn: float, size: tuple[int, int]) -> tuple:
    """Antialiased coverage of a shape.

    centre: (x, y) pixels; radius: pixels; turn: radians; size: (height, width) of the canvas.
    Returns (mask [h, w] in 0..1, (top, left)) of the part that lies on the canvas; the mask may be empty.
    """
    height, width = size
    x, y = centre
    reach = radius * 1.42 + 1
    left, right = max(0, int(x - reach)), min(width, int(x + reach) + 2)
    top, bottom = max(0, int(y - reach)), min(height, int(y + reach) + 2)
    if left >= right or top >= bottom:
        return np.zeros((0, 0), np.float32), (0, 0)
    du = (np.arange(left, right, dtype=np.float32) + np.float32(0.5 - x)) / np.float32(radius)
    dv = (np.arange(top, bottom, dtype=np.float32) + np.float32(0.5 - y)) / np.float32(radius)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u = du[None, :] * cos + dv[:, None] * sin
    v = dv[:, None] * cos - du[None, :] * sin
    mask = np.clip(0.5 - _distance(shape, u, v) * np.float32(radius), 0, 1)
    return mask.astype(np.float32), (top, left)


def digit_mask(digit: int, centre: tuple[float, float], height: float, size: tuple[int, int]) -> tuple:
    """Antialiased coverage of a digit and of its dark surround: (ink, surround, (top, left))."""
    canvas_h, canvas_w = size
    cell = height / 7
    x0, y0 = centre[0] - 2.5 * cell, centre[1] - 3.5 * cell
    margin = 0.8 * cell
    left, right = max(0, int(x0 - margin)), min(canvas_w, int(x0 + 5 * cell + margin) + 1)
    top, bottom = max(0, int(y0 - margin)), min(canvas_h, int(y0 + 7 * cell + margin) + 1)
    if left >= right or top >= bottom:
        empty = np.zeros((0, 0), np.float32)
        return empty, empty, (0, 0)
    columns = _box_rows(left, right, x0, cell, 5)
    rows = _box_rows(top, bottom, y0, cell, 7)
    ink = rows @ _BITMAPS[digit] @ columns.T
    surround = np.ones_like(ink)
    return np.clip(ink, 0, 1), surround, (top, left)


def _box_rows(start: int, stop: int, origin: float, cell: float, count: int) -> Mask:
    """[pixels, count]: how much of each pixel each font cell covers, so a glyph scales without a library."""
    low = np.arange(start, stop, dtype=np.float32)[:, None]
    edges = origin + cell * np.arange(count, dtype=np.float32)[None, :]
    covered = np.minimum(low + 1, edges + np.float32(cell)) - np.maximum(low, edges)
    return np.clip(covered, 0, 1).astype(np.float32)


def paint(canvas: NDArray[np.float32], mask: Mask, corner: tuple[int, int], colour: NDArray[np.float32]) -> None:
    """Blend one colour (or [h, w, 3] colours) into a float32 [H, W, 3] canvas under a mask, in place."""
    if mask.size == 0:
        return
    top, left = corner
    view = canvas[top : top + mask.shape[0], left : left + mask.shape[1]]
    view += mask[..., None] * (colour - view)
