"""Real checkpoint folders with random weights for the other Qwen-VL families, as `checkpoints` makes them.

All have four decoder layers of width 64, a vision tower of width 32 with `vision_depth` layers, patches of 8 pixels and
tokens of 16, so that tests written for one run on all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.checkpoints import (
    CHAT_TEMPLATE,
    random_qwen3_vl,
    randomise,
    save_preprocessors,
    save_tokenizer,
    write_json,
)

CONTEXT = 32_768
CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}

DEFAULT_SYSTEM = (
    "{%- if messages[0].role != 'system' -%}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif -%}\n"
)
"""What the second generation's templates say where the user says nothing."""

THINKING = (
    "{%- if add_generation_prompt -%}"
    "{%- if enable_thinking is defined and not enable_thinking -%}{{ '<think>\n\n</think>\n\n' }}"
    "{%- else -%}{{ '<think>\n' }}{%- endif -%}{%- endif -%}"
)
"""What models that think by default open an answer with."""


def random_qwen2_vl(folder: Path | str, *, vision_depth: int = 4, vision_hidden: int = 32, seed: int = 0) -> Path:
    """Save a `Qwen2VLForConditionalGeneration` folder and return it."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    vision = {"embed_dim": vision_hidden, "hidden_size": 64, "mlp_ratio": 2, "depth": vision_depth}
    return _second(Path(folder), Qwen2VLConfig, Qwen2VLForConditionalGeneration, vision, seed)


def random_qwen2_5_vl(folder: Path | str, *, vision_depth: int = 4, vision_hidden: int = 32, seed: int = 0) -> Path:
    """Save a `Qwen2_5_VLForConditionalGeneration` folder and return it.

    Every other vision layer looks through windows of 2 x 2 tokens.
    """
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    vision = {
        "hidden_size": vision_hidden,
        "intermediate_size": 2 * vision_hidden,
        "out_hidden_size": 64,
        "depth": vision_depth,
        "window_size": 32,
        "tokens_per_second": 2,
        "fullatt_block_indexes": list(range(1, vision_depth, 2)),
    }
    return _second(Path(folder), Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, vision, seed)


def random_qwen3_vl_moe(folder: Path | str, *, vision_depth: int = 4, vision_hidden: int = 32, seed: int = 0) -> Path:
    """Save a `Qwen3VLMoeForConditionalGeneration` folder and return it: four experts, two for each row."""
    from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

    text = {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 48,
        "rope_parameters": _rope([4, 2, 2], mrope_interleaved=True),
    }
    vision = {"deepstack_visual_indexes": [1, 2], **_third_vision(vision_depth, vision_hidden)}
    return _third(Path(folder), Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration, text, vision, CHAT_TEMPLATE, seed)


def random_qwen3_5(folder: Path | str, *, vision_depth: int = 4, vision_hidden: int = 32, seed: int = 0) -> Path:
    """Save a `Qwen3_5ForConditionalGeneration` folder and return it; every other layer has linear attention."""
    from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

    vision = _third_vision(vision_depth, vision_hidden)
    template = CHAT_TEMPLATE + THINKING
    return _third(Path(folder), Qwen3_5Config, Qwen3_5ForConditionalGeneration, hybrid_text(), vision, template, seed)


def random_qwen3_5_moe(folder: Path | str, *, vision_depth: int = 4, vision_hidden: int = 32, seed: int = 0) -> Path:
    """Save a `Qwen3_5MoeForConditionalGeneration` folder and return it: as above, with experts and a shared one."""
    from transformers import Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration

    experts = {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 48,
        "shared_expert_intermediate_size": 40,
    }
    vision, text = _third_vision(vision_depth, vision_hidden), {**hybrid_text(), **experts}
    template = CHAT_TEMPLATE + THINKING
    return _third(Path(folder), Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration, text, vision, template, seed)


def hybrid_text() -> dict[str, Any]:
    """A text model every other layer of which has linear attention."""
    return {
        "layer_types": ["linear_attention", "full_attention"] * 2,
        "head_dim": 32,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 12,
        "linear_conv_kernel_dim": 4,
        "rope_parameters": _rope([4, 2, 2], mrope_interleaved=True, partial_rotary_factor=0.5),
    }


def _second(folder: Path, config_class: Any, model_class: Any, vision: dict[str, Any], seed: int) -> Path:
    """A folder of the second generation: flat configuration, one preprocessor config that counts pixels per frame."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = save_tokenizer(folder, CONTEXT, DEFAULT_SYSTEM + CHAT_TEMPLATE)
    config = config_class(
        text_config={**_text(ids), "rope_parameters": _rope([2, 3, 3])},
        vision_config={"num_heads": 2, "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2, **vision},
        **_tokens(ids),
    )
    _save(folder, model_class(config), ids, seed)
    write_json(
        folder / "preprocessor_config.json",
        {
            "min_pixels": 2 * 16 * 16,
            "max_pixels": 768 * 16 * 16,
            "patch_size": 8,
            "temporal_patch_size": 2,
            "merge_size": 2,
            **CLIP,
            "image_processor_type": "Qwen2VLImageProcessor",
        },
    )
    return folder


def _third(
    folder: Path,
    config_class: Any,
    model_class: Any,
    text: dict[str, Any],
    vision: dict[str, Any],
    template: str,
    seed: int,
) -> Path:
    """A folder of the third generation: preprocessor configs like those of Qwen3-VL."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = save_tokenizer(folder, CONTEXT, template)
    config = config_class(text_config={**_text(ids), **text}, vision_config=vision, **_tokens(ids))
    _save(folder, model_class(config), ids, seed)
    save_preprocessors(folder, patch=8, temporal=2, merge=2, pixels=(4 * 16 * 16, 768 * 16 * 16 * 16))
    return folder


def _third_vision(depth: int, hidden: int) -> dict[str, Any]:
    return {
        "depth": depth,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_heads": 2,
        "patch_size": 8,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 64,
        "num_position_embeddings": 36,
    }


def _text(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "vocab_size": len(ids) + 5,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
    }


def _rope(sections: list[int], **more: Any) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": sections, **more}


def _tokens(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": False,
    }


def _save(folder: Path, model: Any, ids: dict[str, int], seed: int) -> None:
    randomise(model, seed)
    model.generation_config.eos_token_id = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.save_pretrained(folder)


BUILDERS: dict[str, Callable[..., Path]] = {
    "qwen3-vl": random_qwen3_vl,
    "qwen3-vl-moe": random_qwen3_vl_moe,
    "qwen3.5": random_qwen3_5,
    "qwen3.5-moe": random_qwen3_5_moe,
    "qwen2.5-vl": random_qwen2_5_vl,
    "qwen2-vl": random_qwen2_vl,
}
"""Family -> how to make a checkpoint of it; all take `vision_depth`, `vision_hidden` and `seed`."""
