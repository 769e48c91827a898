"""First stage: the tower learns what is in every cell, from dense labels.

Each language-model token is asked about its own cell: what kind of thing, which colour, which motion, which digit,
which word, where it is, and whether the middle of a thing is in it. Sixty answers a unit instead of one an episode is
what makes this stage short. The heads are thrown away; DeepStack rows are asked too, so that they carry something.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vtc_cli.train import forward
from vtc_cli.train.architecture import CELL, MERGE, PATCH
from vtc_cli.train.stream import WORN, compressed, random_size, to_input
from vtc_cli.train.unshown import colourless, repainted, unjudged
from vtc_cli.train.world import Film
from vtc_cli.train.world.labels import CHANNELS, IGNORE, unit_at
from vtc_cli.train.world.shoot import make_film

REPAINTED = 0.5  # share of the films in colours that have no name
COLOURLESS = 0.35  # share of the films in greys: a shape is one whatever its colour
TRIES = 3  # films drawn for a unit until one has something to read: reading is learnt last
# A large thing fills ten cells and a small one two, but each has one middle: what the decoder counts by.
MIDDLE = "middle"
LABELLED = {**CHANNELS, MIDDLE: 2}
# Weight of empty cells.
NOTHING = {"kind": 0.3, "colour": 0.3, "motion": 0.3, "digit": 0.06, "word": 0.06, MIDDLE: 0.2}
# Which eighth of the picture a cell is in. Unasked, the tower forgets places (a linear read-out found none there),
# and the decoder cannot say what is left of what.
PLACES = {"row": 8, "column": 8}
READ = {**CHANNELS, **PLACES, MIDDLE: LABELLED[MIDDLE]}
THERE = 8.0  # how much more the place of something counts than the place of nothing
HARD = {"kind": 3.0}  # what is learnt last counts more


def vision_batch(step: int, units: int = 24, split: str = "train") -> tuple[Tensor, Tensor]:
    """Frames uint8 [B, 2, H, W, 3] and labels int64 [B, tokens, LABELLED] of one step."""
    rng = np.random.default_rng((7, step))
    size = random_size(rng)
    frames, labels = [], []
    for index in range(units):
        duration = float(rng.uniform(2.5, 10))
        scenes = int(duration // 3) if rng.random() < 0.2 else 1  # some pairs of frames lie on both sides of a cut
        gap = float(rng.choice([0.5, 1.0, 1.0, 1.0, 2.0]))
        start = float(rng.uniform(0, duration - gap))
        for attempt in range(TRIES):
            seed = (step * units + index) * TRIES + attempt
            film = make_film(seed, split, duration, max(1, scenes), size[1] / size[0])
            if film.captions:
                first = film.captions[0]
                start = float(rng.uniform(first.start, max(first.start, min(first.end, duration) - gap)))
                break
        if rng.random() < REPAINTED:
            film = repainted(film, rng)
        pair, truth = unit_at(film, (start, start + gap), size, CELL)
        truth = np.concatenate([truth, middles(film, (start, start + gap), size)[..., None]], axis=-1)
        if rng.random() < COLOURLESS:
            pair, truth = colourless(pair, truth, film, list(CHANNELS).index("colour"))
        frames.append(compressed(pair, rng) if rng.random() < WORN else pair)
        labels.append(truth.reshape(-1, len(LABELLED)))
    return torch.from_numpy(np.stack(frames)), torch.from_numpy(np.stack(labels))


def middles(film: Film, times: tuple[float, float], size: tuple[int, int]) -> NDArray[np.int64]:
    """Where the middle of a thing is during a pair of frames: int64 [rows, columns], 1 or 0. size: (height, width)."""
    first, last = times
    scene = film.scene_at(last)
    moment = ((first if first >= scene.start else last) + last) / 2
    cells = np.zeros((size[0] // CELL, size[1] // CELL), np.int64)
    for thing in scene.things:
        x, y = (int(at * min(size) / CELL) for at in thing.at(moment - scene.start))
        cells[y, x] = 1
    return cells


class Heads(nn.Module):
    """Linear read-outs of every channel from the merger's rows and from each DeepStack level."""

    def __init__(self, width: int, levels: int):
        super().__init__()
        total = sum(READ.values())
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(levels + 1))
        self.reads = nn.ModuleList(nn.Linear(width, total) for _ in range(levels + 1))

    def forward(self, level: int, rows: Tensor) -> list[Tensor]:
        """Logits per channel, each [B, n, classes]."""
        logits = self.reads[level](self.norms[level](rows.float()))
        return list(logits.split(list(READ.values()), dim=-1))


def vision_loss(
    tower: nn.Module,
    heads: Heads,
    frames: Tensor,
    labels: Tensor,
    step: int,
    dtype: torch.dtype,
    blocks: forward.Blocks,
) -> tuple[Tensor, dict[str, float]]:
    """Mean cross-entropy over channels, and the accuracy on cells that hold something, per channel."""
    rng = np.random.default_rng((11, step))
    device = next(heads.parameters()).device
    pixels, labels = to_input(frames, rng, dtype).to(device), labels.to(device)
    grid = (pixels.shape[-2] // CELL, pixels.shape[-1] // CELL)
    rows, deep = forward.see(tower, forward.patch_rows(pixels, PATCH, MERGE), grid, blocks)
    total = torch.zeros((), device=device)
    accuracy: dict[str, float] = {}
    # Of what is empty nobody asks where it is.
    heed = torch.where(labels[..., 0] > 0, THERE, 1.0).flatten()
    heed = heed / heed.sum()
    by_colour, by_kind = (
        table.to(device)[labels[..., channel].clamp(min=0)]
        for table, channel in zip(unjudged(CHANNELS["kind"], CHANNELS["colour"]), (1, 0), strict=True)
    )
    for level, features in enumerate([rows, *deep]):
        weight = 1.0 if level == 0 else 0.25
        answers = dict(zip(READ, heads(level, features), strict=True))
        for name, where in zip(PLACES, _places(grid, device), strict=True):
            missed = F.cross_entropy(answers[name].flatten(0, 1), where.repeat(len(frames)), reduction="none")
            total = total + weight * (missed * heed).sum()
            if level == 0:
                found = answers[name].argmax(-1) == where
                accuracy[name] = found[labels[..., 0] > 0].float().mean().item()
        for channel, name in enumerate(LABELLED):
            truth, logits = labels[..., channel], answers[name]
            if name in ("kind", "colour"):
                logits = logits + (by_colour if name == "kind" else by_kind)
            # Things fill few cells; without a weight the first thing learnt is that nothing is there.
            weights = torch.ones(logits.shape[-1], device=device)
            weights[0] = NOTHING[name]
            total = total + weight * HARD.get(name, 1.0) * F.cross_entropy(
                logits.flatten(0, 1), truth.flatten(), weight=weights, ignore_index=IGNORE
            )
            if level == 0:
                held = truth > 0
                right = (logits.argmax(-1) == truth)[held]
                accuracy[name] = right.float().mean().item() if held.any() else float("nan")
    return total, accuracy


def _places(grid: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """The eighth of the height and of the width that every cell's middle lies in: int64 [tokens] each."""
    rows, columns = ((torch.arange(count, device=device) * 2 + 1) * 4 // count for count in grid)
    return rows.repeat_interleave(grid[1]), columns.repeat(grid[0])
