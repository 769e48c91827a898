"""The LLaVA-NeXT family (1.6), which knows pictures only: a video is a series of them.

The library cuts a picture into an overview and up to four tiles of higher resolution, 2880 tokens at most. A frame of a
video is looked at as its overview alone, 576 tokens and the learned newline row that ends a picture without tiles: that
is how the model's own code packs a picture that was not cut, and what a video can afford.
"""

from __future__ import annotations

from vtc_cli.models.contract import Unit
from vtc_cli.models.llava import Llava
from vtc_cli.models.prompt import Prompt


class LlavaNext(Llava):
    """A loaded LLaVA-NeXT. checkpoint: its model is a `LlavaNextForConditionalGeneration`."""

    FAMILY = "llava-next"
    ARCHITECTURE = "LlavaNextForConditionalGeneration"
    FIT = "stretch"

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        return super().around_unit(prompt, first, last) + 1

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        head, _ = super().around(unit, first)
        return head, [self._pad]
