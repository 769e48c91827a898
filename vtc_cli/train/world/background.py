"""Backgrounds: dull, textured pictures that a bright thing stands out from, the same at any resolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vtc_cli.train.world.drawing import paint, shape_piece
from vtc_cli.train.world.palette import SHAPES

Picture = NDArray[np.float32]
BRICKS = 64  # in a course before their shades repeat: more than fit, so that a wall is the same at any size


def draw_background(family: str, seed: int, size: tuple[int, int]) -> Picture:
    """float32 [H, W, 3] in 0..255. family: of `palette.BACKGROUNDS`. The same seed gives the same place at any size.

    Raises ValueError for an unknown family.
    """
    rng = np.random.default_rng(seed)
    if family in _PICTURES:
        return np.ascontiguousarray(_PICTURES[family](rng, size), np.float32)
    if family not in _MIXES:
        raise ValueError(f"no such background: {family}")
    first, second = _dull(rng), _dull(rng)
    mix = _MIXES[family](rng, size)[..., None].astype(np.float32)
    return (first + mix * (second - first)).astype(np.float32)


def _dull(rng: np.random.Generator) -> NDArray[np.float32]:
    grey = rng.uniform(25, 150)
    return (grey + rng.uniform(-26, 26, 3)).astype(np.float32)


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


def _plain(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    return np.zeros(size, np.float32)


def _gradient(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    return _ramp(rng.uniform(0, 2 * np.pi), size)


def _stripes(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    wave = _ramp(rng.uniform(0, 2 * np.pi), size) * rng.uniform(10, 50) + rng.uniform(0, 6)
    return 0.5 + 0.5 * np.clip(np.sin(wave) * 2, -1, 1)


def _clouds(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Fractal clouds: value noise of four scales."""
    octaves = [_smooth(rng, cells, size) * weight for cells, weight in ((3, 0.5), (6, 0.3), (14, 0.2), (30, 0.12))]
    return np.clip((np.sum(octaves, axis=0) - 0.35) * 2.0, 0, 1)


def _checks(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(12, 40)
    across, along = np.sin(_ramp(angle, size) * pitch), np.sin(_ramp(angle + np.pi / 2, size) * pitch)
    return 0.5 + 0.5 * np.clip(across * along * 4, -1, 1)


def _waves(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    bend = _ramp(rng.uniform(0, 6.28), size) * rng.uniform(4, 12)
    return 0.5 + 0.5 * np.sin(_ramp(rng.uniform(0, 6.28), size) * rng.uniform(15, 45) + 2 * np.sin(bend))


def _noise(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    first = _dull(rng)
    colours = [_smooth(rng, int(rng.integers(10, 40)), size) for _ in range(3)]
    return first + (np.stack(colours, -1) - 0.5) * rng.uniform(30, 70)


def _fog(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """A photograph out of focus: soft colours at several scales under a fall of light."""
    scales = ((2, 70.0), (5, 40.0), (12, 24.0), (40, 14.0))
    field = sum((np.stack([_smooth(rng, n, size) for _ in range(3)], -1) - 0.5) * amount for n, amount in scales)
    light = _ramp(rng.uniform(0, 6.28), size)[..., None] * rng.uniform(0, 60)
    return np.clip(_dull(rng) * 0.8 + field * 0.7 + light, 5, 185)


def _hills(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """A landscape: a sky that pales towards the ground, and ridges of fractal outline, each with its own grain."""
    height, width = size
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture = np.broadcast_to(_dull(rng) + down * rng.uniform(-40, 50), (height, width, 3)).astype(np.float32)
    for ridge in range(int(rng.integers(2, 5))):
        outline = sum(_smooth(rng, n, (2, width))[0] / n for n in (3, 7, 15, 40)) * rng.uniform(0.5, 1.2)
        top = 0.3 + 0.18 * ridge + rng.uniform(-0.06, 0.06) - outline * 0.5
        below = np.clip((down[..., 0] - top[None, :]) * height, 0, 1)[..., None]
        grain = (_smooth(rng, int(rng.integers(20, 60)), size) - 0.5)[..., None] * rng.uniform(10, 50)
        picture = picture + below * (_dull(rng) * 0.9 + grain - picture)
    return np.clip(picture, 0, 190)


def _bokeh(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Soft lights out of focus over a dark gradient."""
    canvas = (_dull(rng) * 0.6 + _ramp(rng.uniform(0, 6.28), size)[..., None] * 40).astype(np.float32)
    for _ in range(int(rng.integers(10, 26))):
        place = (rng.uniform(0, size[1]), rng.uniform(0, size[0]))
        piece = shape_piece("circle", place, rng.uniform(0.04, 0.13) * min(size), 0.0, size)
        paint(canvas, piece.mask * np.float32(rng.uniform(0.25, 0.7)), piece.corner, _dull(rng) + 20)
    return canvas


def _bricks(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Courses of bricks, each brick of its own shade, and mortar between them."""
    height, width = size
    courses = int(rng.integers(7, 15))
    at = (np.arange(height, dtype=np.float32) + 0.5) / height * courses
    course = at.astype(int)
    along = (np.arange(width, dtype=np.float32) + 0.5) / height * courses / rng.uniform(2, 3)
    place = along[None, :] + (course[:, None] % 2) * 0.5
    shades = rng.uniform(-22, 22, (courses + 1, BRICKS)).astype(np.float32)
    wall = _dull(rng) + shades[course[:, None], place.astype(int) % BRICKS][..., None]
    mortar = (at - course < 0.14)[:, None] | (place - place.astype(int) < 0.06)
    wall[mortar] = _dull(rng)
    return np.clip(wall + (_smooth(rng, 50, size) - 0.5)[..., None] * 24, 0, 190)


def _clutter(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Dull pieces of all the shapes, so that an outline alone proves nothing."""
    height, width = size
    scale = min(size)
    canvas = np.broadcast_to(_dull(rng), (height, width, 3)).astype(np.float32)
    for _ in range(int(rng.integers(8, 22))):
        piece = shape_piece(
            SHAPES[rng.integers(len(SHAPES))],
            (rng.uniform(0, width), rng.uniform(0, height)),
            rng.uniform(0.03, 0.14) * scale,
            rng.uniform(0, 6.28),
            size,
        )
        paint(canvas, piece.mask, piece.corner, _dull(rng))
    return canvas


_Draw = Callable[[np.random.Generator, tuple[int, int]], Picture]
_MIXES: dict[str, _Draw] = {  # share of the second of two dull colours, [H, W]
    "plain": _plain,
    "gradient": _gradient,
    "stripes": _stripes,
    "clouds": _clouds,
    "checks": _checks,
    "waves": _waves,
}
_PICTURES: dict[str, _Draw] = {  # [H, W, 3]
    "noise": _noise,
    "fog": _fog,
    "clutter": _clutter,
    "hills": _hills,
    "bokeh": _bokeh,
    "bricks": _bricks,
}
