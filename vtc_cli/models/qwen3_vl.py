"""The Qwen3-VL family: time tags as text, interleaved M-RoPE, DeepStack.

A video is written as `<|vision_start|>`, then per unit (two frames) `<12.3 seconds><|vision_start|>` its visual rows
`<|vision_end|>`, then `<|vision_end|>`: the template's own pair of markers stays around the per-unit pairs, as the
library's processor has written it since transformers 5.10.

A unit starting at p has its row i, column j at (p, p + i, p + j), and what follows starts at p + max(rows, columns).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vtc_cli.models.contract import Cursor, Unit
from vtc_cli.models.prompt import Prompt, time_tag
from vtc_cli.models.qwen import Qwen


class Qwen3VL(Qwen):
    """A loaded Qwen3-VL. checkpoint: its model is a `Qwen3VLForConditionalGeneration`."""

    FAMILY = "qwen3-vl"
    ARCHITECTURE = "Qwen3VLForConditionalGeneration"

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        return len(prompt.plain(time_tag(first, last))) + 2

    def around(self, unit: Unit) -> tuple[list[int], list[int]]:
        return [*self._prompt.plain(time_tag(*unit.span)), self._start], [self._end]

    def positions(self, cursor: Cursor, unit: Unit, before: int, patch: Tensor) -> tuple[Tensor, Cursor]:
        rows, columns = unit.grid
        start = cursor.next + before
        places = torch.stack([torch.full_like(patch, start), start + patch // columns, start + patch % columns])
        return places, replace(cursor, next=start + max(rows, columns))
