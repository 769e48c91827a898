"""Real checkpoint folders with random weights for the families whose tower looks at pictures of one size.

All have four decoder layers of width 64 and a vision tower of width 32 (26 layers where nothing else is asked for would
be slow, so `vision_depth` says how many). Sides are small, and odd in patches where the published ones are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.checkpoints import randomise, save_tokenizer, write_json

CONTEXT = 32_768
CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>")

ONEVISION_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' }}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'video') %}{{ '<video>' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ '\n' + content['text'] }}"
    "{% endfor %}{{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


LLAVA_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'video') %}{{ '<video>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' ' }}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

INTERNVL_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\n' }}{% elif content['type'] == 'video' %}{{ '<video>\n' }}"
    "{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def random_llava_onevision(folder: Path | str, *, vision_depth: int = 4, seed: int = 0) -> Path:
    """Save a `LlavaOnevisionForConditionalGeneration` folder and return it: 5 x 5 patches, 3 x 3 tokens a frame."""
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

    folder = _folder(folder)
    ids = save_tokenizer(folder, CONTEXT, ONEVISION_TEMPLATE, CHATML)
    side = 40
    config = LlavaOnevisionConfig(
        text_config=_qwen2(ids),
        vision_config={**_tower(vision_depth, side), "model_type": "siglip_vision_model", "vision_use_head": False},
        image_token_index=ids["<image>"],
        video_token_index=ids["<video>"],
        vision_feature_layer=-1,
        image_grid_pinpoints=[[side, side], [side, 2 * side]],
    )
    _save(folder, LlavaOnevisionForConditionalGeneration(config), ids, "<|im_end|>", seed)
    half = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": {"height": side, "width": side}}
    write_json(
        folder / "video_preprocessor_config.json",
        {**half, "resample": 3, "video_processor_type": "LlavaOnevisionVideoProcessor"},
    )
    write_json(
        folder / "preprocessor_config.json",
        {**half, "resample": 3, "image_processor_type": "LlavaOnevisionImageProcessor"},
    )
    return folder


def random_internvl(
    folder: Path | str, *, vision_depth: int = 4, seed: int = 0, text: str = "qwen2", **options: Any
) -> Path:
    """Save an `InternVLForConditionalGeneration` folder and return it: 4 x 4 patches, 2 x 2 tokens a frame.

    text: the text model's type. options: of its configuration.
    """
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    folder, side = _folder(folder), 32
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    special = (*CHATML[:3], "<img>", "</img>", "<IMG_CONTEXT>", "<video>")
    ids = save_tokenizer(folder, CONTEXT, INTERNVL_TEMPLATE, special, named)
    vision = {**_tower(vision_depth, side), "image_size": [side, side], "patch_size": [8, 8]}
    config = InternVLConfig(
        text_config=_qwen2(ids, text, **options),
        vision_config=vision,
        image_token_id=ids["<IMG_CONTEXT>"],
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    _save(folder, InternVLForConditionalGeneration(config), ids, "<|im_end|>", seed)
    shared = {
        "size": {"height": side, "width": side},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 3,
    }
    write_json(folder / "video_preprocessor_config.json", {**shared, "video_processor_type": "InternVLVideoProcessor"})
    write_json(folder / "preprocessor_config.json", {**shared, "image_processor_type": "GotOcr2ImageProcessorFast"})
    return folder


def random_internvl_gpt_oss(folder: Path | str, *, vision_depth: int = 4, seed: int = 0, **options: Any) -> Path:
    """An InternVL folder whose text model is a GPT-OSS: layers 0 and 2 (of four) see 12 positions; YaRN."""
    gpt_oss = {"num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 48, "sliding_window": 12}
    rope = {"rope_type": "yarn", "rope_theta": 150_000.0, "factor": 32.0, "original_max_position_embeddings": 1024}
    more = {**gpt_oss, "rope_parameters": rope, **options}
    return random_internvl(folder, vision_depth=vision_depth, seed=seed, text="gpt_oss", **more)


def random_llava(folder: Path | str, *, vision_depth: int = 4, seed: int = 0) -> Path:
    """Save a `LlavaForConditionalGeneration` folder and return it: a CLIP tower, 5 x 5 tokens a frame."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    folder = _folder(folder)
    ids = save_llama_tokenizer(folder, LLAVA_TEMPLATE)
    config = LlavaConfig(**_clip_and_llama(ids, vision_depth, 40))
    _save(folder, LlavaForConditionalGeneration(config), ids, "</s>", seed)
    write_json(
        folder / "preprocessor_config.json", {**_clip_pictures(40), "image_processor_type": "CLIPImageProcessor"}
    )
    return folder


def random_llava_next(folder: Path | str, *, vision_depth: int = 4, seed: int = 0) -> Path:
    """Save a `LlavaNextForConditionalGeneration` folder and return it: a CLIP tower, 5 x 5 tokens and a newline."""
    from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration

    folder = _folder(folder)
    ids = save_llama_tokenizer(folder, LLAVA_TEMPLATE)
    pinpoints = [[40, 80], [80, 40], [80, 80]]
    config = LlavaNextConfig(**_clip_and_llama(ids, vision_depth, 40), image_grid_pinpoints=pinpoints)
    _save(folder, LlavaNextForConditionalGeneration(config), ids, "</s>", seed)
    settings = {**_clip_pictures(40), "image_grid_pinpoints": pinpoints, "do_pad": True}
    write_json(folder / "preprocessor_config.json", {**settings, "image_processor_type": "LlavaNextImageProcessor"})
    return folder


