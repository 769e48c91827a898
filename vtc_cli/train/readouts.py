"""What the decoder is asked half-way up, and after how many of its layers."""

from __future__ import annotations

from torch import nn

from vtc_cli.train.clock import Clock
from vtc_cli.train.mention import Mentions
from vtc_cli.train.roll import Roll
from vtc_cli.train.story import Story


class Readouts(nn.Module):
    """The dense questions of training; thrown away with it. width: the decoder's."""

    def __init__(self, width: int):
        super().__init__()
        self.clock = Clock(width)
        self.story = Story(width)
        self.roll = Roll(width)
        self.mentions = Mentions(width)


def taps(layers: int) -> tuple[int, int, int]:
    """After how many layers the clock, then story and roll, then the mentions are asked.

    What a later one needs is there by then, and two layers of eight are left to say what was found.
    """
    return layers // 2, max(layers * 5 // 8, 1), max(layers * 3 // 4, 1)
