"""Films to pictures: what every frame looks like, and which piece of it is what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vtc_cli.train.world.background import draw_background
from vtc_cli.train.world.drawing import Mask, paint_planes, shape_piece
from vtc_cli.train.world.film import Camera, Caption, Film, Post, Scene, Thing
from vtc_cli.train.world.font import text_mask
from vtc_cli.train.world.palette import COLOURS

MARGIN = 1.5  # a moving camera's background is this much larger than the picture
_DARK = np.array([18, 18, 18], np.float32)
_LIGHT = np.array([250, 250, 245], np.float32)


@dataclass(frozen=True)
class Shown:
    """One thing, post or caption as it lies on a frame. mask: coverage [h, w] (a caption's is its whole box)."""

    what: Thing | Post | Caption
    mask: Mask
    corner: tuple[int, int]
    shade: Mask
    ink: Mask | None = None


@lru_cache(maxsize=8)
def _background(family: str, seed: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """[3, H, W]: planes, on which arithmetic is several times as fast as on pixels of three numbers."""
    return np.ascontiguousarray(np.moveaxis(draw_background(family, seed, size), -1, 0))


def shown_at(film: Film, time: float, size: tuple[int, int]) -> list[Shown]:
    """Everything on screen at `time` seconds, back to front. size: (height, width) pixels."""
    scene, scale = film.scene_at(time), min(size)
    found: list[Shown] = []
    for thing in scene.things:
        x, y = thing.at(time - scene.start)
        piece = shape_piece(thing.shape, (x * scale, y * scale), thing.radius * scale, thing.turn, size, thing.texture)
        found.append(Shown(thing, piece.mask, piece.corner, piece.shade))
    if scene.post is not None:
        found.append(_post(scene.post, scale, size))
    caption = scene.caption
    if caption is not None and caption.start <= time < caption.end:
        centre = (caption.centre[0] * scale, caption.centre[1] * scale)
        ink, corner = text_mask(caption.text.upper(), centre, caption.height * scale, size)
        found.append(Shown(caption, np.ones_like(ink), corner, np.ones((1, 1), np.float32), ink))
    return found


def _post(post: Post, scale: int, size: tuple[int, int]) -> Shown:
    low, high = (round((post.centre + side * post.width / 2) * scale) for side in (-1, 1))
    if post.upright:
        mask = np.ones((size[0], max(0, min(high, size[1]) - max(low, 0))), np.float32)
        corner = (0, max(low, 0))
    else:
        mask = np.ones((max(0, min(high, size[0]) - max(low, 0)), size[1]), np.float32)
        corner = (max(low, 0), 0)
    return Shown(post, mask, corner, np.ones((1, 1), np.float32))


def frame_at(film: Film, time: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture at `time` seconds, uint8 [H, W, 3]. size: (height, width) pixels."""
    return draw(film, time, size, shown_at(film, time, size))


def draw(film: Film, time: float, size: tuple[int, int], shown: list[Shown]) -> NDArray[np.uint8]:
    """The picture at `time` seconds from what is shown then (`shown_at`), uint8 [H, W, 3]."""
    scene = film.scene_at(time)
    canvas = _place(scene, time, size)
    for item in shown:
        if isinstance(item.what, Thing):
            colour = np.array(item.what.paint or COLOURS[item.what.colour], np.float32) * item.what.tint
            paint_planes(canvas, item.mask, item.corner, colour, item.shade)
        elif isinstance(item.what, Post):
            paint_planes(canvas, item.mask, item.corner, np.full(3, item.what.grey, np.float32), item.shade)
        else:
            ink, box = (_DARK, _LIGHT) if item.what.inverted else (_LIGHT, _DARK)
            paint_planes(canvas, item.mask * np.float32(0.75), item.corner, box, item.shade)
            paint_planes(canvas, item.ink if item.ink is not None else item.mask, item.corner, ink, item.shade)
    if film.light.swing:
        wave = np.sin(2 * np.pi * time / film.light.period + film.light.phase)
        canvas *= np.float32(1 + film.light.swing * wave)
    if film.grain:
        rng = np.random.default_rng((*film.seed, int(time * 1000)))
        noise = rng.standard_normal(size, dtype=np.float32)
        noise *= np.float32(film.grain)
        canvas += noise
    planes = np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)
    picture = np.empty((*size, 3), np.uint8)
    for channel, plane in enumerate(planes):  # four times as fast as a transposed copy
        picture[..., channel] = plane
    return picture


def _place(scene: Scene, time: float, size: tuple[int, int]) -> NDArray[np.float32]:
    """The background as the camera sees it, [3, H, W], a copy to paint on.

    The camera is centred half-way through a scene.
    """
    camera, elapsed = scene.camera, time - (scene.start + scene.end) / 2
    if not camera.moves:
        return _background(scene.background, scene.background_seed, size).copy()
    large = (round(size[0] * MARGIN), round(size[1] * MARGIN))
    wide = _background(scene.background, scene.background_seed, large)
    rows, columns = (_window(camera, elapsed, size, large, axis) for axis in (0, 1))
    return wide.take(rows, axis=1).take(columns, axis=2)


def _window(camera: Camera, elapsed: float, size: tuple[int, int], large: tuple[int, int], axis: int) -> NDArray:
    """Which rows (axis 0) or columns (1) of the large background are in view; the edge repeats past its end."""
    zoom = min(max(1 + camera.zoom * elapsed, 0.85), 1.2)
    shift = camera.pan[1 - axis] * elapsed * min(size)
    at = large[axis] / 2 + shift + (np.arange(size[axis], dtype=np.float32) + 0.5 - size[axis] / 2) / zoom
    return np.clip(at.astype(int), 0, large[axis] - 1)
