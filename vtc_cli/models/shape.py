"""What a configuration says about a model: widths for counting, and the record of what was loaded."""

from __future__ import annotations

from typing import Any

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.contract import DecoderDims, LinearDims, ModelInfo, TowerDims
from vtc_cli.models.device import Placement
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.weights import DTYPE_BYTES


def info_of(
    config: Any,
    placement: Placement,
    *,
    name: str,
    family: str,
    architecture: str,
    revision: str | None,
    parameters: int,
    weight_bytes: int,
    tower: TowerDims,
    frames_per_unit: int,
    decoder: DecoderDims | None = None,
) -> ModelInfo:
    """The record of a model. config: transformers' composite configuration, with its `text_config`.

    decoder: its widths, where the names of the configuration's fields do not tell them.
    """
    text = config.text_config
    decoder = decoder or _decoder(text)
    return ModelInfo(
        name=name,
        name_reason=placement.name_reason,
        family=family,
        revision=revision,
        device=placement.device,
        device_reason=placement.device_reason,
        dtype=placement.dtype,
        dtype_reason=placement.dtype_reason,
        attention=placement.attention,
        parameters=parameters,
        weight_bytes=weight_bytes,
        context=text.max_position_embeddings,
        frames_per_unit=frames_per_unit,
        tower=tower,
        decoder=decoder,
        architecture=architecture,
        quantisation=placement.quantisation,
        adapter=None if placement.lora is None else placement.lora.name,
        kv_devices=tuple(
            place for number, place in enumerate(placement.layer_devices) if number not in decoder.recurrent
        ),
        kv_bytes_per_token=2 * decoder.cached * decoder.kv_heads * decoder.head_dim * DTYPE_BYTES[placement.dtype],
    )


def _decoder(text: Any) -> DecoderDims:
    kinds = getattr(text, "layer_types", None) or ()
    recurrent = tuple(number for number, kind in enumerate(kinds) if kind == "linear_attention")
    linear = None
    if recurrent:
        linear = LinearDims(
            key_heads=text.linear_num_key_heads,
            heads=text.linear_num_value_heads,
            key_dim=text.linear_key_head_dim,
            value_dim=text.linear_value_head_dim,
        )
    return DecoderDims(
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        heads=text.num_attention_heads,
        kv_heads=text.num_key_value_heads,
        head_dim=getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
        intermediate=_intermediate(text),
        vocab=text.vocab_size,
        gated=linear is not None,  # the generations with linear layers gate the others
        recurrent=recurrent,
        linear=linear,
    )


def qwen_tower(vision: Any) -> TowerDims:
    """The widths of a Qwen tower."""
    width = getattr(vision, "embed_dim", None) or vision.hidden_size  # Qwen2-VL: its hidden_size is what comes out
    return TowerDims(
        layers=vision.depth,
        hidden=width,
        heads=vision.num_heads,
        intermediate=getattr(vision, "intermediate_size", None) or width * vision.mlp_ratio,
        patch_inputs=vision.in_channels * vision.temporal_patch_size * vision.patch_size**2,
        merge=vision.spatial_merge_size,
        out_hidden=getattr(vision, "out_hidden_size", None) or vision.hidden_size,
        deep=len(getattr(vision, "deepstack_visual_indexes", ())),
        gated=vision.hidden_act == "silu",  # the one generation with this activation has a gate
        windowed=_windowed(vision),
        window=(getattr(vision, "window_size", 0) // vision.patch_size) ** 2,
    )


def _windowed(vision: Any) -> tuple[int, ...]:
    """Layers (1-based) with window attention: all but the listed ones (0-based), where a configuration lists any."""
    whole = getattr(vision, "fullatt_block_indexes", None)
    return () if whole is None else tuple(layer for layer in range(1, vision.depth + 1) if layer - 1 not in whole)


def _intermediate(text: Any) -> int:
    """Hidden width of the MLP a row goes through: of all experts it is sent to together, where there are experts."""
    experts = getattr(text, "num_experts_per_tok", None)
    if not experts:
        return int(text.intermediate_size)
    shared = getattr(text, "shared_expert_intermediate_size", 0)
    shared += getattr(text, "n_shared_experts", 0) * text.moe_intermediate_size
    routed = experts * text.moe_intermediate_size + shared
    dense = len(getattr(text, "mlp_only_layers", None) or ()) + getattr(text, "first_k_dense_replace", 0)
    if not dense:
        return int(routed)
    layers = text.num_hidden_layers
    return round((dense * text.intermediate_size + (layers - dense) * routed) / layers)


def check_layer_types(config: Any, known: frozenset[str], name: str) -> None:
    """Raise UsageError when the decoder of `config` has layers of a kind its adapter does not run."""
    found = set(getattr(config.text_config, "layer_types", None) or ()) - known
    if found:
        raise UsageError(
            f"{name} has decoder layers of the kind {min(found)!r}, whose cache cannot be bounded by this tool.",
            "Use the checkpoint's published configuration, or another model.",
        )


def check_sizes(config: Any, preprocessor: Preprocessor, name: str) -> None:
    """Raise MachineError when the preprocessor cuts other patches than the tower of `config` was made for."""
    vision = config.vision_config
    ours = (preprocessor.patch, preprocessor.temporal, preprocessor.merge)
    theirs = (vision.patch_size, vision.temporal_patch_size, vision.spatial_merge_size)
    if ours != theirs:
        raise MachineError(
            f"{name} contradicts itself: patch, temporal and merge sizes are {ours} in the preprocessor config "
            f"and {theirs} in config.json.",
            "Download the checkpoint again.",
        )
