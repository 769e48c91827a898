"""The Qwen2.5-VL family: Qwen2-VL with a clock, and a vision tower that looks through windows.

A unit's temporal position is where it stands in time: `tokens_per_second` positions for each second since the block's
first unit, rounded down after multiplying. At an even frame rate this is the rule of the models' training; where
frames were left out, the gap stays as long as it was.

All tower layers but a few attend within windows of the picture, and the tower sorts its patches by window. What it
gives back is in raster order; attention captured inside is put into that order here.
"""

from __future__ import annotations

from math import floor

from torch import Tensor

from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import Cursor, Unit
from vtc_cli.models.qwen2_vl import Qwen2VL

_ROUNDING = 1e-4
"""Of a position: container clocks are not exact in binary, and 3 x 0.1 s is not to fall short of 0.3 s."""


class Qwen25VL(Qwen2VL):
    """A loaded Qwen2.5-VL. checkpoint: its model is a `Qwen2_5_VLForConditionalGeneration`."""

    FAMILY = "qwen2.5-vl"
    ARCHITECTURE = "Qwen2_5_VLForConditionalGeneration"

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self._per_second = self.model.config.vision_config.tokens_per_second

    def temporal(self, cursor: Cursor, unit: Unit) -> int:
        assert cursor.began is not None
        return floor(self._per_second * (unit.span[0] - cursor.began) + _ROUNDING)

    def _order(self, grid: Tensor) -> Tensor:
        vision = self.model.config.vision_config
        sorted_tokens, _ = self._library.get_vision_window_index(
            grid,
            spatial_merge_size=vision.spatial_merge_size,
            window_size=vision.window_size,
            patch_size=vision.patch_size,
        )
        order: Tensor = sorted_tokens.argsort()
        return order
