"""Truth per cell of the picture: what one language-model token looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vtc_cli.train.world.film import Caption, Film, Post, Thing
from vtc_cli.train.world.palette import COLOURS, MOTIONS, SHAPES, WORDS
from vtc_cli.train.world.render import Shown, draw, shown_at

# Channels of `label_map`; 0 is "nothing of the kind here" in each, IGNORE marks cells too mixed to judge.
CHANNELS = {
    "kind": len(SHAPES) + 2,
    "colour": len(COLOURS) + 1,
    "motion": len(MOTIONS) + 1,
    "digit": 11,
    "word": len(WORDS) + 1,
}
IGNORE = -100
_SEEN, _CLEAR = 0.05, 0.15  # shares of a cell: below the first nothing is there, above the second it is certain


def unit_at(
    film: Film, times: tuple[float, float], size: tuple[int, int], cell: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Two frames and their label map in one pass: (uint8 [2, H, W, 3], int64 [rows, columns, channels])."""
    shown = [shown_at(film, time, size) for time in times]
    frames = [draw(film, time, size, items) for time, items in zip(times, shown, strict=True)]
    return np.stack(frames), _labels(shown, size, cell)


def label_map(film: Film, times: tuple[float, float], size: tuple[int, int], cell: int) -> NDArray[np.int64]:
    """Truth per cell of `cell` x `cell` pixels for a pair of frames: int64 [rows, columns, len(CHANNELS)]."""
    return _labels([shown_at(film, time, size) for time in times], size, cell)


def _labels(frames: list[list[Shown]], size: tuple[int, int], cell: int) -> NDArray[np.int64]:
    rows, columns = size[0] // cell, size[1] // cell
    best = np.full((rows, columns), _SEEN, np.float32)
    labels = np.zeros((rows, columns, len(CHANNELS)), np.int64)
    for shown in frames:
        for item in shown:
            if item.mask.size == 0:
                continue
            share = _share(item.mask, item.corner, rows, columns, cell)
            if isinstance(item.what, Post):
                # What is behind it is seen by as much less; a cell that it fills shows nothing.
                best = np.where(share > 0.7, _SEEN, best)
                labels[share > 0.7] = 0
                continue
            if isinstance(item.what, Caption):
                share = share * 2  # a caption covers what is under it
            wins = share > best
            labels[wins] = _value(item.what)
            best = np.where(wins, share, best)
    labels[(best > _SEEN) & (best < _CLEAR)] = IGNORE
    return labels


def _value(what: Thing | Caption) -> tuple[int, ...]:
    if isinstance(what, Thing):
        colour = IGNORE if what.paint else list(COLOURS).index(what.colour) + 1
        return SHAPES.index(what.shape) + 1, colour, list(MOTIONS).index(what.motion) + 1, 0, 0
    if what.kind == "digit":
        return len(SHAPES) + 1, 0, 0, int(what.text) + 1, 0
    return len(SHAPES) + 1, 0, 0, 0, WORDS.index(what.text) + 1


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
