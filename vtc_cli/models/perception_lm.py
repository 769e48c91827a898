"""The PerceptionLM family: squares of one size before an ordinary Llama, no words within the video.

Its tower is a Perception Encoder of the timm library, which has to be installed (with a torchvision that fits the
installed torch, which timm asks for). What a class token sees is not a token: it takes part in attention only.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from vtc_cli.errors import MachineError
from vtc_cli.models.adapter import Seen
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import Geometry, Prepared, TowerDims
from vtc_cli.models.fixed_size import FixedSize
from vtc_cli.models.one_axis import PlainDecoder
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.received import column_means
from vtc_cli.models.towers import block_means


class PerceptionLM(PlainDecoder):
    """A loaded PerceptionLM. checkpoint: its model is a `PerceptionLMForConditionalGeneration`."""

    FAMILY = "perception-lm"
    ARCHITECTURE = "PerceptionLMForConditionalGeneration"
    PLACEHOLDER = "<|video|>"
    ENDS = ("<|eot_id|>", "<|end_of_text|>")

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self._vision = self.model.model.vision_tower
        self._extra = int(self.model.config.vision_use_cls_token)

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        tower, width, merge = encoder(config), config.text_config.hidden_size, config.projector_pooling_ratio
        block = tower.blocks[0]
        return TowerDims(
            layers=len(tower.blocks),
            hidden=tower.embed_dim,
            heads=block.attn.num_heads,
            intermediate=block.mlp.fc1.out_features,
            patch_inputs=3 * tower.patch_embed.patch_size[0] ** 2,
            merge=merge,
            out_hidden=width,
            projector=width * (tower.embed_dim + width),
        )

    @classmethod
    def preprocessing(cls, config: Any) -> Preprocessor:
        embed = encoder(config).patch_embed
        side, patch = embed.img_size[0], embed.patch_size[0]
        half = (0.5, 0.5, 0.5)
        grid = side // patch // config.projector_pooling_ratio
        return FixedSize(patch=patch, merge=config.projector_pooling_ratio, side=side, grid=grid, mean=half, std=half)

    def run_tower(self, prepared: Prepared, geometry: Geometry, capture: Sequence[int]) -> Seen:
        with self._received(capture) as received:
            seen = self._vision(prepared.patches.to(self.model.dtype), return_dict=True).last_hidden_state
        tokens = self.model.model.multi_modal_projector(seen[:, self._extra :])
        scores = {layer: block_means(values, self.preprocessor.merge) for layer, values in received.items()}
        return Seen(tokens, scores)

    @contextmanager
    def _received(self, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
        """While the tower runs inside the block, fill {layer: fp32 [units, patches]}: the mean over heads and queries
        of the attention a patch receives within its frame. layers: 1-based."""
        found: dict[int, Tensor] = {}
        turn = importlib.import_module("timm.layers").apply_rot_embed_cat
        with ExitStack() as hooks:
            for layer in sorted(set(layers)):
                attention = self._vision.timm_model.blocks[layer - 1].attn
                parts: dict[str, Any] = {}

                def enter(_: Any, __: Any, given: dict[str, Any], parts: dict[str, Any] = parts) -> None:
                    parts["rope"] = given.get("rope")

                def query(_: Any, __: Any, rows: Tensor, parts: dict[str, Any] = parts) -> None:
                    parts["query"] = rows

                def key(
                    _: Any,
                    __: Any,
                    rows: Tensor,
                    parts: dict[str, Any] = parts,
                    attention: Any = attention,
                    layer: int = layer,
                ) -> None:
                    # [units, heads, T, width], before patches are turned to their places
                    pair: list[Tensor] = [parts["query"], rows]
                    skip, rope = attention.num_prefix_tokens, parts["rope"]
                    if rope is not None:
                        half = getattr(attention, "rotate_half", False)
                        pair = [
                            torch.cat([part[:, :, :skip], turn(part[:, :, skip:], rope, half=half)], 2) for part in pair
                        ]
                    units, _heads, length, _width = rows.shape
                    asked, paid = (part.transpose(1, 2).flatten(0, 1) for part in pair)
                    means = column_means(asked, paid, [length] * units, attention.scale)
                    found[layer] = means.view(units, length)[:, self._extra :]

                for handle in (
                    attention.register_forward_pre_hook(enter, with_kwargs=True),
                    attention.q_norm.register_forward_hook(query),
                    attention.k_norm.register_forward_hook(key),
                ):
                    hooks.callback(handle.remove)
            yield found


def encoder(config: Any) -> Any:
    """The tower of a configuration without its weights, to be asked for its widths.

    Raises MachineError when timm cannot be imported, or does not know the tower."""
    vision = config.vision_config
    try:
        timm: Any = importlib.import_module("timm")
        with torch.device("meta"):
            tower = timm.create_model(vision.architecture, pretrained=False, num_classes=0, **(vision.model_args or {}))
    except (ImportError, RuntimeError, TypeError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise MachineError(
            f"the PerceptionLM family needs the timm library for its tower: {line}",
            "pip install timm, with the torchvision build that fits your torch; `vtc doctor` shows the versions.",
        ) from error
    if not hasattr(tower, "blocks") or not hasattr(tower, "patch_embed"):
        raise MachineError(
            f"the tower {vision.architecture} is not a Perception Encoder.", "Use a published PerceptionLM checkpoint."
        )
    return tower
