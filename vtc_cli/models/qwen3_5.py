"""The Qwen3.5 family: Qwen3-VL's way with video, a decoder of which three layers in four have no cache.

Those layers (Gated DeltaNet) fold every row into a state of fixed size. Keys and values are kept by the full-attention
layers alone, so only they are compacted: what a cache policy evicts can no longer be attended to, but what the states
took from it stays in them. A question is taken back by putting the states back. Layer policies do not run: they act on
what rows pay attention to and on every layer's entries, and most layers here have neither.
"""

from __future__ import annotations

from vtc_cli.models.qwen3_vl import Qwen3VL


class Qwen35(Qwen3VL):
    """A loaded Qwen3.5. checkpoint: its model is a `Qwen3_5ForConditionalGeneration`."""

    FAMILY = "qwen3.5"
    ARCHITECTURE = "Qwen3_5ForConditionalGeneration"
    LAYER_TYPES = frozenset({"full_attention", "linear_attention"})
    runs_layer_policies = False
