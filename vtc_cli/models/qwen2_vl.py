"""The Qwen2-VL family: one unbroken block of visual rows, sectioned M-RoPE.

A video is written as `<|vision_start|>`, the visual rows of all its units, `<|vision_end|>`: no words stand between
units. In a block that starts at s, unit k has its row i, column j at (s + k, s + i, s + j), and text after the block
follows the largest position used on any axis. That is the rule the models were trained with; transformers 5.3 to 5.23
put the text after the block's width or height instead, which for a long video is amid the video itself.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vtc_cli.models.contract import Cursor, Unit
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.qwen import Qwen


class Qwen2VL(Qwen):
    """A loaded Qwen2-VL. checkpoint: its model is a `Qwen2VLForConditionalGeneration`."""

    FAMILY = "qwen2-vl"
    ARCHITECTURE = "Qwen2VLForConditionalGeneration"
    PREPROCESSING = Preprocessor(
        patch=14,
        least=128 * 28 * 28,
        most=768 * 28 * 28,
        per_frame=True,
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
    )

    def around(self, unit: Unit) -> tuple[list[int], list[int]]:
        return [], []

    def positions(self, cursor: Cursor, unit: Unit, before: int, patch: Tensor) -> tuple[Tensor, Cursor]:
        rows, columns = unit.grid
        inside = cursor if cursor.video is not None else Cursor(cursor.next, video=cursor.next)
        if inside.began is None:
            inside = replace(inside, began=unit.span[0])
        assert inside.video is not None
        start, time = inside.video, self.temporal(inside, unit)
        places = start + torch.stack([torch.full_like(patch, time), patch // columns, patch % columns])
        return places, replace(inside, next=max(cursor.next, start + max(time + 1, rows, columns)))

    def temporal(self, cursor: Cursor, unit: Unit) -> int:
        """The temporal position of a unit, from the start of its block. cursor: inside the block."""
        return cursor.units
