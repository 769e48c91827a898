"""What families with an ordinary text model have in common, and those of them with a tower for single pictures.

Rows stand as in `in_line`. A family says how a unit is written (`around`), and where its tower sees single pictures,
what it sees (`look`) and how attention received by patches becomes attention received by tokens (`pooled`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vtc_cli.errors import UsageError
from vtc_cli.methods.stages import LayerPolicy
from vtc_cli.models.adapter import Seen
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import Geometry, Prepared, Span
from vtc_cli.models.in_line import InLine
from vtc_cli.models.layered import run_layers
from vtc_cli.models.shape import check_layer_types
from vtc_cli.models.towers import PictureTower

DECODERS = ("llama", "mistral", "qwen2", "qwen3", "qwen3_moe")
"""Text models whose layers are run here, by `model_type`."""


class PlainDecoder(InLine):
    """A loaded model of a family with one position per row and an ordinary text model, which runs layer by layer."""

    runs_layer_policies = True

    @classmethod
    def check(cls, config: Any, name: str) -> None:
        cls.tower_dims(config)
        check_decoder(config, name)

    @torch.no_grad()
    def forward(self, span: Span, cache: object, *, layers: LayerPolicy | None = None) -> Tensor:
        # Always layer by layer: a whole text model hands positions to its attention, where gaps between them, which
        # evicted and pruned rows leave, would be taken for the borders of packed sequences.
        state = run_layers(self._decoder, span, cache, layers)
        logits: Tensor = self.model.lm_head(state)
        return logits.float()


class OneAxis(PlainDecoder):
    """Such a model whose tower looks at one picture at a time."""

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self._tower = self.tower(self.model)

    @staticmethod
    @abstractmethod
    def tower(model: Any) -> PictureTower:
        """The tower of a loaded model, up to the layer whose output is used."""

    @abstractmethod
    def look(self, patches: Tensor) -> Tensor:
        """[units, patches, width] out of the tower to [units, n, d] as the language model receives them."""

    @abstractmethod
    def pooled(self, received: Tensor) -> Tensor:
        """fp32 [units, patches] to [units, n]: the mean over the patches of a token."""

    def run_tower(self, prepared: Prepared, geometry: Geometry, capture: Sequence[int]) -> Seen:
        with self._tower.received(capture) as received:
            tokens = self.look(self._tower(prepared.patches.to(self.model.dtype)))
        scores = {layer: self.pooled(values) for layer, values in received.items()}
        return Seen(tokens, scores)


def check_decoder(config: Any, name: str) -> None:
    """Raise UsageError when the text model of `config` is of another kind, or does not attend to all that is cached."""
    text = config.text_config
    if text.model_type not in DECODERS:
        raise UsageError(
            f"{name} has a {text.model_type!r} text model; with this family, these run: {', '.join(DECODERS)}.",
            "Use a checkpoint of the family with one of them.",
        )
    check_layer_types(config, frozenset({"full_attention"}), name)
    if text.model_type == "mistral" and text.sliding_window:
        raise UsageError(
            f"{name} attends to the last {text.sliding_window:,} tokens only, so its cache cannot be bounded by this "
            "tool.",
            "Use a later checkpoint, whose sliding_window is null.",
        )
