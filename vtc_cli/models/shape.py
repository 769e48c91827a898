"""What a Qwen-layout configuration says about a model: widths for counting, and the record of what was loaded."""

from __future__ import annotations

from typing import Any

from vtc_cli.errors import MachineError
from vtc_cli.models.contract import DecoderDims, ModelInfo, TowerDims
from vtc_cli.models.device import Placement
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.weights import DTYPE_BYTES


def info_of(
    config: Any,
    placement: Placement,
    *,
    name: str,
    family: str,
    revision: str | None,
    parameters: int,
    weight_bytes: int,
) -> ModelInfo:
    """The record of a model. config: transformers' composite configuration (`text_config`, `vision_config`)."""
    text, vision = config.text_config, config.vision_config
    decoder = DecoderDims(
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        heads=text.num_attention_heads,
        kv_heads=text.num_key_value_heads,
        head_dim=text.head_dim,
        intermediate=text.intermediate_size,
        vocab=text.vocab_size,
    )
    tower = TowerDims(
        layers=vision.depth,
        hidden=vision.hidden_size,
        heads=vision.num_heads,
        intermediate=vision.intermediate_size,
        patch_inputs=vision.in_channels * vision.temporal_patch_size * vision.patch_size**2,
        merge=vision.spatial_merge_size,
        out_hidden=vision.out_hidden_size,
        deep=len(vision.deepstack_visual_indexes),
        windowed=_windowed(vision),
    )
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
        frames_per_unit=vision.temporal_patch_size,
        tower=tower,
        decoder=decoder,
        kv_bytes_per_token=2 * decoder.layers * decoder.kv_heads * decoder.head_dim * DTYPE_BYTES[placement.dtype],
    )


def _windowed(vision: Any) -> tuple[int, ...]:
    """Layers (1-based) with window attention: all but the listed ones (0-based), where a configuration lists any."""
    whole = getattr(vision, "fullatt_block_indexes", None)
    return () if whole is None else tuple(layer for layer in range(1, vision.depth + 1) if layer - 1 not in whole)


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
