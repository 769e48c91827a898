"""The InternVL family (3, 3.5, the `-hf` checkpoints): numbered frames, each in its own pair of markers.

A video is written as lines `Frame1: <img>` its visual rows `</img>`, numbered from 1 in the order watched. A frame is
one square; the tiles that the library cuts single pictures into are not used for videos there either.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vtc_cli.errors import UsageError
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import TowerDims, Unit
from vtc_cli.models.fixed_size import FixedSize
from vtc_cli.models.one_axis import OneAxis
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.towers import PictureTower, block_means, layers_used


class InternVL(OneAxis):
    """A loaded InternVL. checkpoint: its model is an `InternVLForConditionalGeneration`."""

    FAMILY = "internvl"
    ARCHITECTURE = "InternVLForConditionalGeneration"
    preprocessor: FixedSize

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self._open, self._close = map(self.token, ("<img>", "</img>"))

    @classmethod
    def preprocessing(cls, config: Any) -> FixedSize:
        vision, merge = config.vision_config, _merge(config)
        side, patch = vision.image_size[0], vision.patch_size[0]
        return FixedSize(patch=patch, merge=merge, side=side, grid=side // patch // merge, fit="stretch")

    @staticmethod
    def pad_token(config: Any) -> int:
        return int(config.image_token_id)

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        # The number is as long as at one frame per second: the time says nothing else about it.
        return len(prompt.following(f"\nFrame{int(first) + 1}: ")) + 2

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        line = f"Frame{unit.index + 1}: "
        words = self._prompt.plain(line) if first else self._prompt.following(f"\n{line}")
        return [*words, self._open], [self._close]

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        vision, width, merge = config.vision_config, config.text_config.hidden_size, _merge(config)
        if config.vision_feature_select_strategy != "default" or not isinstance(config.vision_feature_layer, int):
            raise UsageError(
                "this checkpoint takes its features from several vision layers or from the class token, which the "
                "internvl adapter does not run.",
                "Use a checkpoint published for the library's class.",
            )
        return TowerDims(
            layers=layers_used(config.vision_feature_layer, vision.num_hidden_layers),
            hidden=vision.hidden_size,
            heads=vision.num_attention_heads,
            intermediate=vision.intermediate_size,
            patch_inputs=vision.num_channels * vision.patch_size[0] ** 2,
            merge=merge,
            out_hidden=width,
            projector=width * (vision.hidden_size * merge**2 + width) / merge**2,
        )

    @staticmethod
    def tower(model: Any) -> PictureTower:
        vision, chosen = model.model.vision_tower, model.config.vision_feature_layer
        used = layers_used(chosen, len(vision.encoder.layer))
        return PictureTower(
            embed=vision.embeddings,
            run=lambda block, states: block(states),
            blocks=tuple(vision.encoder.layer[:used]),
            attention="attention",
            extra=1,
            # Only the last layer's states are normalised, and only where the tower was trained so.
            **({"finish": vision.layernorm} if chosen == -1 else {}),
        )

    def look(self, patches: Tensor) -> Tensor:
        side = self.preprocessor.side // self.preprocessor.patch
        squares = self.model.model.pixel_shuffle(
            patches.unflatten(1, (side, side)), scale_factor=self.model.config.downsample_ratio
        )
        rows: Tensor = self.model.model.multi_modal_projector(squares.flatten(1, 2))
        return rows

    def pooled(self, received: Tensor) -> Tensor:
        return block_means(received, self.preprocessor.merge)


def _merge(config: Any) -> int:
    """Patches per token side."""
    return int(1 / config.downsample_ratio)
