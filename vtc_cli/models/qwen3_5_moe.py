"""The Qwen3.5 mixture-of-experts family: Qwen3.5 with experts, one of them shared by all rows."""

from __future__ import annotations

from vtc_cli.models.qwen3_5 import Qwen35


class Qwen35Moe(Qwen35):
    """A loaded Qwen3.5-MoE. checkpoint: its model is a `Qwen3_5MoeForConditionalGeneration`."""

    FAMILY = "qwen3.5-moe"
    ARCHITECTURE = "Qwen3_5MoeForConditionalGeneration"
