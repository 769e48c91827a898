"""A bitmap font of five by seven cells that scales to any size by area coverage, without a font library."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.float32]
WIDE, TALL, GAP = 5, 7, 1  # cells of a glyph, and between two

_GLYPHS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "01110 10001 00001 00110 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 10001 11110 10001 10001 11110",
    "C": "01110 10001 10000 10000 10000 10001 01110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "F": "11111 10000 10000 11110 10000 10000 10000",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "K": "10001 10010 10100 11000 10100 10010 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 11001 10101 10011 10011 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "W": "10001 10001 10001 10101 10101 11011 10001",
    "X": "10001 10001 01010 00100 01010 10001 10001",
}


def bitmap(text: str) -> Mask:
    """The cells of a line of text: float32 [7, 6 * len - 1]. Raises KeyError for a character without a glyph."""
    gap = np.zeros((TALL, GAP), np.float32)
    parts: list[Mask] = []
    for character in text:
        rows = _GLYPHS[character].split()
        parts += [np.array([[float(bit) for bit in row] for row in rows], np.float32), gap]
    return np.concatenate(parts[:-1], axis=1)


def width(text: str, height: float) -> float:
    """How wide a line of text of this height is, in the same unit."""
    return height / TALL * ((WIDE + GAP) * len(text) - GAP)


@lru_cache(maxsize=16)  # a text is the same for as long as it is shown
def text_mask(
    text: str, centre: tuple[float, float], height: float, size: tuple[int, int]
) -> tuple[Mask, tuple[int, int]]:
    """Antialiased coverage of a line of text and the box around it.

    centre: (x, y) pixels; height: of the letters, pixels; size: (height, width) of the canvas. Returns (ink [h, w] in
    0..1, (top, left)); the whole of [h, w] is the box. It may be empty.
    """
    cells = bitmap(text)
    cell = height / TALL
    x0, y0 = centre[0] - cells.shape[1] / 2 * cell, centre[1] - TALL / 2 * cell
    margin = 0.8 * cell
    left, right = max(0, int(x0 - margin)), min(size[1], int(x0 + cells.shape[1] * cell + margin) + 1)
    top, bottom = max(0, int(y0 - margin)), min(size[0], int(y0 + TALL * cell + margin) + 1)
    if left >= right or top >= bottom:
        return np.zeros((0, 0), np.float32), (0, 0)
    columns = _coverage(left, right, x0, cell, cells.shape[1])
    rows = _coverage(top, bottom, y0, cell, TALL)
    ink: Mask = np.clip(rows @ cells @ columns.T, 0, 1)
    ink.flags.writeable = False
    return ink, (top, left)


def _coverage(start: int, stop: int, origin: float, cell: float, count: int) -> Mask:
    """[pixels, count]: how much of each pixel each font cell covers."""
    low = np.arange(start, stop, dtype=np.float32)[:, None]
    edges = origin + cell * np.arange(count, dtype=np.float32)[None, :]
    covered = np.minimum(low + 1, edges + np.float32(cell)) - np.maximum(low, edges)
    return np.clip(covered, 0, 1).astype(np.float32)
