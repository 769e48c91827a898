"""Dense labels for the decoder's middle: when a cell's unit happens, and how long what it shows has been there.

Every question about time is answered from the tag before a unit and from where a shot begins. An answer says so once a
question; asked of every cell, the lower half of the decoder learns to carry both within few steps, and the upper half
only has to find the cell. The read-out is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vtc_cli.train.world import Film

DIGITS = 5  # of a tag, the last one behind the point: up to 9999.9 seconds
BLANK = 10  # where a tag has no digit
LONGEST = 7  # units; what has been there longer is as old
NONE = LONGEST + 1  # no caption is there
WEIGHT = 0.3  # of this loss beside that of the answers
Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Hours:
    """Truth for the units of a batch.

    tag: int64 [U, DIGITS]; shot, caption: int64 [B, U], units since it was first seen.
    """

    tag: Tensor
    shot: Tensor
    caption: Tensor

    def to(self, device: torch.device) -> Hours:
        """The same truth on a device."""
        return Hours(self.tag.to(device), self.shot.to(device), self.caption.to(device))


def hours(films: Sequence[Film], times: Spans, tags: Spans, since: int = 0) -> Hours:
    """times: (first, last) frame of each unit, seconds of the film; tags: the same as the prompt tells them; since:
    the first unit that is asked.
    """
    ages = [_ages(film, times)[since:] for film in films]
    return Hours(
        torch.tensor([digits_of((first + last) / 2) for first, last in tags[since:]]),
        torch.tensor([[shot for shot, _ in film] for film in ages]),
        torch.tensor([[caption for _, caption in film] for film in ages]),
    )


def digits_of(seconds: float) -> list[int]:
    """A tag's DIGITS digits, BLANK where it has none."""
    text = f"{seconds:.1f}".replace(".", "")[-DIGITS:]
    return [BLANK] * (DIGITS - len(text)) + [int(digit) for digit in text]


def _ages(film: Film, times: Spans) -> list[tuple[int, int]]:
    found = []
    for unit, (_, last) in enumerate(times):
        scene = film.scene_at(last)
        caption = scene.caption
        shown = caption is not None and shows(times[unit], caption.start, caption.end)
        found.append(
            (
                _age(times, unit, scene.start, scene.end),
                _age(times, unit, caption.start, caption.end) if caption is not None and shown else NONE,
            )
        )
    return found


def _age(times: Spans, unit: int, start: float, end: float) -> int:
    return min(unit - first_unit(times, unit, start, end), LONGEST)


def first_unit(times: Spans, unit: int, start: float, end: float) -> int:
    """Index of the first unit that shows what is there within [start, end) seconds, `unit` at the latest."""
    return next(index for index, pair in enumerate(times) if index == unit or shows(pair, start, end))


def shows(pair: tuple[float, float], start: float, end: float) -> bool:
    """Whether one of a unit's frames is within [start, end) seconds."""
    return any(start <= time < end for time in pair)


class Clock(nn.Module):
    """Linear read-out of a unit's tag, the age of its shot and the age of its caption from rows [..., width]."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.read = nn.Linear(width, DIGITS * (BLANK + 1) + (LONGEST + 1) + (NONE + 1))

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [..., DIGITS, 11], [..., 8] and [..., 9]."""
        tag, shot, caption = self.read(self.norm(rows.float())).split(
            [DIGITS * (BLANK + 1), LONGEST + 1, NONE + 1], dim=-1
        )
        return tag.unflatten(-1, (DIGITS, BLANK + 1)), shot, caption


def clock_loss(
    clock: Clock, rows: Tensor, gates: Tensor, truth: Hours, across: int
) -> tuple[Tensor, Mapping[str, float]]:
    """Mean cross-entropy of the three, and how often each is right.

    rows: [B, U * n, d], the visual rows in order. gates: [B, U, d], the token between a unit's tag and its cells; it is
    asked for the tag as well, because digits are put together there first and the cells copy them. across: columns of
    a unit; only its last row of cells is asked for the caption, because the cells before a caption cannot know of it.
    """
    films, units = truth.shot.shape
    cells = rows.unflatten(1, (units, -1))
    tag, shot, caption = clock(cells)
    caption = caption[:, :, -across:]
    asked = {
        "tag": (tag, truth.tag[None, :, None].expand(*cells.shape[:3], -1)),
        "shot": (shot, truth.shot[:, :, None].expand(cells.shape[:3])),
        "gate": (clock(gates)[0], truth.tag.expand(films, -1, -1)),
        "caption": (caption, truth.caption[:, :, None].expand(films, units, across)),
    }
    return asked_loss(asked)


def asked_loss(asked: Mapping[str, tuple[Tensor, Tensor]]) -> tuple[Tensor, dict[str, float]]:
    """Sum of mean cross-entropies and the share that is right, by name. asked: (logits [..., classes], truth [...])."""
    wrong = [F.cross_entropy(logits.flatten(0, -2), target.flatten()) for logits, target in asked.values()]
    right = {name: (logits.argmax(-1) == target).float().mean().item() for name, (logits, target) in asked.items()}
    return torch.stack(wrong).sum(), right
