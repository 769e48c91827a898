"""Real checkpoint folders with random weights of classes that have no family here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.checkpoints import save_tokenizer, write_json
from tests.support.picture_checkpoints import (
    CHATML,
    CONTEXT,
    LLAVA_TEMPLATE,
    ONEVISION_TEMPLATE,
    _clip_and_llama,
    _clip_pictures,
    _folder,
    _qwen2,
    _save,
    _tower,
    save_llama_tokenizer,
)


def random_vipllava(folder: Path | str, *, vision_depth: int = 4, seed: int = 0) -> Path:
    """Save a `VipLlavaForConditionalGeneration` folder: features of several CLIP layers, 5 x 5 rows a picture."""
    from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

    folder = _folder(folder)
    ids = save_llama_tokenizer(folder, LLAVA_TEMPLATE)
    parts = _clip_and_llama(ids, vision_depth, 40)
    config = VipLlavaConfig(**parts, vision_feature_layers=[-1, -2, 1], image_seq_length=25)
    _save(folder, VipLlavaForConditionalGeneration(config), ids, "</s>", seed)
    write_json(
        folder / "preprocessor_config.json", {**_clip_pictures(40), "image_processor_type": "CLIPImageProcessor"}
    )
    return folder


def random_deepseek_vl(folder: Path | str, *, vision_depth: int = 4, seed: int = 0) -> Path:
    """Save a `DeepseekVLForConditionalGeneration` folder: a SigLIP tower, 5 x 5 rows a picture."""
    from transformers import DeepseekVLConfig, DeepseekVLForConditionalGeneration

    folder = _folder(folder)
    ids = save_tokenizer(folder, CONTEXT, ONEVISION_TEMPLATE, CHATML)
    config = DeepseekVLConfig(
        text_config=_qwen2(ids, "llama"),
        vision_config={**_tower(vision_depth, 40), "model_type": "siglip_vision_model", "vision_use_head": False},
        image_token_id=ids["<image>"],
        tie_word_embeddings=False,
    )
    _save(folder, DeepseekVLForConditionalGeneration(config), ids, "<|im_end|>", seed)
    half = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": {"height": 40, "width": 40}}
    write_json(
        folder / "preprocessor_config.json", {**half, "resample": 3, "image_processor_type": "DeepseekVLImageProcessor"}
    )
    return folder


OTHERS: dict[str, Callable[..., Path]] = {"vipllava": random_vipllava, "deepseek_vl": random_deepseek_vl}
"""model_type -> how to make a checkpoint of it."""
