"""Backgrounds: dull, textured pictures that a bright thing stands out from, the same at any resolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vtc_cli.train.world.drawing import paint, shape_mask
from vtc_cli.train.world.palette import SHAPES

Picture = NDArray[np.float32]


def draw_background(family: str, seed: int, size: tuple[int, int]) -> Picture:
    """float32 [H, W, 3] in 0..255. family: a name of `palette.BACKGROUNDS`. The same seed gives the same scene."""
    rng = np.random.default_rng(seed)
    height, width = size
    first, second = _dull(rng), _dull(rng)
    if family == "plain":
        mix = np.zeros((height, width), np.float32)
    elif family == "gradient":
        angle = rng.uniform(0, 2 * np.pi)
        mix = _ramp(angle, size)
    elif family == "stripes":
        wave = _ramp(rng.uniform(0, 2 * np.pi), size) * rng.uniform(10, 50) + rng.uniform(0, 6)
        mix = 0.5 + 0.5 * np.clip(np.sin(wave) * 2, -1, 1)
    elif family == "clouds":
        octaves = [_smooth(rng, cells, size) * weight for cells, weight in ((3, 0.5), (6, 0.3), (14, 0.2), (30, 0.12))]
        mix = np.clip((np.sum(octaves, axis=0) - 0.35) * 2.0, 0, 1)
    elif family == "clutter":
        return _clutter(rng, first, size)
    elif family == "noise":
        colours = [_smooth(rng, int(rng.integers(10, 40)), size) for _ in range(3)]
        return (first + (np.stack(colours, -1) - 0.5) * rng.uniform(30, 90)).astype(np.float32)
    else:
        raise ValueError(f"no such background: {family}")
    return (first + mix[..., None].astype(np.float32) * (second - first)).astype(np.float32)


def _dull(rng: np.random.Generator) -> NDArray[np.float32]:
    grey = rng.uniform(25, 150)
    return (grey + rng.uniform(-22, 22, 3)).astype(np.float32)


def _ramp(angle: float, size: tuple[int, int]) -> Picture:
    height, width = size
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    return (0.5 + (np.cos(angle) * x + np.sin(angle) * y) / 1.42).astype(np.float32)


def _smooth(rng: np.random.Generator, cells: int, size: tuple[int, int]) -> Picture:
    """Value noise in 0..1: a random lattice of `cells` squared, interpolated by two matrix products."""
    lattice = rng.random((cells, cells), dtype=np.float32)
    return (_stretch(cells, size[0]) @ lattice @ _stretch(cells, size[1]).T).astype(np.float32)


def _stretch(cells: int, pixels: int) -> Picture:
    at = (np.arange(pixels, dtype=np.float32) + 0.5) / pixels * (cells - 1)
    low = np.minimum(at.astype(int), cells - 2)
    share = at - low
    matrix = np.zeros((pixels, cells), np.float32)
    rows = np.arange(pixels)
    matrix[rows, low] = 1 - share
    matrix[rows, low + 1] = share
    return matrix


def _clutter(rng: np.random.Generator, base: NDArray[np.float32], size: tuple[int, int]) -> Picture:
    """Dull pieces of all the shapes, so that an outline alone proves nothing."""
    height, width = size
    scale = min(size)
    canvas = np.broadcast_to(base, (height, width, 3)).astype(np.float32)
    for _ in range(int(rng.integers(8, 22))):
        mask, corner = shape_mask(
            SHAPES[rng.integers(len(SHAPES))],
            (rng.uniform(0, width), rng.uniform(0, height)),
            rng.uniform(0.03, 0.14) * scale,
            rng.uniform(0, 6.28),
            size,
        )
        paint(canvas, mask, corner, _dull(rng))
    return canvas
