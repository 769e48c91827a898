"""The Nemotron Omni family (Nemotron 3 Nano Omni): pairs of frames, a decoder of Mamba-2, attention and experts.

A video is written as lines `Frame 1 sampled at 0.00 seconds and frame 2 sampled at 1.00 seconds: <img>` the visual rows
of the pair `</img>`.

A few blocks of the decoder have attention and keep entries, which cache policies compact; the Mamba-2 blocks fold every
row into a state of fixed size, the others (experts, MLP) keep nothing. Nothing is rotated: the order of rows is known
from the states alone.

The library's forward does not take videos (5.23: it concatenates a tensor as if it were a list), so the tower and the
projector are called one by one, as its `get_video_features` does. Sound is not heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.methods.stages import LayerPolicy
from vtc_cli.models.adapter import Seen
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import DecoderDims, Geometry, Prepared, Span, TowerDims, Unit
from vtc_cli.models.in_line import InLine
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.received import column_means, reading
from vtc_cli.models.rotary import Rotation
from vtc_cli.models.tubelets import Tubelets
from vtc_cli.models.windows import whole_mask

if TYPE_CHECKING:
    from vtc_cli.models.device import Placement


class NemotronHOmni(InLine):
    """A loaded Nemotron Omni. checkpoint: its model is a `NemotronH_Omni_Reasoning_V3`."""

    FAMILY = "nemotron-h-omni"
    ARCHITECTURE = "NemotronH_Omni_Reasoning_V3"
    DECODER: ClassVar[str] = "language_model.model"
    ENDS = ("<|im_end|>", "<|endoftext|>", "</s>")
    PREPROCESSING = Tubelets()

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self._open, self._close = map(self.token, ("<img>", "</img>"))
        self._attends = self._decoder.config.layer_types.index("full_attention")

    @staticmethod
    def pad_token(config: Any) -> int:
        return int(config.image_token_id)  # the class has no token for videos

    @classmethod
    def check(cls, config: Any, name: str) -> None:
        if "full_attention" not in config.text_config.layer_types:
            raise UsageError(
                f"{name} has no block with attention, so it keeps no entries.",
                "Use the checkpoint's published configuration.",
            )
        if config.downsample_ratio != 0.5:
            raise UsageError(
                f"{name} merges patches in another way than the published checkpoints "
                f"(downsample_ratio={config.downsample_ratio:g}).",
                "Use the checkpoint's published configuration, or another model.",
            )

    @classmethod
    def check_pictures(cls, config: Any, preprocessor: Preprocessor, name: str) -> None:
        ours, theirs = (preprocessor.patch, preprocessor.merge), (config.vision_config.patch_size, 2)
        if ours != theirs:
            raise MachineError(
                f"{name} contradicts itself: patch and merge sizes are {ours} in the preprocessor config and {theirs} "
                "in config.json.",
                "Download the checkpoint again.",
            )

    @classmethod
    def frames_per_unit(cls, config: Any) -> int:
        return int(config.video_temporal_patch_size)

    @classmethod
    def preprocessing(cls, config: Any) -> Preprocessor:
        return Tubelets(temporal=cls.frames_per_unit(config))

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        vision, width, inner = config.vision_config, config.text_config.hidden_size, config.projector_hidden_size
        return TowerDims(
            layers=vision.num_hidden_layers,
            hidden=vision.hidden_size,
            heads=vision.num_attention_heads,
            intermediate=int(vision.hidden_size * vision.mlp_ratio),
            patch_inputs=vision.video_patch_dim,
            merge=2,
            out_hidden=width,
            projector=inner * (4 * vision.hidden_size + width) / 4,
        )

    @classmethod
    def decoder_dims(cls, config: Any, placement: Placement | None = None) -> DecoderDims:
        text = config.text_config
        kinds, width = text.layer_types, text.hidden_size
        inner, groups = text.mamba_num_heads * text.mamba_head_dim, text.n_groups * text.ssm_state_size
        # Into a Mamba-2 block: gate, values, two vectors a group, a number a head; a convolution; the state is decayed,
        # added to and read; and out.
        mamba = width * (2 * inner + 2 * groups + text.mamba_num_heads) + text.conv_kernel * (inner + 2 * groups)
        mamba += 3 * inner * text.ssm_state_size + inner * width
        experts = width * (text.n_routed_experts + 2 * text.moe_shared_expert_intermediate_size)
        latent = text.moe_latent_size or width
        experts += 2 * text.num_experts_per_tok * latent * text.moe_intermediate_size
        experts += 2 * width * latent if text.moe_latent_size else 0
        each = {"linear_attention": mamba, "moe": experts, "mlp": 2 * width * text.intermediate_size}
        widest = max(text.num_experts_per_tok * text.moe_intermediate_size, 2 * inner + 2 * groups)
        return DecoderDims(
            layers=len(kinds),
            hidden=width,
            heads=text.num_attention_heads,
            kv_heads=text.num_key_value_heads,
            head_dim=text.head_dim,
            intermediate=max(widest, text.intermediate_size if "mlp" in kinds else 0),
            vocab=text.vocab_size,
            recurrent=tuple(number for number, kind in enumerate(kinds) if kind != "full_attention"),
            row_products=sum(each.get(kind, 0) for kind in kinds),
            state_values=kinds.count("linear_attention") * inner * text.ssm_state_size,
        )

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        # The numbers are as long as at one frame per second.
        return len(prompt.following("\n" + label(int(first), (first, last)))) + 2

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        words = label(unit.index * self.info.frames_per_unit, unit.span)
        words_ids = self._prompt.following(words if first else f"\n{words}")
        return [*words_ids, self._open], [self._close]

    def run_tower(self, prepared: Prepared, geometry: Geometry, capture: Sequence[int]) -> Seen:
        units, (rows, columns), vision = len(prepared), geometry.grid, self.model.vision_model
        modules = {layer: vision.encoder.layer[layer - 1].attention for layer in capture}
        with reading(modules, received_by_rows) as received:
            seen = vision(prepared.patches.to(self.model.dtype)).features
        tokens = self.model.project_vision_features(seen, 2 * rows, 2 * columns)
        before = vision.config.num_summary_tokens  # rows of the class and of registers, before the patches
        scores = {
            layer: values[:, before:].reshape(units, rows, 2, columns, 2).mean((2, 4)).flatten(1)
            for layer, values in received.items()
        }
        return Seen(tokens, scores)

    @torch.no_grad()
    def forward(self, span: Span, cache: object, *, layers: LayerPolicy | None = None) -> Tensor:
        mask = whole_mask(self._decoder.config, span, cache, self._attends)
        output = self._decoder(
            inputs_embeds=span.embeds[None],
            position_ids=span.positions,
            past_key_values=cache,
            attention_mask={"full_attention": mask, "linear_attention": None},
            use_cache=True,
        )
        logits: Tensor = self.model.language_model.lm_head(output.last_hidden_state[0, -1])
        return logits.float()

    def rotation(self) -> Rotation | None:
        return None


def label(before: int, span: tuple[float, float]) -> str:
    """The words before a unit. before: frames that came before it. A last frame without a second is told alone."""
    words = f"Frame {before + 1} sampled at {span[0]:.2f} seconds"
    if span[1] != span[0]:
        words += f" and frame {before + 2} sampled at {span[1]:.2f} seconds"
    return f"{words}: "


def received_by_rows(attention: Any, given: dict[str, Any]) -> Tensor:
    """fp32 [units, rows]: what a vision layer's attention module, called with `given`, pays to each row of a unit."""
    states = given["hidden_states"]
    query, key = (
        part(states).unflatten(-1, (attention.num_attention_heads, -1)).flatten(0, 1)
        for part in (attention.q_proj, attention.k_proj)
    )
    units, rows = states.shape[:2]
    return column_means(query, key, [rows] * units, attention.scaling).view(units, rows)
