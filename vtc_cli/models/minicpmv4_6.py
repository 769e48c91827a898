"""The MiniCPM-V 4.6 family: frames between markers, without times, before the hybrid decoder of Qwen3.5.

A video is written as `<image_id>0</image_id>`, then per frame `<image>` its visual rows `</image>`. Rows stand in one
line. The processor can cut frames larger than its base resolution into slices besides, up to nine; a frame of a stream
gets the overview only, which is what the processor makes with `max_slice_nums=1`.

The tower merges 2 x 2 patches after one of its own layers, and again after the last: 16 patches a token.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.adapter import Seen
from vtc_cli.models.contract import Cursor, Geometry, Prepared, TowerDims, Unit
from vtc_cli.models.overview import Overview
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.qwen import Qwen
from vtc_cli.models.received import column_means, reading

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from vtc_cli.models.checkpoint import Checkpoint


class MiniCPMV46(Qwen):
    """A loaded MiniCPM-V 4.6. checkpoint: its model is a `MiniCPMV4_6ForConditionalGeneration`."""

    FAMILY = "minicpm-v-4.6"
    ARCHITECTURE = "MiniCPMV4_6ForConditionalGeneration"
    LAYER_TYPES = frozenset({"full_attention", "linear_attention"})
    PREPROCESSING = Overview()
    runs_layer_policies = False

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        tokenizer = checkpoint.tokenizer
        self._start, self._end = (
            int(cast("Any", tokenizer.convert_tokens_to_ids(named(tokenizer, f"image_{end}_token", self.info.name))))
            for end in ("start", "end")
        )

    @staticmethod
    def tower(model: Any) -> Any:
        return model.model.vision_tower

    @staticmethod
    def marks(config: Any) -> tuple[int, int, int]:
        return -1, -1, config.video_token_id  # the markers are the tokenizer's to name

    @classmethod
    def check(cls, config: Any, name: str) -> None:
        super().check(config, name)
        vision = config.vision_config
        merging = (config.downsample_mode, config.merger_times, *config.merge_kernel_size, *vision.window_kernel_size)
        if merging != ("16x", 1, 2, 2, 2, 2) or not 0 <= vision.insert_layer_id < vision.num_hidden_layers:
            raise UsageError(
                f"{name} merges patches in another way than the published checkpoints.",
                "Use the checkpoint's published configuration, or another model.",
            )

    @classmethod
    def check_pictures(cls, config: Any, preprocessor: Preprocessor, name: str) -> None:
        if preprocessor.patch != config.vision_config.patch_size:
            raise MachineError(
                f"{name} contradicts itself: patches are {preprocessor.patch} pixels wide in the preprocessor config "
                f"and {config.vision_config.patch_size} in config.json.",
                "Download the checkpoint again.",
            )

    @classmethod
    def frames_per_unit(cls, config: Any) -> int:
        return 1

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        vision, out = config.vision_config, config.text_config.hidden_size
        width, inner = vision.hidden_size, vision.intermediate_size
        # Within the tower: attention in windows of four, then an MLP over each four. After it: over four again.
        merger = 4 * width**2 + 8 * width + 5 * width * inner + width**2 + width * out / 4
        return TowerDims(
            layers=vision.num_hidden_layers,
            hidden=width,
            heads=vision.num_attention_heads,
            intermediate=inner,
            patch_inputs=vision.num_channels * vision.patch_size**2,
            merge=4,
            out_hidden=out,
            projector=merger,
            quartered=vision.num_hidden_layers - 1 - vision.insert_layer_id,
        )

    @classmethod
    def prompt(cls, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Prompt:
        marks = [named(tokenizer, f"image_id_{end}_token", str(folder)) for end in ("start", "end")]
        number = "0".join(marks) if numbered(folder) else ""
        return Prompt(tokenizer, folder, named(tokenizer, "video_token", str(folder)), before=number)

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        return 2

    def around(self, unit: Unit) -> tuple[list[int], list[int]]:
        return [self._start], [self._end]

    def positions(self, cursor: Cursor, unit: Unit, before: int, patch: Tensor) -> tuple[Tensor, Cursor]:
        start = cursor.next + before
        return (start + patch).expand(3, -1), replace(cursor, next=start + unit.grid[0] * unit.grid[1])

    def run_tower(self, prepared: Prepared, geometry: Geometry, capture: Sequence[int]) -> Seen:
        units, (rows, columns) = len(prepared), geometry.grid
        sizes = torch.tensor([[4 * rows, 4 * columns]], dtype=torch.int32, device=self._device).expand(units, 2)
        strip = prepared.patches.permute(1, 2, 0, 3).flatten(2)[None]
        modules = {layer: self._tower.encoder.layers[layer - 1].self_attn for layer in capture}
        with reading(modules, received_by_patches) as received:
            tokens = self.model.model.get_image_features(strip, sizes).pooler_output
        scores = {}
        for layer, values in received.items():
            side = 4 if layer <= self.model.config.vision_config.insert_layer_id + 1 else 2
            scores[layer] = values.view(units, rows, side, columns, side).mean((2, 4)).flatten(1)
        return Seen(tokens, scores)


def named(tokenizer: PreTrainedTokenizerBase, name: str, whose: str) -> str:
    """The token that a tokenizer calls `name`. Raises MachineError when it has none."""
    token = getattr(tokenizer, name, None)
    if not token:
        raise MachineError(
            f"the tokenizer of {whose} names no {name}, which this family needs.",
            "Download the checkpoint again, with its tokenizer files.",
        )
    return str(token)


def numbered(folder: Path) -> bool:
    """Whether a video is preceded by its number: the picture processor's settings decide for videos too.

    Raises MachineError when they cannot be read."""
    for name, key in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
        path = folder / name
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                found = found if key is None else found.get(key) or {}
                return found.get("use_image_id") is not False
            except (OSError, ValueError, AttributeError) as error:
                raise MachineError(f"{path} cannot be read: {error}.", "Download the checkpoint again.") from error
    return True


def received_by_patches(attention: Any, given: dict[str, Any]) -> Tensor:
    """fp32 [rows]: what a vision layer's attention module, called with `given`, pays to each row within its frame."""
    states = given["hidden_states"][0]
    query, key = (
        part(states).unflatten(-1, (attention.num_heads, -1)) for part in (attention.q_proj, attention.k_proj)
    )
    return column_means(query, key, given["cu_seqlens"].diff().tolist(), attention.scaling)
