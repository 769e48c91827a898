"""Real checkpoint folders with random weights for the GLM-4V families, of the sizes of `qwen_checkpoints`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.checkpoints import CONTEXT, randomise, save_tokenizer, write_json

SPECIAL = (
    "<|endoftext|>",
    "[gMASK]",
    "<sop>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|begin_of_video|>",
    "<|end_of_video|>",
    "<|image|>",
    "<|video|>",
)
TEMPLATE = """\
[gMASK]<sop>
{%- for message in messages -%}
<|{{ message.role }}|>
{% if message.content is string %}{{ message.content }}{% else %}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<|begin_of_video|><|video|><|end_of_video|>
{%- elif part.type == 'image' -%}<|begin_of_image|><|image|><|end_of_image|>
{%- else -%}{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>
{% endif -%}
"""


def random_glm4v(
    folder: Path | str,
    *,
    vision_depth: int = 4,
    vision_hidden: int = 32,
    seed: int = 0,
    processor: str = "Glm4vProcessor",
) -> Path:
    """Save a `Glm4vForConditionalGeneration` folder and return it. processor: the class its settings name."""
    from transformers import Glm4vConfig, Glm4vForConditionalGeneration

    return _save(
        Path(folder), Glm4vConfig, Glm4vForConditionalGeneration, {}, vision_depth, vision_hidden, seed, processor
    )


def random_glm4v_moe(folder: Path | str, *, vision_depth: int = 4, vision_hidden: int = 32, seed: int = 0) -> Path:
    """Save a `Glm4vMoeForConditionalGeneration` folder and return it: dense first, then experts and a shared one."""
    from transformers import Glm4vMoeConfig, Glm4vMoeForConditionalGeneration

    experts = {
        "head_dim": 16,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 48,
        "n_shared_experts": 1,
        "first_k_dense_replace": 1,
    }
    classes = (Glm4vMoeConfig, Glm4vMoeForConditionalGeneration)
    return _save(Path(folder), *classes, experts, vision_depth, vision_hidden, seed, "Glm4vProcessor")


def _save(
    folder: Path,
    config_class: Any,
    model_class: Any,
    text: dict[str, Any],
    depth: int,
    hidden: int,
    seed: int,
    processor: str,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    ids = save_tokenizer(folder, CONTEXT, TEMPLATE, SPECIAL)
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    write_json(folder / "tokenizer_config.json", {**settings, "eos_token": "<|endoftext|>"})
    config = config_class(
        text_config={
            "vocab_size": len(ids) + 5,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": CONTEXT,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "partial_rotary_factor": 0.5,
                "mrope_section": [2, 1, 1],
            },
            **text,
        },
        vision_config={
            "depth": depth,
            "hidden_size": hidden,
            "num_heads": 2,
            "image_size": 48,
            "patch_size": 8,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 64,
            "intermediate_size": 96,
        },
        image_token_id=ids["<|image|>"],
        video_token_id=ids["<|video|>"],
        image_start_token_id=ids["<|begin_of_image|>"],
        image_end_token_id=ids["<|end_of_image|>"],
        video_start_token_id=ids["<|begin_of_video|>"],
        video_end_token_id=ids["<|end_of_video|>"],
        tie_word_embeddings=False,
    )
    model = model_class(config)
    randomise(model, seed)
    model.generation_config.eos_token_id = [ids["<|endoftext|>"], ids["<|user|>"], ids["<|observation|>"]]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.save_pretrained(folder)
    shared = {
        "size": {"shortest_edge": 4 * 16 * 16, "longest_edge": 768 * 16 * 16 * 16},
        "patch_size": 8,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "processor_class": processor,
    }
    kind = processor.removesuffix("Processor")
    write_json(folder / "preprocessor_config.json", {**shared, "image_processor_type": f"{kind}ImageProcessor"})
    write_json(folder / "video_preprocessor_config.json", {**shared, "video_processor_type": f"{kind}VideoProcessor"})
    return folder


BUILDERS = {"glm4v": random_glm4v, "glm4v-moe": random_glm4v_moe}
