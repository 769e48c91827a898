"""The LLaVA-NeXT-Video family: every frame pooled to a quarter, all frames in one block, nothing between them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vtc_cli.models.contract import Unit
from vtc_cli.models.llava import Llava
from vtc_cli.models.one_axis import OneAxis
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.towers import block_means


class LlavaNextVideo(Llava):
    """A loaded LLaVA-NeXT-Video. checkpoint: its model is a `LlavaNextVideoForConditionalGeneration`."""

    FAMILY = "llava-next-video"
    ARCHITECTURE = "LlavaNextVideoForConditionalGeneration"
    PLACEHOLDER, MEDIA = "<video>", "video"

    @staticmethod
    def merge(config: Any) -> int:
        return int(config.spatial_pool_stride)

    @staticmethod
    def projected(config: Any) -> float:
        return 1 / config.spatial_pool_stride**2  # pooled first

    @staticmethod
    def pad_token(config: Any) -> int:
        return OneAxis.pad_token(config)

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        return 0

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        return OneAxis.around(self, unit, first)

    def look(self, patches: Tensor) -> Tensor:
        return super().look(self.model.model.vision_resampler(patches))

    def pooled(self, received: Tensor) -> Tensor:
        return block_means(received, self.preprocessor.merge)
