"""Dense labels for the decoder's cells: which number a thing has among those it is shown with.

A description names one thing after the other and a count tells how many there are; both go wrong in what is left to
name, hardly ever in what it looks like. A cell that carries its thing's number, in the order in which descriptions go,
turns "what comes next?" into "who has the next number?". The read-out is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vtc_cli.train.clock import Spans, shows
from vtc_cli.train.world import Film, Scene
from vtc_cli.train.world.palette import COLOURS, PAIRS, SHAPES, Pair

MOST = 6  # things of a scene
UNASKED = -100
_COLOURS = tuple(COLOURS)
# What a thing is numbered among, and how many of them there are: all, those of its colour, those of its shape.
ASKED = ("number", "of colour", "of shape", "things", "colours", "shapes")


def roll(film: Film, times: Spans, seen: Sequence[NDArray[np.int64]]) -> Tensor:
    """Truth for the cells of a film: int64 [U * n, len(ASKED)], UNASKED where no thing is or none can be known.

    times: (first, last) frame of each unit, seconds; seen: its label map, int64 [rows, columns, channels] of
    `world.labels`. Not asked in the first unit of a shot: the cells before a thing cannot know of it.
    """
    found = []
    for unit, cells in enumerate(seen):
        scene = film.scene_at(times[unit][1])
        known = unit > 0 and shows(times[unit - 1], scene.start, scene.end)
        numbers = _numbers(scene) if known else {}
        labels = np.full((cells.shape[0] * cells.shape[1], len(ASKED)), UNASKED, np.int64)
        for index, (kind, colour) in enumerate(cells[..., :2].reshape(-1, 2)):
            if 0 < kind <= len(SHAPES) and colour > 0:
                labels[index] = numbers.get((_COLOURS[colour - 1], SHAPES[kind - 1]), UNASKED)
        found.append(torch.from_numpy(labels))
    return torch.cat(found)


def _numbers(scene: Scene) -> dict[Pair, tuple[int, ...]]:
    pairs = sorted((thing.pair for thing in scene.things), key=PAIRS.index)
    among = {pair: (pairs, *([other for other in pairs if other[at] == pair[at]] for at in (0, 1))) for pair in pairs}
    return {
        pair: (*(group.index(pair) for group in groups), *(len(group) - 1 for group in groups))
        for pair, groups in among.items()
    }


class Roll(nn.Module):
    """Linear read-out of everything in ASKED from rows [..., width]."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.read = nn.Linear(width, len(ASKED) * MOST)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits [..., len(ASKED), MOST]."""
        logits: Tensor = self.read(self.norm(rows.float()))
        return logits.unflatten(-1, (len(ASKED), MOST))


def roll_loss(read: Roll, rows: Tensor, truth: Tensor) -> tuple[Tensor, Mapping[str, float]]:
    """Mean cross-entropy, and how often each is right.

    rows: [B, U * n, d], the visual rows in order; truth: int64 [B, U * n, len(ASKED)].
    """
    asked = truth[..., 0] != UNASKED
    if not asked.any():
        return torch.zeros((), device=rows.device), {}
    logits, target = read(rows[asked]), truth[asked]
    right = (logits.argmax(-1) == target).float().mean(0)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten()), {
        f"roll {name}": share for name, share in zip(ASKED, right.tolist(), strict=True)
    }
