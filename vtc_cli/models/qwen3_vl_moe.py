"""The Qwen3-VL mixture-of-experts family: Qwen3-VL whose decoder sends each row through a few of many experts."""

from __future__ import annotations

from vtc_cli.models.qwen3_vl import Qwen3VL


class Qwen3VLMoe(Qwen3VL):
    """A loaded Qwen3-VL-MoE. checkpoint: its model is a `Qwen3VLMoeForConditionalGeneration`."""

    FAMILY = "qwen3-vl-moe"
    ARCHITECTURE = "Qwen3VLMoeForConditionalGeneration"
