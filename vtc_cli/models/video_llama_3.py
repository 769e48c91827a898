"""The VideoLLaMA3 family: frames of any shape under their time, an ordinary Qwen2 decoder.

A video is written as `Time 0.0s:` its visual rows, a comma, `Time 0.5s:` its visual rows, and so on.

The library's processor drops tokens whose pixels are those of the frame before, unless it is told not to
(`use_token_compression`). Here that is a pruner's work, chosen by name: without one, rows are those of the processor
without compression, and under one, what follows does not move up.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vtc_cli.errors import MachineError
from vtc_cli.models.adapter import Seen
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import Geometry, Prepared, TowerDims, Unit
from vtc_cli.models.one_axis import PlainDecoder
from vtc_cli.models.patch_projection import PatchProjection
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.received import column_means, reading, token_scores

_MERGE = 2
"""Patches per token side of a video's frames; of single pictures it is 1, and no configuration of the model says."""


class VideoLlama3(PlainDecoder):
    """A loaded VideoLLaMA3. checkpoint: its model is a `VideoLlama3ForConditionalGeneration`."""

    FAMILY = "video-llama-3"
    ARCHITECTURE = "VideoLlama3ForConditionalGeneration"
    PLACEHOLDER = "<|video_pad|>"
    PREPROCESSING = Preprocessor(
        patch=14, temporal=1, merge=_MERGE, least=128 * 28 * 28, most=768 * 28 * 28, per_frame=True
    )

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self._vision = self.model.model.vision_model
        self._vision.embeddings.patch_embedding = PatchProjection(self._vision.embeddings.patch_embedding)

    @classmethod
    def check_pictures(cls, config: Any, preprocessor: Preprocessor, name: str) -> None:
        ours = (preprocessor.patch, preprocessor.temporal, preprocessor.merge)
        theirs = (config.vision_config.patch_size, 1, _MERGE)
        if ours != theirs:
            raise MachineError(
                f"{name} contradicts itself: patch, temporal and merge sizes of a video are {ours} in the preprocessor "
                f"config, and the model takes {theirs}.",
                "Download the checkpoint again, with video_preprocessor_config.json.",
            )

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        vision, width = config.vision_config, config.text_config.hidden_size
        return TowerDims(
            layers=vision.num_hidden_layers,
            hidden=vision.hidden_size,
            heads=vision.num_attention_heads,
            intermediate=vision.intermediate_size,
            patch_inputs=vision.num_channels * vision.patch_size**2,
            merge=_MERGE,
            out_hidden=width,
            projector=(vision.hidden_size + width) * width / _MERGE**2,
        )

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        return len(prompt.following(f",{time_words(first)}"))

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        words = time_words(unit.span[0])
        return self._prompt.following(words if first else f",{words}"), []

    def run_tower(self, prepared: Prepared, geometry: Geometry, capture: Sequence[int]) -> Seen:
        units, (rows, columns) = len(prepared), geometry.grid
        # One row per frame: the tower attends within a row, so units stay independent of each other.
        grid = torch.tensor([[1, rows * _MERGE, columns * _MERGE]], device=self._device).expand(units, 3)
        sizes = torch.full((units,), _MERGE, device=self._device)
        modules = {layer: self._vision.encoder.layers[layer - 1].self_attn for layer in capture}
        with reading(modules, received_by_patches) as received:
            seen = self._vision(pixel_values=prepared.patches, grid_thw=grid, merge_sizes=sizes).last_hidden_state
        tokens = self.model.model.projector(seen).unflatten(0, (units, -1))
        scores = {layer: token_scores(values, units, _MERGE) for layer, values in received.items()}
        return Seen(tokens, scores)


def time_words(seconds: float) -> str:
    """The words before a frame."""
    return f"Time {seconds:.1f}s:"


def received_by_patches(attention: Any, given: dict[str, Any]) -> Tensor:
    """fp32 [patches], in the tower's order: what a vision layer's attention module, called with `given`, pays to each
    patch within its frame."""
    library: Any = sys.modules[type(attention).__module__]
    states, (cos, sin) = given["hidden_states"], given["position_embeddings"]
    query, key = (
        part(states).unflatten(-1, (attention.num_heads, -1)) for part in (attention.q_proj, attention.k_proj)
    )
    query, key = library.apply_rotary_pos_emb_vision(query, key, cos, sin)
    return column_means(query, key, given["cu_seqlens"].diff().tolist(), attention.scaling)