def random_llava_next_video(folder: Path | str, *, vision_depth: int = 4, seed: int = 0) -> Path:
    """Save a `LlavaNextVideoForConditionalGeneration` folder and return it: 4 x 4 patches, 2 x 2 tokens a frame."""
    from transformers import LlavaNextVideoConfig, LlavaNextVideoForConditionalGeneration

    folder = _folder(folder)
    ids = save_llama_tokenizer(folder, LLAVA_TEMPLATE)
    config = LlavaNextVideoConfig(
        **_clip_and_llama(ids, vision_depth, 32), video_token_index=ids["<video>"], image_grid_pinpoints=[[32, 64]]
    )
    _save(folder, LlavaNextVideoForConditionalGeneration(config), ids, "</s>", seed)
    write_json(
        folder / "video_preprocessor_config.json",
        {**_clip_pictures(32), "video_processor_type": "LlavaNextVideoVideoProcessor"},
    )
    settings = {**_clip_pictures(32), "image_grid_pinpoints": [[32, 64]]}
    write_json(folder / "preprocessor_config.json", {**settings, "image_processor_type": "LlavaNextImageProcessor"})
    return folder


def random_smolvlm(folder: Path | str, *, vision_depth: int = 4, seed: int = 0) -> Path:
    """Save a `SmolVLMForConditionalGeneration` folder and return it: 6 x 6 patches, 3 x 3 tokens a frame."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

    folder, side = _folder(folder), 48
    special = (*CHATML, "<end_of_utterance>", "<fake_token_around_image>", "<global-img>")
    ids = save_tokenizer(folder, CONTEXT, "{{ messages }}", special)
    config = SmolVLMConfig(
        text_config=_qwen2(ids, "llama"),
        vision_config=_tower(vision_depth, side),
        image_token_id=ids["<image>"],
        scale_factor=2,
        tie_word_embeddings=False,
    )
    _save(folder, SmolVLMForConditionalGeneration(config), ids, "<end_of_utterance>", seed)
    shared = {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 1,
        "max_image_size": {"longest_edge": side},
        "size": {"longest_edge": 2 * side},
    }
    sampling = {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 2 * side}}
    write_json(
        folder / "preprocessor_config.json",
        {**shared, "video_sampling": sampling, "image_processor_type": "SmolVLMImageProcessor"},
    )
    return folder


def save_llama_tokenizer(folder: Path, template: str) -> dict[str, int]:
    """Train and save a tokenizer as Llama's: a space before the first word, `<s>` before everything; token -> id."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    from tests.support.checkpoints import _CORPUS

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=560, show_progress=False, special_tokens=["<unk>", "<s>", "</s>", *bytes_], max_token_length=8
    )
    corpus = [*_CORPUS, "USER: ASSISTANT: Which colour does the moving square have?", "A B C D yes no"]
    tokenizer.train_from_iterator(corpus, trainer)
    # Only the first three and what follows are control tokens; bytes are ordinary pieces.
    tokenizer = _with_plain_bytes(tokenizer, bytes_)
    extra = ["<unk>", "<s>", "</s>", "<|endoftext|>", "<image>", "<video>"]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in extra])
    ids = tokenizer.get_vocab()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", ids["<s>"])])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<|endoftext|>"
    )
    fast.chat_template = template
    fast.save_pretrained(folder)
    return dict(ids)


def _with_plain_bytes(tokenizer: Any, pieces: list[str]) -> Any:
    import json

    from tokenizers import Tokenizer

    described = json.loads(tokenizer.to_str())
    described["added_tokens"] = [token for token in described["added_tokens"] if token["content"] not in pieces]
    return Tokenizer.from_str(json.dumps(described))


def _clip_and_llama(ids: dict[str, int], depth: int, side: int) -> dict[str, Any]:
    return {
        "text_config": _qwen2(ids, "llama"),
        "vision_config": {**_tower(depth, side), "model_type": "clip_vision_model"},
        "image_token_index": ids["<image>"],
    }


def _clip_pictures(side: int) -> dict[str, Any]:
    return {
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
        "do_center_crop": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
    }


def _folder(folder: Path | str) -> Path:
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _qwen2(ids: dict[str, int], kind: str = "qwen2", **more: Any) -> dict[str, Any]:
    return {
        "model_type": kind,
        "vocab_size": len(ids) + 5,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": False,
        **more,
    }


def _tower(depth: int, side: int) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": depth,
        "num_attention_heads": 2,
        "image_size": side,
        "patch_size": 8,
    }


def _save(folder: Path, model: Any, ids: dict[str, int], end: str, seed: int) -> None:
    randomise(model, seed)
    model.generation_config.eos_token_id = ids[end]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.save_pretrained(folder)


BUILDERS: dict[str, Callable[..., Path]] = {
    "llava-onevision": random_llava_onevision,
    "internvl": random_internvl,
    "llava": random_llava,
    "llava-next": random_llava_next,
    "llava-next-video": random_llava_next_video,
    "smolvlm": random_smolvlm,
}
"""Family -> how to make a checkpoint of it; all take `vision_depth` and `seed`."""
