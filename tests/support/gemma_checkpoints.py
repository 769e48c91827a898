"""Real Gemma 4 checkpoint folders with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.checkpoints import CONTEXT, randomise, rename_ends, save_tokenizer, write_json

GEMMA_TEMPLATE = """\
<bos>
{%- for message in messages -%}
<|turn>{{ 'model' if message.role == 'assistant' else message.role }}
{% if message.content is string %}{{ message.content }}{% else %}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<|video|>
{%- elif part.type == 'image' -%}<|image|>
{%- else -%}{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}<turn|>
{% endfor -%}
{%- if add_generation_prompt -%}<|turn>model
{% endif -%}
"""
GEMMA_NAMED = {
    "image_token": "<|image|>",
    "boi_token": "<|image>",
    "eoi_token": "<image|>",
    "audio_token": "<|audio|>",
    "boa_token": "<|audio>",
    "eoa_token": "<audio|>",
}


def random_gemma4(
    folder: Path | str, *, vision_depth: int = 4, seed: int = 0, both_ways: bool = False, **text: Any
) -> Path:
    """Save a `Gemma4ForConditionalGeneration` folder and return it: 2 x 3 tokens a frame of 72 x 48.

    Layers 0, 2 and 4 (of six) see 24 positions; the last two read what 2 and 3 keep. both_ways: rows of a frame see
    each other. text: options of the text model's configuration.
    """
    from transformers import Gemma4Config, Gemma4ForConditionalGeneration

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    special = ("<pad>", "<eos>", "<bos>", "<|turn>", "<turn|>", "<|video|>", *GEMMA_NAMED.values())
    ids = save_tokenizer(folder, CONTEXT, GEMMA_TEMPLATE, special, GEMMA_NAMED)
    rename_ends(folder, eos_token="<eos>", pad_token="<pad>", bos_token="<bos>")
    config = Gemma4Config(
        text_config={
            "vocab_size": len(ids) + 5,
            "vocab_size_per_layer_input": len(ids) + 5,
            "hidden_size": 64,
            "intermediate_size": 128,
            "hidden_size_per_layer_input": 8,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "global_head_dim": 32,
            "layer_types": ["sliding_attention", "full_attention"] * 3,
            "num_kv_shared_layers": 2,
            "use_double_wide_mlp": True,
            "sliding_window": 24,
            "max_position_embeddings": CONTEXT,
            "final_logit_softcapping": 30.0,
            "use_bidirectional_attention": "vision" if both_ways else None,
            "pad_token_id": ids["<pad>"],
            "bos_token_id": ids["<bos>"],
            "eos_token_id": ids["<eos>"],
            **text,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": vision_depth,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "patch_size": 4,
            "pooling_kernel_size": 3,
            "position_embedding_size": 64,
        },
        audio_config=None,
        boi_token_id=ids["<|image>"],
        eoi_token_id=ids["<image|>"],
        image_token_id=ids["<|image|>"],
        video_token_id=ids["<|video|>"],
        audio_token_id=ids["<|audio|>"],
        boa_token_id=ids["<|audio>"],
        eoa_token_index=ids["<audio|>"],
        tie_word_embeddings=True,
    )
    model = Gemma4ForConditionalGeneration(config)
    randomise(model, seed)
    model.generation_config.eos_token_id = [ids["<eos>"], ids["<turn|>"]]
    model.generation_config.pad_token_id = ids["<pad>"]
    model.save_pretrained(folder)
    shared = {"patch_size": 4, "pooling_kernel_size": 3, "do_normalize": False, "resample": 3}
    write_json(
        folder / "processor_config.json",
        {
            "processor_class": "Gemma4Processor",
            "image_processor": {**shared, "max_soft_tokens": 280, "image_processor_type": "Gemma4ImageProcessor"},
            "video_processor": {**shared, "max_soft_tokens": 6, "video_processor_type": "Gemma4VideoProcessor"},
        },
    )
    return folder
