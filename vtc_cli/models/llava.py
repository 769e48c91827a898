"""LLaVA 1.5, and what its successors share with it: a CLIP or SigLIP tower and a projector of two layers.

LLaVA 1.5 knows pictures only, so a video is a series of them, as its own template writes a list of pictures: one
placeholder per frame, each on a line of its own, and the question after them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from vtc_cli.errors import UsageError
from vtc_cli.models.contract import TowerDims, Unit
from vtc_cli.models.fixed_size import Fit, FixedSize
from vtc_cli.models.one_axis import OneAxis
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.towers import PictureTower, clip_tower, layers_used

_TOWERS = ("clip_vision_model", "siglip_vision_model")


class Llava(OneAxis):
    """A loaded LLaVA 1.5. checkpoint: its model is a `LlavaForConditionalGeneration`."""

    FAMILY = "llava"
    ARCHITECTURE = "LlavaForConditionalGeneration"
    PLACEHOLDER, MEDIA = "<image>", "image"
    ENDS: ClassVar[tuple[str, ...]] = ("</s>",)
    FIT: ClassVar[Fit] = "crop"
    preprocessor: FixedSize

    @classmethod
    def preprocessing(cls, config: Any) -> FixedSize:
        vision, merge = config.vision_config, cls.merge(config)
        return FixedSize(
            patch=vision.patch_size,
            merge=merge,
            side=vision.image_size,
            grid=cls.tokens_per_side(vision.image_size // vision.patch_size, merge),
            fit=cls.FIT,
        )

    @staticmethod
    def merge(config: Any) -> int:
        """Patches per token side."""
        return 1

    @staticmethod
    def tokens_per_side(patches: int, merge: int) -> int:
        """Tokens along a side of `patches`."""
        return patches // merge

    @staticmethod
    def pad_token(config: Any) -> int:
        return int(config.image_token_id)

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        return len(prompt.following("\n"))

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        # The line break after the last picture belongs to the template: there it may merge with the question's words.
        return [] if first else self._prompt.following("\n"), []

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        vision, width, merge = config.vision_config, config.text_config.hidden_size, cls.merge(config)
        check_tower(config)
        return TowerDims(
            layers=layers_used(config.vision_feature_layer, vision.num_hidden_layers),
            hidden=vision.hidden_size,
            heads=vision.num_attention_heads,
            intermediate=vision.intermediate_size,
            patch_inputs=vision.num_channels * vision.patch_size**2,
            merge=merge,
            out_hidden=width,
            projector=cls.projected(config) * width * (vision.hidden_size + width),
        )

    @staticmethod
    def projected(config: Any) -> float:
        """Rows through the projector for each patch."""
        return 1.0

    @staticmethod
    def tower(model: Any) -> PictureTower:
        config = model.config
        used = layers_used(config.vision_feature_layer, config.vision_config.num_hidden_layers)
        return clip_tower(model.model.vision_tower, used)

    def look(self, patches: Tensor) -> Tensor:
        rows: Tensor = self.model.model.multi_modal_projector(patches)
        return rows

    def pooled(self, received: Tensor) -> Tensor:
        return received


def check_tower(config: Any) -> None:
    """Raise UsageError for a tower, or a choice of its rows, that is neither of the two known ones."""
    kind, chosen = config.vision_config.model_type, config.vision_feature_select_strategy
    what = None
    if kind not in _TOWERS:
        what = f"a {kind!r} tower"
    elif chosen != ("default" if kind == "clip_vision_model" else "full"):
        what = f"vision_feature_select_strategy={chosen!r} with a {kind!r} tower"
    elif not isinstance(config.vision_feature_layer, int):
        what = "features of several vision layers"
    if what:
        raise UsageError(
            f"this checkpoint has {what}, which the {config.model_type} adapter does not run.",
            "Use a checkpoint published for the library's class, with a CLIP or SigLIP tower.",
        )
