"""The Gemma 4 family: frames under their time, most decoder layers looking back over a window only.

A video is written as `00:01 <|image>` its visual rows `<image|>`, frame after frame, a space between them.

Five layers in six (four in five in the small ones) see the last `sliding_window` positions and keep those rows only: a
state of fixed size, which no policy reaches. Cache policies compact the others, whose rows see everything. In the small
models the later layers keep nothing and read what an earlier layer of their kind keeps. Where the configuration says
so, the rows of a frame see each other in both directions, in the layers with a window; a frame is never cut in two.

Small models feed every layer with an embedding of its own of each token; at visual rows that is the padding token's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.methods.stages import LayerPolicy
from vtc_cli.models.adapter import Seen
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import DecoderDims, Geometry, Prepared, Span, TowerDims, Unit
from vtc_cli.models.dims import OtherLayer
from vtc_cli.models.in_line import InLine
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.received import column_means, reading
from vtc_cli.models.rotary import MOVING, Rotation
from vtc_cli.models.shape import check_layer_types
from vtc_cli.models.soft_tokens import SoftTokens
from vtc_cli.models.weights import DTYPE_BYTES
from vtc_cli.models.windows import whole_mask, window_mask

if TYPE_CHECKING:
    from vtc_cli.models.device import Placement

_ROUNDING = 1e-4
"""Seconds: container clocks are not exact in binary, and 3 x 1.0 s is not to fall short of 3 s."""


class Gemma4(InLine):
    """A loaded Gemma 4. checkpoint: its model is a `Gemma4ForConditionalGeneration`."""

    FAMILY = "gemma4"
    ARCHITECTURE = "Gemma4ForConditionalGeneration"
    PLACEHOLDER = "<|video|>"
    ENDS = ("<turn|>", "<eos>")
    PREPROCESSING = SoftTokens()

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        config = self.model.config
        if self.info.attention not in ("sdpa", "eager"):
            raise UsageError(
                f"{self.info.name} looks back over windows that vtc masks, and {self.info.attention} takes no masks.",
                "Use --attention sdpa.",
            )
        self._text, self._start, self._end = config.text_config, config.boi_token_id, config.eoi_token_id
        self._kinds: list[str] = list(self._text.layer_types)
        self._both_ways = self._text.use_bidirectional_attention == "vision"

    @classmethod
    def check(cls, config: Any, name: str) -> None:
        check_layer_types(config, frozenset({"full_attention", "sliding_attention"}), name)
        if config.vision_config is None:
            raise UsageError(f"{name} has no vision tower.", "Use a checkpoint that was published with one.")
        if config.text_config.use_bidirectional_attention == "all":
            raise UsageError(
                f"{name} lets every row see the rows after it, so a video cannot be watched piece by piece.",
                "Use a checkpoint that generates text.",
            )

    @classmethod
    def check_pictures(cls, config: Any, preprocessor: Preprocessor, name: str) -> None:
        vision = config.vision_config
        ours, theirs = (preprocessor.patch, preprocessor.merge), (vision.patch_size, vision.pooling_kernel_size)
        if ours != theirs:
            raise MachineError(
                f"{name} contradicts itself: patch and pooling sizes are {ours} in the preprocessor config and "
                f"{theirs} in config.json.",
                "Download the checkpoint again.",
            )

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        vision, width = config.vision_config, config.text_config.hidden_size
        return TowerDims(
            layers=vision.num_hidden_layers,
            hidden=vision.hidden_size,
            heads=vision.num_attention_heads,
            intermediate=vision.intermediate_size,
            patch_inputs=3 * vision.patch_size**2,
            merge=vision.pooling_kernel_size,
            out_hidden=width,
            gated=True,
            projector=vision.hidden_size * width / vision.pooling_kernel_size**2,
        )

    @classmethod
    def decoder_dims(cls, config: Any, placement: Placement | None = None) -> DecoderDims:
        text = config.text_config
        kinds, sharing = text.layer_types, text.kv_sharing_modes
        own = [kind == "full_attention" and mode != "reuse" for kind, mode in zip(kinds, sharing, strict=True)]
        # What is added to every layer's MLP, in multiples of a row's width: per-layer embeddings, experts.
        more = text.hidden_size_per_layer_input or 0
        more += (text.top_k_experts or 0) * (text.moe_intermediate_size or 0) if text.enable_moe_block else 0
        others = []
        for number, (kind, mode) in enumerate(zip(kinds, sharing, strict=True)):
            layer, wide = text.per_layer_config[number], 2 if mode == "reuse" and text.use_double_wide_mlp else 1
            if not own[number]:
                others.append(
                    OtherLayer(
                        kv_heads=0 if mode == "reuse" else layer.num_key_value_heads,
                        head_dim=layer.head_dim,
                        intermediate=wide * text.intermediate_size + more,
                        window=text.sliding_window if kind == "sliding_attention" else 0,
                    )
                )
        whole = text.per_layer_config[own.index(True)]
        return DecoderDims(
            layers=text.num_hidden_layers,
            hidden=text.hidden_size,
            heads=text.num_attention_heads,
            kv_heads=whole.num_key_value_heads,
            head_dim=whole.head_dim,
            intermediate=text.intermediate_size + more,
            vocab=text.vocab_size,
            recurrent=tuple(number for number, mine in enumerate(own) if not mine),
            others=tuple(others),
            value_bytes=DTYPE_BYTES[placement.dtype] if placement else 4,
        )

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        return len(prompt.following(f" {clock(first)} ")) + 2

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        words = f"{clock(unit.span[0])} "
        return [*self._prompt.following(words if first else f" {words}"), self._start], [self._end]

    def run_tower(self, prepared: Prepared, geometry: Geometry, capture: Sequence[int]) -> Seen:
        units, (rows, columns), merge = len(prepared), geometry.grid, self.preprocessor.merge
        vision = self.model.model.vision_tower
        down, across = (torch.arange(side * merge, device=self._device) for side in (rows, columns))
        places = torch.cartesian_prod(down, across).flip(-1).expand(units, -1, -1)  # across, then down
        modules = {layer: vision.encoder.layers[layer - 1].self_attn for layer in capture}
        with reading(modules, received_by_patches) as received:
            seen = vision(pixel_values=prepared.patches, pixel_position_ids=places).last_hidden_state
        tokens = self.model.model.embed_vision(inputs_embeds=seen).unflatten(0, (units, -1))
        scores = {
            layer: values.view(units, rows, merge, columns, merge).mean((2, 4)).flatten(1)
            for layer, values in received.items()
        }
        return Seen(tokens, scores)

    @torch.no_grad()
    def forward(self, span: Span, cache: object, *, layers: LayerPolicy | None = None) -> Tensor:
        more = {}
        if self._text.hidden_size_per_layer_input:
            ids = span.ids.masked_fill(span.visual, self._text.pad_token_id)
            more["per_layer_inputs"] = self._decoder.get_per_layer_inputs(ids[None], None)
        output = self._decoder(
            inputs_embeds=span.embeds[None],
            position_ids=span.positions,
            past_key_values=cache,
            attention_mask=self._masks(span, cast("Any", cache)),
            use_cache=True,
            **more,
        )
        logits: Tensor = self.model.lm_head(output.last_hidden_state[0, -1]).float()
        cap = self._text.final_logit_softcapping
        return logits if cap is None else (logits / cap).tanh() * cap

    def rotation(self) -> Rotation | None:
        embedding = self._decoder.rotary_emb
        if (kind := embedding.rope_type["full_attention"]) in MOVING:
            raise UsageError(
                f"{self.info.name} changes its rotary frequencies with the length of the input ({kind}), so keys "
                "cannot be turned back",
                "use a method that looks at keys as they are",
            )
        frequencies = embedding.full_attention_inv_freq.float()

        def angles(positions: Tensor) -> tuple[Tensor, Tensor]:
            turns = positions[0].float()[..., None] * frequencies.to(positions.device)
            return turns.cos(), turns.sin()

        return Rotation(1, angles, float(embedding.full_attention_attention_scaling))

    def _masks(self, span: Span, cache: Any) -> dict[str, Any]:
        """What the new rows see: everything before them, or the window."""
        masks = {"full_attention": whole_mask(self._text, span, cache, self._kinds.index("full_attention"))}
        if "sliding_attention" in self._kinds:
            first = self._kinds.index("sliding_attention")
            masks["sliding_attention"] = window_mask(span, cache, first, self._text.sliding_window, self._both_ways)
        return masks


def clock(seconds: float) -> str:
    """A frame's time as it is written: whole minutes and seconds."""
    minutes, rest = divmod(int(seconds + _ROUNDING), 60)
    return f"{minutes:02d}:{rest:02d}"


def received_by_patches(attention: Any, given: dict[str, Any]) -> Tensor:
    """fp32 [units, patches]: what a vision layer's attention module, called with `given`, pays to each patch."""
    library: Any = sys.modules[type(attention).__module__]
    states, (cos, sin) = given["hidden_states"], given["position_embeddings"]
    query, key = (
        library.apply_multidimensional_rope(
            norm(projection(states).unflatten(-1, (-1, attention.head_dim))), cos, sin, given["position_ids"]
        ).flatten(0, 1)
        for projection, norm in ((attention.q_proj, attention.q_norm), (attention.k_proj, attention.k_norm))
    )
    key = key.repeat_interleave(attention.num_key_value_groups, dim=1)
    units, patches = states.shape[:2]
    return column_means(query, key, [patches] * units, attention.scaling).view(units, patches)
