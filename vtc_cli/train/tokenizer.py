"""The bundled model's tokenizer: byte-level BPE learnt from the world's own questions, with Qwen's special tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def corpus(films: int = 2500) -> Iterator[str]:
    """Questions, answers and time tags of the training world, in the prompt's own layout."""
    from vtc_cli.train.world import ask_some, make_film

    for seed in range(films):
        rng = np.random.default_rng(seed)
        film = make_film(seed, duration=6.0, scenes=1 + 2 * (seed % 2))
        for question in ask_some(film, rng, 14):
            yield f"user\n<{rng.uniform(0, 4000):.1f} seconds>{question.text}\nassistant\n{question.answer}"
            options = rng.permutation(question.options)[:4].tolist() if question.options else []
            yield "".join(f"\n{letter}. {option}" for letter, option in zip("ABCD", options, strict=False))
    yield from ("What happens?", "Describe the video.", "Answer with the letter of the correct option only.") * 20


def make_tokenizer(folder: Path, vocabulary: int = 1024) -> None:
    """Train the tokenizer and write tokenizer.json, tokenizer_config.json and chat_template.jinja into `folder`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    # Digits one by one, as Qwen does: times and counts stay readable whatever their length.
    split = pre_tokenizers.Split(Regex(r"\d| ?\p{L}+|[^\s\p{L}\d]+|\s+"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "additional_special_tokens": list(SPECIAL[1:]),
        "model_max_length": 262144,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


def special_ids(folder: Path) -> dict[str, int]:
    """Special token -> id, and `size` -> how many ids there are."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return {token: vocabulary[token] for token in SPECIAL} | {"size": len(vocabulary)}
