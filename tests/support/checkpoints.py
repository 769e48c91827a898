"""Real checkpoint folders with random weights, small enough to build and load in a test.

They hold everything a downloaded Qwen3-VL folder holds (config, safetensors, both preprocessor configs, byte-level
BPE tokenizer, chat template, generation config), so the loader, the adapter and the library's own classes read them
like any other. Weights are scaled so that logits have a spread of about 2 and every branch (DeepStack, biases, norms,
rotary axes) moves them: a test against these numbers can fail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

CONTEXT = 32_768  # tokens that most of these models say they can hold

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

# Letters, digits one by one, punctuation, newlines and spaces: how this family cuts text before BPE.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_CORPUS = (
    "system user assistant You are a helpful assistant. <0.5 seconds><12.5 seconds><3600.0 seconds>",
    "What colour is the circle? The red circle moves left, the blue square moves right, the green triangle stops.",
    "How many squares are there? Which digit appears first? Does a yellow star appear after the digit seven?",
    "Answer with the letter of the correct option only. A. red B. blue C. green D. yellow",
    "Describe this video. At 12.5 seconds the goalkeeper saves it.",
)

CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}
{%- for part in message.content -%}
{%- if part.type == 'image' or 'image' in part -%}<|vision_start|><|image_pad|><|vision_end|>
{%- elif part.type == 'video' or 'video' in part -%}<|vision_start|><|video_pad|><|vision_end|>
{%- elif 'text' in part -%}{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}
"""


def random_qwen3_vl(
    folder: Path | str,
    *,
    vision_depth: int = 4,
    vision_hidden: int = 32,
    vision_heads: int = 2,
    layers: int = 4,
    hidden: int = 64,
    heads: int = 4,
    kv_heads: int = 2,
    head_dim: int = 16,
    intermediate: int = 128,
    deepstack: Sequence[int] = (1, 2),
    merge: int = 2,
    patch: int = 8,
    temporal: int = 2,
    position_side: int = 6,
    pixels: tuple[int, int] = (4 * 16 * 16, 768 * 16 * 16 * 16),
    tie: bool = True,
    context: int = 262_144,
    dtype: torch.dtype = torch.float32,
    shard: str = "5GB",
    seed: int = 0,
) -> Path:
    """Save a `Qwen3VLForConditionalGeneration` folder and return it.

    deepstack: 0-based vision blocks whose output feeds the first decoder layers. position_side: side of the learned
    position grid, deliberately not the frames' grid so that it is interpolated. pixels: (shortest_edge, longest_edge)
    of the video preprocessor config, pixels x frames. shard: largest safetensors file.
    """
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ids = save_tokenizer(folder, context)
    third = head_dim // 2 * 20 // 64
    config = Qwen3VLConfig(
        text_config={
            "model_type": "qwen3_vl_text",
            "vocab_size": len(ids) + 5,  # padded, as real vocabularies are
            "hidden_size": hidden,
            "intermediate_size": intermediate,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "head_dim": head_dim,
            "max_position_embeddings": context,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5_000_000.0,
                "mrope_section": [head_dim // 2 - 2 * third, third, third],
                "mrope_interleaved": True,
            },
            "tie_word_embeddings": tie,
        },
        vision_config={
            "model_type": "qwen3_vl_vision",
            "depth": vision_depth,
            "hidden_size": vision_hidden,
            "intermediate_size": 2 * vision_hidden,
            "num_heads": vision_heads,
            "patch_size": patch,
            "spatial_merge_size": merge,
            "temporal_patch_size": temporal,
            "out_hidden_size": hidden,
            "num_position_embeddings": position_side**2,
            "deepstack_visual_indexes": list(deepstack),
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=tie,
    )
    model = Qwen3VLForConditionalGeneration(config)
    randomise(model, seed)
    model.generation_config.eos_token_id = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    save_preprocessors(folder, patch=patch, temporal=temporal, merge=merge, pixels=pixels)
    return folder


def random_pixels(frames: int, height: int, width: int, *, seed: int = 0) -> torch.Tensor:
    """uint8 [frames, 3, height, width]: smooth random pictures, so that resizing has something to interpolate."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(frames, 3, max(2, height // 6), max(2, width // 6), generator=generator)
    fine = torch.rand(frames, 3, height, width, generator=generator)
    smooth = nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return ((0.8 * smooth + 0.2 * fine) * 255).round().to(torch.uint8)


def randomise(model: nn.Module, seed: int) -> None:
    """Weights under which every branch counts, from weights as the library initialises them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                value.copy_(value.mean() + 0.1 * noise)  # some generations store what is added to one
            elif ".experts." in name:
                value.copy_(noise / value.shape[-1] ** 0.5)
            elif value.ndim == 1:
                value.copy_(0.1 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                value.copy_(0.25 * noise)
            elif "pos_embed" in name:
                value.copy_(0.5 * noise)
            else:
                value.copy_(noise / value[0].numel() ** 0.5)


def save_tokenizer(
    folder: Path,
    context: int,
    template: str = CHAT_TEMPLATE,
    special: Sequence[str] = SPECIAL_TOKENS,
    named: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Train and save a byte-level BPE tokenizer with the family's control tokens; token -> id.

    named: what the tokenizer calls some of them (`image_token` -> `<image>`), for processors that ask.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False, special_tokens=[]
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), encoding="utf-8")
    merges = "".join(f"{' '.join(pair)}\n" for pair in model["merges"])
    (folder / "merges.txt").write_text(merges, encoding="utf-8")
    ids = tokenizer.get_vocab()
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "add_prefix_space": False,
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "unk_token": None,
            "errors": "replace",
            "clean_up_tokenization_spaces": False,
            "split_special_tokens": False,
            "model_max_length": context,
            "additional_special_tokens": [token for token in special if token != "<|endoftext|>"],
            "added_tokens_decoder": {
                str(ids[token]): {
                    "content": token,
                    "lstrip": False,
                    "normalized": False,
                    "rstrip": False,
                    "single_word": False,
                    "special": True,
                }
                for token in special
            },
            **({"extra_special_tokens": dict(named)} if named else {}),
        },
    )
    write_json(folder / "chat_template.json", {"chat_template": template})
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return dict(ids)


def save_preprocessors(folder: Path, *, patch: int, temporal: int, merge: int, pixels: tuple[int, int]) -> None:
    """The two preprocessor configs of a Qwen3-VL folder. pixels: (shortest_edge, longest_edge) of the video's."""
    shared = {
        "patch_size": patch,
        "temporal_patch_size": temporal,
        "merge_size": merge,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor",
    }
    token = (patch * merge) ** 2
    write_json(
        folder / "preprocessor_config.json",
        {
            "size": {"longest_edge": 16_384 * token, "shortest_edge": 64 * token},
            **shared,
            "image_processor_type": "Qwen2VLImageProcessorFast",
        },
    )
    write_json(
        folder / "video_preprocessor_config.json",
        {
            "size": {"longest_edge": pixels[1], "shortest_edge": pixels[0]},
            **shared,
            "video_processor_type": "Qwen3VLVideoProcessor",
        },
    )


def write_json(path: Path, value: object) -> None:
    """`value` as an indented JSON file."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def rename_ends(folder: Path, **named: str) -> None:
    """Say in a saved tokenizer's settings what its first, last and padding tokens are."""
    path = folder / "tokenizer_config.json"
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **named})
