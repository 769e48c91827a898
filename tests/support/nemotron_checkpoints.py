"""Real Nemotron Omni checkpoint folders with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.support.checkpoints import CONTEXT, randomise, rename_ends, save_tokenizer, write_json

TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<video>
{% elif part.type == 'image' -%}<image>
{% else -%}{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking %}<think></think>{% else %}<think>
{% endif %}{% endif -%}
"""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<img>", "</img>", "<so_embedding>")


def random_nemotron_h_omni(
    folder: Path | str, *, vision_depth: int = 4, vision_hidden: int = 32, seed: int = 0, **text: Any
) -> Path:
    """Save a `NemotronH_Omni_Reasoning_V3` folder and return it: patches of 8 pixels, tokens of 16.

    Blocks of the decoder: Mamba-2, experts, attention, MLP, Mamba-2, attention. text: options of its configuration.
    """
    from transformers import NemotronH_Omni_Reasoning_V3, NemotronH_Omni_Reasoning_V3_Config

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ids = save_tokenizer(folder, CONTEXT, TEMPLATE, SPECIAL)
    rename_ends(folder, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    config = NemotronH_Omni_Reasoning_V3_Config(
        text_config={
            "model_type": "nemotron_h",
            "vocab_size": len(ids) + 5,
            "hidden_size": 64,
            "hybrid_override_pattern": "ME*-M*",
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "intermediate_size": 96,
            "ssm_state_size": 8,
            "mamba_num_heads": 4,
            "mamba_head_dim": 16,
            "n_groups": 2,
            "chunk_size": 8,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 48,
            "moe_shared_expert_intermediate_size": 40,
            "max_position_embeddings": CONTEXT,
            **text,
        },
        vision_config={
            "model_type": "radio",
            "hidden_size": vision_hidden,
            "num_hidden_layers": vision_depth,
            "num_attention_heads": 2,
            "mlp_ratio": 2.0,
            "patch_size": 8,
            "max_img_size": 128,
            "num_cls_tokens": 2,
            "num_registers": 3,
            "video_temporal_patch_size": 2,
        },
        vision_hidden_size=vision_hidden,
        projector_hidden_size=48,
        image_token_id=ids["<image>"],
        tie_word_embeddings=False,
    )
    model = NemotronH_Omni_Reasoning_V3(config)
    randomise(model, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lambda1" in name:  # what a layer of the tower adds
                value.fill_(1.0)
            elif "position_embedding" in name:
                value.copy_(0.5 * torch.randn(value.shape, generator=generator))
            elif name.endswith("mixer.D"):
                value.fill_(1.0)
            elif name.endswith("embeddings.weight"):
                value.copy_(0.25 * torch.randn(value.shape, generator=generator))
    model.generation_config.eos_token_id = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.save_pretrained(folder)
    shared = {"patch_size": 8, "downsample_ratio": 0.5, "norm_mean": [0.4, 0.5, 0.6], "norm_std": [0.2, 0.3, 0.25]}
    write_json(
        folder / "preprocessor_config.json",
        {**shared, "image_processor_type": "NemotronH_Omni_Reasoning_V3ImageProcessor"},
    )
    write_json(
        folder / "video_preprocessor_config.json",
        {
            **shared,
            "video_target_num_patches": 24,
            "video_maintain_aspect_ratio": True,
            "video_processor_type": "NemotronH_Omni_Reasoning_V3VideoProcessor",
        },
    )
    return folder
