"""One budget over all units of a video, spent as they come: busy units may use what plain ones left."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

_OCTAVE, _OCTAVES = 32, 16  # bins per factor of two, over 2**-8 .. 2**8 of the mean score


@dataclass
class Spending:
    """Which units deserve how much, by how their scores rank among all scores so far.

    Scores of a unit are divided by their mean, so that units are comparable; the best of everything seen so far stay,
    as many as the shares of all units so far allow. A unit never takes more than its share and what was saved before
    it, so the video never costs more than shares of equal size would. Memory is one histogram, however long the video.
    """

    saved: int = 0
    _allowed: int = 0
    _seen: Tensor = field(default_factory=lambda: torch.zeros(_OCTAVE * _OCTAVES, dtype=torch.int64))

    def take(self, scores: Tensor, share: int, most: int) -> int:
        """How many tokens a unit gets, 1 <= k <= most. scores: [n], 0 or more. share: its part of the budget."""
        own = torch.bincount(_bins(scores), minlength=len(self._seen))
        self._seen = self._seen + own
        self._allowed += share
        above = self._seen.flip(0).cumsum(0).flip(0)  # of this bin or better
        border = int((above >= self._allowed).nonzero().max())
        better = above[border + 1 :][:1].sum()
        # The bin at the border is shared out in proportion, so that equal units get equal parts.
        part = (self._allowed - better) * own[border] / self._seen[border]
        taken = max(1, min(int(own[border + 1 :].sum()) + round(float(part)), most))
        self.saved = max(0, self.saved + share - taken)
        return taken


def _bins(scores: Tensor) -> Tensor:
    wide = scores.detach().double().cpu()
    mean = wide.mean()
    relative = wide / mean if mean > 0 else torch.ones_like(wide)
    octave = relative.clamp(min=2.0 ** (-_OCTAVES // 2)).log2() + _OCTAVES // 2
    return (octave * _OCTAVE).long().clamp(0, _OCTAVE * _OCTAVES - 1)
