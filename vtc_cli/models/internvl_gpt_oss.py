"""InternVL with the text model of GPT-OSS: experts, sinks, and every other layer looking back over a window.

Layers with a window keep the rows they can still see, a state of fixed size; cache policies compact the others. The
attention of every head has a sink, a learned share that goes to no row, which the library computes in its eager kernel
only. The tower keeps the kernel that was chosen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from vtc_cli.errors import UsageError
from vtc_cli.methods.stages import LayerPolicy
from vtc_cli.models.contract import DecoderDims, Span
from vtc_cli.models.dims import OtherLayer
from vtc_cli.models.internvl import InternVL
from vtc_cli.models.shape import check_layer_types
from vtc_cli.models.weights import DTYPE_BYTES
from vtc_cli.models.windows import whole_mask, window_mask

if TYPE_CHECKING:
    from pathlib import Path

    from vtc_cli.models.device import Placement

_SLIDES, _WHOLE = "sliding_attention", "full_attention"


class InternVLGptOss(InternVL):
    """A loaded InternVL whose text model is a GPT-OSS."""

    FAMILY = "internvl-gpt-oss"
    runs_layer_policies = False

    @classmethod
    def load(cls, folder: Path, placement: Placement, **named: Any) -> Self:
        if placement.attention not in ("sdpa", "eager"):
            raise UsageError(
                f"{named['name']} has attention sinks, which {placement.attention} does not compute.",
                "Leave --attention out.",
            )
        return super().load(folder, replace(placement, attention="eager"), **named)

    @classmethod
    def kernels(cls, placement: Placement) -> Any:
        return {"": "eager", "text_config": "eager", "vision_config": "sdpa"}

    @classmethod
    def check(cls, config: Any, name: str) -> None:
        cls.tower_dims(config)
        check_layer_types(config, frozenset({_WHOLE, _SLIDES}), name)
        if _WHOLE not in config.text_config.layer_types:
            raise UsageError(
                f"{name} has no layer that sees more than a window, so it keeps no entries.",
                "Use the checkpoint's published configuration.",
            )

    @classmethod
    def decoder_dims(cls, config: Any, placement: Placement | None = None) -> DecoderDims:
        text = config.text_config
        sliding = tuple(number for number, kind in enumerate(text.layer_types) if kind == _SLIDES)
        inner = text.num_experts_per_tok * text.intermediate_size  # of the experts a row is sent to, together
        layer = OtherLayer(text.num_key_value_heads, text.head_dim, inner, text.sliding_window)
        return DecoderDims(
            layers=text.num_hidden_layers,
            hidden=text.hidden_size,
            heads=text.num_attention_heads,
            kv_heads=text.num_key_value_heads,
            head_dim=text.head_dim,
            intermediate=inner,
            vocab=text.vocab_size,
            recurrent=sliding,
            others=(layer,) * len(sliding),
            value_bytes=DTYPE_BYTES[placement.dtype] if placement else 4,
        )

    @torch.no_grad()
    def forward(self, span: Span, cache: object, *, layers: LayerPolicy | None = None) -> Tensor:
        text = self.model.config.text_config
        kinds = text.layer_types
        masks = {_WHOLE: whole_mask(self._decoder.config, span, cache, kinds.index(_WHOLE))}
        if _SLIDES in kinds:
            masks[_SLIDES] = window_mask(span, cache, kinds.index(_SLIDES), text.sliding_window)
        output = self._decoder(
            inputs_embeds=span.embeds[None],
            position_ids=span.positions,
            past_key_values=cache,
            attention_mask=masks,
            use_cache=True,
        )
        logits: Tensor = self.model.lm_head(output.last_hidden_state[0, -1])
        return logits.float()
