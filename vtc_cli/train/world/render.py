"""Films to pictures, label maps and files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vtc_cli.train.world.background import draw_background
from vtc_cli.train.world.drawing import digit_mask, paint, shape_mask
from vtc_cli.train.world.film import Film, Scene
from vtc_cli.train.world.palette import COLOURS, MOTIONS, SHAPES

# Label channels of `label_map`; 0 is "nothing here" in each, IGNORE marks cells too mixed to judge.
CHANNELS = {"kind": len(SHAPES) + 2, "colour": len(COLOURS) + 1, "motion": len(MOTIONS) + 1, "digit": 11}
IGNORE = -100
_DARK = np.array([18, 18, 18], np.float32)
_LIGHT = np.array([250, 250, 245], np.float32)


@lru_cache(maxsize=8)
def _background(family: str, seed: int, size: tuple[int, int]) -> NDArray[np.float32]:
    return draw_background(family, seed, size)


def _masks(film: Film, scene: Scene, time: float, size: tuple[int, int]) -> list[tuple]:
    """(index, mask, corner) of everything on screen, back to front; index -1 is the digit's ink, -2 its surround."""
    scale = min(size)
    found = []
    for index, thing in enumerate(scene.things):
        x, y = thing.at(time - scene.start)
        mask, corner = shape_mask(thing.shape, (x * scale, y * scale), thing.radius * scale, thing.turn, size)
        found.append((index, mask, corner))
    digit = scene.digit
    if digit is not None and digit.start <= time < digit.end:
        centre = (digit.centre[0] * scale, digit.centre[1] * scale)
        ink, surround, corner = digit_mask(digit.value, centre, digit.height * scale, size)
        found += [(-2, surround, corner), (-1, ink, corner)]
    return found


def frame_at(film: Film, time: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture at `time` seconds, uint8 [H, W, 3]. size: (height, width) pixels."""
    scene = film.scene_at(time)
    return _draw(film, scene, time, size, _masks(film, scene, time, size))


def _draw(film: Film, scene: Scene, time: float, size: tuple[int, int], masks: list[tuple]) -> NDArray[np.uint8]:
    canvas = _background(scene.background, scene.background_seed, size).copy()
    for index, mask, corner in masks:
        if index == -2:
            paint(canvas, mask * 0.75, corner, _DARK)
        elif index == -1:
            paint(canvas, mask, corner, _LIGHT)
        else:
            thing = scene.things[index]
            paint(canvas, mask, corner, np.array(COLOURS[thing.colour], np.float32) * thing.tint)
    if film.grain:
        rng = np.random.default_rng((*film.seed, int(time * 1000)))
        canvas += rng.standard_normal(size, dtype=np.float32)[..., None] * np.float32(film.grain)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def unit_at(
    film: Film, times: tuple[float, float], size: tuple[int, int], cell: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Two frames and their label map in one pass: (uint8 [2, H, W, 3], int64 [rows, columns, channels])."""
    frames, per_frame = [], []
    for time in times:
        scene = film.scene_at(time)
        masks = _masks(film, scene, time, size)
        frames.append(_draw(film, scene, time, size, masks))
        per_frame.append((scene, masks))
    return np.stack(frames), _labels(per_frame, size, cell)


def label_map(film: Film, times: tuple[float, float], size: tuple[int, int], cell: int) -> NDArray[np.int64]:
    """Truth per cell of `cell` x `cell` pixels for a pair of frames: int64 [rows, columns, len(CHANNELS)]."""
    scenes = [film.scene_at(time) for time in times]
    pairs = [(scene, _masks(film, scene, time, size)) for scene, time in zip(scenes, times, strict=True)]
    return _labels(pairs, size, cell)


def _labels(per_frame: list[tuple[Scene, list[tuple]]], size: tuple[int, int], cell: int) -> NDArray[np.int64]:
    rows, columns = size[0] // cell, size[1] // cell
    best = np.full((rows, columns), 0.05, np.float32)
    labels = np.zeros((rows, columns, len(CHANNELS)), np.int64)
    for scene, masks in per_frame:
        for index, mask, corner in masks:
            if index == -1 or mask.size == 0:
                continue
            share = _share(mask, corner, rows, columns, cell)
            if index == -2:
                assert scene.digit is not None
                value = (len(SHAPES) + 1, 0, 0, scene.digit.value + 1)
                share = share * 2  # a digit covers what is under it
            else:
                thing = scene.things[index]
                value = (
                    SHAPES.index(thing.shape) + 1,
                    list(COLOURS).index(thing.colour) + 1,
                    list(MOTIONS).index(thing.motion) + 1,
                    0,
                )
            wins = share > best
            labels[wins] = value
            best = np.where(wins, share, best)
    labels[(best > 0.05) & (best < 0.15)] = IGNORE
    return labels


def _share(mask: NDArray[np.float32], corner: tuple[int, int], rows: int, columns: int, cell: int) -> NDArray:
    """Share of each cell that a mask covers: [rows, columns]."""
    top, left = corner
    high, low = top // cell, left // cell
    bottom, right = -(-(top + mask.shape[0]) // cell), -(-(left + mask.shape[1]) // cell)
    padded = np.zeros(((bottom - high) * cell, (right - low) * cell), np.float32)
    padded[top - high * cell :, left - low * cell :][: mask.shape[0], : mask.shape[1]] = mask
    blocks = padded.reshape(bottom - high, cell, right - low, cell).mean((1, 3))
    share = np.zeros((rows, columns), np.float32)
    share[high:bottom, low:right] = blocks[: rows - high, : columns - low]
    return share


def write_mp4(film: Film, path: str | Path, fps: int = 15, height: int = 384, crf: int = 20) -> None:
    """Render a film to an H.264 mp4. height: pixels; the width follows the film's aspect, both even."""
    import av

    size = (height // 2 * 2, round(height * film.aspect / 2) * 2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "yuv420p"
        for index in range(max(1, round(film.duration * fps))):
            picture = av.VideoFrame.from_ndarray(frame_at(film, index / fps, size), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
