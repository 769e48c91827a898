"""The LLaVA-OneVision family: every frame pooled to a quarter, all frames in one block, a newline row at its end.

A video is written as the visual rows of its frames, nothing between them, and one learned newline row after the last.
That row ends the video, so here it comes with the question.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from vtc_cli.models.contract import Unit
from vtc_cli.models.llava import Llava
from vtc_cli.models.one_axis import OneAxis
from vtc_cli.models.prompt import Prompt


class LlavaOnevision(Llava):
    """A loaded LLaVA-OneVision. checkpoint: its model is a `LlavaOnevisionForConditionalGeneration`."""

    FAMILY = "llava-onevision"
    ARCHITECTURE = "LlavaOnevisionForConditionalGeneration"
    PLACEHOLDER, MEDIA = "<video>", "video"
    AFTER = "<video>"  # the newline row
    ENDS = OneAxis.ENDS
    FIT = "stretch"

    @staticmethod
    def merge(config: Any) -> int:
        return 2

    @staticmethod
    def tokens_per_side(patches: int, merge: int) -> int:
        return -(-patches // merge)

    @staticmethod
    def pad_token(config: Any) -> int:
        return int(config.video_token_id)

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        return 0

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        return OneAxis.around(self, unit, first)

    def look(self, patches: Tensor) -> Tensor:
        rows: Tensor = self.model.model.apply_pooling(self.model.model.multi_modal_projector(patches))
        return rows

    def pooled(self, received: Tensor) -> Tensor:
        """With the weights by which patches make a token: the pooling interpolates where sides are odd."""
        side = self.preprocessor.side // self.preprocessor.patch
        maps = received.unflatten(1, (1, side, side))
        return F.interpolate(maps, size=[-(-side // 2)] * 2, mode="bilinear").flatten(1)
