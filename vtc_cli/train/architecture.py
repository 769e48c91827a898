"""The bundled model's shape: a small Qwen3-VL with every part a large one has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import Qwen3VLForConditionalGeneration

PATCH = 8
MERGE = 2
CELL = PATCH * MERGE  # pixels on a side of what one language-model token sees
SIDE = 128  # pixels; a square frame gives (128 / 16) ** 2 = 64 tokens
PIXELS = SIDE * SIDE


def build(
    vocabulary: dict[str, int],
    depth: int = 8,
    hidden: int = 192,
    layers: int = 8,
    text_hidden: int = 256,
    seed: int = 0,
) -> Qwen3VLForConditionalGeneration:
    """A randomly initialised model, fp32. vocabulary: special token -> id, with `size` for the whole.

    DeepStack taps the tower at about one third and two thirds. SiLU instead of GELU in the tower: on a CPU
    GELU costs as much as the matrix product before it.
    """
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    vision: dict[str, Any] = {
        "depth": depth,
        "hidden_size": hidden,
        "hidden_act": "silu",
        "intermediate_size": hidden * 8 // 3,
        "num_heads": max(1, hidden // 64),
        "in_channels": 3,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "out_hidden_size": text_hidden,
        "num_position_embeddings": (SIDE // PATCH) ** 2,
        "deepstack_visual_indexes": [depth // 3, depth * 2 // 3],
    }
    text: dict[str, Any] = {
        "vocab_size": vocabulary["size"],
        "hidden_size": text_hidden,
        "intermediate_size": text_hidden * 2,
        "num_hidden_layers": layers,
        "num_attention_heads": text_hidden // 64,
        "num_key_value_heads": max(1, text_hidden // 128),
        "head_dim": 64,
        "max_position_embeddings": 262144,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 100000.0,
            "mrope_section": [12, 10, 10],
            "mrope_interleaved": True,
        },
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": vocabulary["<|im_end|>"],
        "pad_token_id": vocabulary["<|endoftext|>"],
    }
    config = Qwen3VLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=vocabulary["<|image_pad|>"],
        video_token_id=vocabulary["<|video_pad|>"],
        vision_start_token_id=vocabulary["<|vision_start|>"],
        vision_end_token_id=vocabulary["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    return Qwen3VLForConditionalGeneration(config)
