"""Models of published shapes with random weights, made on the device: speed and memory do not depend on their values.

Widths are those of the published checkpoints. With `small`, depths and widths shrink and pictures keep their tokens, so
that the same script runs on a CPU; its figures say nothing about the models it is named after.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.support import picture_checkpoints
from tests.support.checkpoints import CHAT_TEMPLATE, SPECIAL_TOKENS, save_tokenizer
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import VideoLM
from vtc_cli.models.device import Placement
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.registry import FAMILIES

CONTEXT = 262_144


@dataclass(frozen=True)
class Shape:
    """A model's configuration. text, vision: its widths. small: what replaces them on a CPU."""

    family: str
    config: Callable[[dict[str, Any], dict[str, Any], dict[str, int]], Any]
    text: dict[str, Any]
    vision: dict[str, Any]
    small_vision: dict[str, Any]
    template: str = CHAT_TEMPLATE
    special: tuple[str, ...] = SPECIAL_TOKENS
    named: dict[str, str] | None = None


def _text(hidden: int, layers: int, heads: int, kv: int, inner: int, vocab: int, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "intermediate_size": inner,
        "vocab_size": vocab,
        "max_position_embeddings": CONTEXT,
        **more,
    }


_SMALL_TEXT = {
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "intermediate_size": 384,
}


def _rope(sections: list[int], **more: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections, **more}}


def _qwen(name: str) -> Callable[[dict[str, Any], dict[str, Any], dict[str, int]], Any]:
    def make(text: dict[str, Any], vision: dict[str, Any], ids: dict[str, int]) -> Any:
        import transformers

        return getattr(transformers, name)(
            text_config=text,
            vision_config={**vision, "out_hidden_size": text["hidden_size"]},
            image_token_id=ids["<|image_pad|>"],
            video_token_id=ids["<|video_pad|>"],
            vision_start_token_id=ids["<|vision_start|>"],
            vision_end_token_id=ids["<|vision_end|>"],
            tie_word_embeddings=False,
        )

    return make


def _internvl(text: dict[str, Any], vision: dict[str, Any], ids: dict[str, int]) -> Any:
    from transformers import InternVLConfig

    return InternVLConfig(
        text_config={**text, "model_type": "qwen3"},
        vision_config=vision,
        image_token_id=ids["<IMG_CONTEXT>"],
        image_seq_length=256,
        tie_word_embeddings=False,
    )


def _onevision(text: dict[str, Any], vision: dict[str, Any], ids: dict[str, int]) -> Any:
    from transformers import LlavaOnevisionConfig

    return LlavaOnevisionConfig(
        text_config={**text, "model_type": "qwen2"},
        vision_config={**vision, "model_type": "siglip_vision_model", "vision_use_head": False},
        image_token_index=ids["<image>"],
        video_token_index=ids["<video>"],
        vision_feature_layer=-1,
        image_grid_pinpoints=[[384, 384], [384, 768]],
    )


_INTERN = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
_EXPERTS = {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768, "head_dim": 128}
_QWEN3_TOWER = {"hidden_size": 1152, "intermediate_size": 4304, "depth": 27, "num_heads": 16}
_CLIP_TOWER = {"num_hidden_layers": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16}
_SMALL_QWEN = {"depth": 3, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2}
_SMALL_TOWER = {"num_hidden_layers": 3, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2}

SHAPES: dict[str, Shape] = {
    "Qwen2.5-VL-7B": Shape(
        "qwen2.5-vl",
        _qwen("Qwen2_5_VLConfig"),
        _text(3584, 28, 28, 4, 18_944, 152_064, **_rope([16, 24, 24])),
        {"depth": 32, "num_heads": 16, "hidden_size": 1280, "intermediate_size": 3420, "tokens_per_second": 2},
        {**_SMALL_QWEN, "fullatt_block_indexes": [1, 2]},
    ),
    "Qwen3-VL-8B": Shape(
        "qwen3-vl",
        _qwen("Qwen3VLConfig"),
        _text(4096, 36, 32, 8, 12_288, 151_936, head_dim=128, **_rope([24, 20, 20], mrope_interleaved=True)),
        {**_QWEN3_TOWER, "deepstack_visual_indexes": [8, 16, 24]},
        {**_SMALL_QWEN, "deepstack_visual_indexes": [0, 1]},
    ),
    "InternVL3.5-8B": Shape(
        "internvl",
        _internvl,
        _text(4096, 36, 32, 8, 12_288, 151_936, head_dim=128),
        {**_CLIP_TOWER, "image_size": [448, 448], "patch_size": [14, 14]},
        {**_SMALL_TOWER, "image_size": [448, 448], "patch_size": [14, 14]},
        picture_checkpoints.INTERNVL_TEMPLATE,
        (*picture_checkpoints.CHATML[:3], "<img>", "</img>", "<IMG_CONTEXT>", "<video>"),
        {**_INTERN, "video_token": "<video>"},
    ),
    "LLaVA-OneVision-7B": Shape(
        "llava-onevision",
        _onevision,
        _text(3584, 28, 28, 4, 18_944, 152_000),
        {
            **{"num_hidden_layers": 26, "hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16},
            **{"image_size": 384, "patch_size": 14},
        },
        {**_SMALL_TOWER, "image_size": 384, "patch_size": 14},
        picture_checkpoints.ONEVISION_TEMPLATE,
        picture_checkpoints.CHATML,
    ),
    "Qwen3-VL-30B-A3B": Shape(
        "qwen3-vl-moe",
        _qwen("Qwen3VLMoeConfig"),
        _text(2048, 48, 32, 4, 6144, 151_936, **_EXPERTS, **_rope([24, 20, 20], mrope_interleaved=True)),
        {**_QWEN3_TOWER, "deepstack_visual_indexes": [8, 16, 24]},
        {**_SMALL_QWEN, "deepstack_visual_indexes": [0, 1]},
    ),
}
"""Published shapes, by name."""


def build(name: str, device: str, dtype: str, *, small: bool = False, seed: int = 0) -> VideoLM:
    """The model of that shape with random weights on `device`, as our adapter."""
    import transformers

    shape = SHAPES[name]
    adapter: Any = next(family for family in FAMILIES if family.name == shape.family).load_adapter()
    folder = Path(tempfile.mkdtemp(prefix="vtc-shape-"))
    ids = save_tokenizer(folder, CONTEXT, shape.template, shape.special, shape.named)
    text, vision = dict(shape.text), dict(shape.vision)
    if small:
        text |= {**_SMALL_TEXT, "vocab_size": len(ids) + 8}
        if "num_experts" in text:
            text |= {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 192}
        if "rope_parameters" in text:
            text["rope_parameters"] = {**text["rope_parameters"], "mrope_section": [6, 5, 5]}
        vision |= shape.small_vision
    config = shape.config(text, vision, ids)
    torch.manual_seed(seed)
    with torch.device(device):
        model = getattr(transformers, adapter.ARCHITECTURE)._from_config(
            config, dtype=getattr(torch, dtype), attn_implementation="sdpa"
        )
    model.generation_config.eos_token_id = [ids["<|im_end|>"]]
    model.requires_grad_(False).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prompt: Prompt = adapter.prompt(tokenizer, folder)
    placement = Placement(device, "as asked", dtype, "as asked", name_reason="random weights")
    return adapter(Checkpoint(model, tokenizer, adapter.preprocessing(config), prompt, placement, f"random {name}"))
