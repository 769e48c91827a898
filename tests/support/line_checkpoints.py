"""Real checkpoint folders with random weights for families with one position per row and a tower of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.checkpoints import CONTEXT, randomise, rename_ends, save_tokenizer, write_json
from tests.support.gemma_checkpoints import random_gemma4
from tests.support.qwen_checkpoints import THINKING, hybrid_text

VIDEO_LLAMA_TEMPLATE = """\
{%- if messages[0].role != 'system' -%}<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<|video_pad|>
{% elif part.type == 'image' -%}<|image_pad|>
{% else -%}{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}
"""


def random_video_llama_3(folder: Path | str, *, vision_depth: int = 4, seed: int = 0) -> Path:
    """Save a `VideoLlama3ForConditionalGeneration` folder and return it: patches of 8 pixels, tokens of 16."""
    from transformers import VideoLlama3Config, VideoLlama3ForConditionalGeneration

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ids = save_tokenizer(folder, CONTEXT, VIDEO_LLAMA_TEMPLATE, CHATML)
    config = VideoLlama3Config(
        text_config={**plain_text(ids), "model_type": "qwen2"},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": vision_depth,
            "num_attention_heads": 2,
            "patch_size": 8,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        tie_word_embeddings=False,
    )
    save_model(folder, VideoLlama3ForConditionalGeneration(config), ids, seed)
    shared = {"patch_size": 8, "temporal_patch_size": 1, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    write_json(
        folder / "preprocessor_config.json",
        {**shared, "merge_size": 1, "image_processor_type": "VideoLlama3ImageProcessor"},
    )
    write_json(
        folder / "video_preprocessor_config.json",
        {
            **shared,
            "merge_size": 2,
            "size": {"shortest_edge": 256, "longest_edge": 4 * 256},
            "use_token_compression": False,
            "video_processor_type": "VideoLlama3VideoProcessor",
        },
    )
    return folder


PERCEPTION_TEMPLATE = """\
{%- for message in messages -%}
<|start_header_id|>{{ message.role }}<|end_header_id|>

{% if message.content is string %}{{ message.content }}{% else %}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<|video|>
{%- elif part.type == 'image' -%}<|image|>
{%- else -%}{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}<|eot_id|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|start_header_id|>assistant<|end_header_id|>

{% endif -%}
"""


def random_perception_lm(folder: Path | str, *, vision_depth: int = 4, seed: int = 0) -> Path:
    """Save a `PerceptionLMForConditionalGeneration` folder and return it: 4 x 4 patches, 2 x 2 tokens a frame.

    Needs the timm library.
    """
    from transformers import PerceptionLMConfig, PerceptionLMForConditionalGeneration

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    named = {"image_token": "<|image|>", "video_token": "<|video|>"}
    special = ("<|endoftext|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", *named.values())
    ids = save_tokenizer(folder, CONTEXT, PERCEPTION_TEMPLATE, special, named)
    rename_ends(folder, eos_token="<|eot_id|>")
    config = PerceptionLMConfig(
        text_config={**plain_text(ids), "model_type": "llama"},
        vision_config={
            "model_type": "timm_wrapper",
            "architecture": "vit_pe_core_large_patch14_336",
            "num_classes": 0,
            "do_pooling": False,
            "label_names": [],
            "model_args": {
                "embed_dim": 32,
                "depth": vision_depth,
                "num_heads": 2,
                "patch_size": 8,
                "img_size": [32, 32],
                "ref_feat_shape": [4, 4],
                "global_pool": "",
                "init_values": 0.1,
                "use_post_transformer_norm": False,
            },
        },
        projector_pooling_ratio=2,
        image_token_id=ids["<|image|>"],
        video_token_id=ids["<|video|>"],
        tie_word_embeddings=False,
    )
    save_model(folder, PerceptionLMForConditionalGeneration(config), ids, seed, "<|eot_id|>")
    shared = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3}
    write_json(folder / "preprocessor_config.json", {**shared, "image_processor_type": "PerceptionLMImageProcessor"})
    write_json(
        folder / "video_preprocessor_config.json", {**shared, "video_processor_type": "PerceptionLMVideoProcessor"}
    )
    return folder


MINICPM_NAMED = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "image_start_token": "<image>",
    "image_end_token": "</image>",
    "slice_start_token": "<slice>",
    "slice_end_token": "</slice>",
    "image_id_start_token": "<image_id>",
    "image_id_end_token": "</image_id>",
}


def random_minicpmv4_6(folder: Path | str, *, vision_depth: int = 4, seed: int = 0) -> Path:
    """Save a `MiniCPMV4_6ForConditionalGeneration` folder and return it: 2 x 3 tokens a frame of 48 x 32.

    Patches of 4 pixels, merged after the second layer of the tower and after the last; a hybrid text model.
    """
    from transformers import MiniCPMV4_6Config, MiniCPMV4_6ForConditionalGeneration

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    template = VIDEO_LLAMA_TEMPLATE + THINKING
    special = (*CHATML[:3], *MINICPM_NAMED.values())
    ids = save_tokenizer(folder, CONTEXT, template, special, MINICPM_NAMED)
    config = MiniCPMV4_6Config(
        text_config={**plain_text(ids), **hybrid_text(), "model_type": "qwen3_5_text"},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": vision_depth,
            "num_attention_heads": 2,
            "image_size": 40,
            "patch_size": 4,
        },
        insert_layer_id=1,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        tie_word_embeddings=False,
    )
    save_model(folder, MiniCPMV4_6ForConditionalGeneration(config), ids, seed)
    shared = {"patch_size": 4, "scale_resolution": 40, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    write_json(
        folder / "preprocessor_config.json",
        {**shared, "use_image_id": True, "image_processor_type": "MiniCPMV4_6ImageProcessor"},
    )
    write_json(
        folder / "video_preprocessor_config.json", {**shared, "video_processor_type": "MiniCPMV4_6VideoProcessor"}
    )
    return folder


CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|video_pad|>")


def plain_text(ids: dict[str, int]) -> dict[str, Any]:
    """A text model's configuration."""
    return {
        "vocab_size": len(ids) + 5,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
    }


def save_model(folder: Path, model: Any, ids: dict[str, int], seed: int, end: str = "<|im_end|>") -> None:
    """Random weights, saved with where answers end."""
    randomise(model, seed)
    model.generation_config.eos_token_id = [ids[end], ids["<|endoftext|>"]]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.save_pretrained(folder)


BUILDERS: dict[str, Callable[..., Path]] = {
    "gemma4": random_gemma4,
    "video-llama-3": random_video_llama_3,
    "minicpm-v-4.6": random_minicpmv4_6,
    "perception-lm": random_perception_lm,
}
"""Family -> how to make a checkpoint of it; all take `vision_depth` and `seed`."""
