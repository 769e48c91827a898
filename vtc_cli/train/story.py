"""Dense labels one layer above the clock: when the shot a cell is in began, and what could be read in it until then.

"When does it appear" and "which digit was shown with it" are asked about a shot, of which the thing's cells are a part.
A cell that carries its shot's beginning and text answers both alone; otherwise an answer has to be put together from
units that share nothing with the question. The read-out is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vtc_cli.train.clock import BLANK, DIGITS, Spans, asked_loss, digits_of, first_unit, shows
from vtc_cli.train.world import Film
from vtc_cli.train.world.palette import WORDS

TEXTS = (*map(str, range(10)), *WORDS)
UNREAD = len(TEXTS)  # where nothing could be read until then


@dataclass(frozen=True)
class Shots:
    """Truth for the units of a batch.

    began: int64 [B, U, DIGITS], the tag of the first unit that shows the same shot; text: int64 [B, U], what earlier
    units of the shot showed, an index into TEXTS or UNREAD.
    """

    began: Tensor
    text: Tensor

    def to(self, device: torch.device) -> Shots:
        """The same truth on a device."""
        return Shots(self.began.to(device), self.text.to(device))


def shots(films: Sequence[Film], times: Spans, tags: Spans, since: int = 0) -> Shots:
    """times: (first, last) frame of each unit, seconds of the film; tags: the same as the prompt tells them; since:
    the first unit that is asked.
    """
    told = [digits_of((first + last) / 2) for first, last in tags]
    found = [[_shot(film, times, unit) for unit in range(since, len(times))] for film in films]
    return Shots(
        torch.tensor([[told[first] for first, _ in film] for film in found]),
        torch.tensor([[text for _, text in film] for film in found]),
    )


def _shot(film: Film, times: Spans, unit: int) -> tuple[int, int]:
    scene = film.scene_at(times[unit][1])
    first = first_unit(times, unit, scene.start, scene.end)
    caption = scene.caption
    read = caption and any(shows(pair, caption.start, caption.end) for pair in times[first:unit])
    return first, TEXTS.index(caption.text) if caption and read else UNREAD


class Story(nn.Module):
    """Linear read-out of where a shot begins and of its text from rows [..., width]."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.read = nn.Linear(width, DIGITS * (BLANK + 1) + UNREAD + 1)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [..., DIGITS, 11] and [..., UNREAD + 1]."""
        began, text = self.read(self.norm(rows.float())).split([DIGITS * (BLANK + 1), UNREAD + 1], dim=-1)
        return began.unflatten(-1, (DIGITS, BLANK + 1)), text


def story_loss(story: Story, rows: Tensor, truth: Shots) -> tuple[Tensor, Mapping[str, float]]:
    """Mean cross-entropy of the two, and how often each is right. rows: [B, U * n, d], the visual rows in order."""
    units = truth.text.shape[1]
    began, text = story(rows.unflatten(1, (units, -1)))
    asked = {
        "began": (began, truth.began[:, :, None].expand(began.shape[:-1])),
        "text": (text, truth.text[:, :, None].expand(text.shape[:-1])),
    }
    return asked_loss(asked)
