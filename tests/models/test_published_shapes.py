"""Figures of checkpoints known by name follow from their published configurations."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vtc_cli.models.catalog import PUBLISHED, RECOMMENDED, ModelFacts
from vtc_cli.models.device import Placement
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.registry import FAMILIES

# Hidden width, layers, heads, key heads, MLP width, vocabulary, shared embeddings.
SECOND: dict[str, tuple[int, int, int, int, int, int, bool]] = {
    "Qwen/Qwen2.5-VL-3B-Instruct": (2048, 36, 16, 2, 11_008, 151_936, True),
    "Qwen/Qwen2.5-VL-7B-Instruct": (3584, 28, 28, 4, 18_944, 152_064, False),
    "Qwen/Qwen2-VL-2B-Instruct": (1536, 28, 12, 2, 8960, 151_936, True),
    "Qwen/Qwen2-VL-7B-Instruct": (3584, 28, 28, 4, 18_944, 152_064, False),
}


def published(name: str) -> Any:
    """The configuration of a published checkpoint, as far as it shapes the model."""
    from transformers import Qwen2_5_VLConfig, Qwen2VLConfig, Qwen3VLMoeConfig

    if name not in SECOND:
        text = {
            "hidden_size": 2048,
            "num_hidden_layers": 48,
            "num_attention_heads": 32,
            "num_key_value_heads": 4,
            "head_dim": 128,
            "moe_intermediate_size": 768,
            "num_experts": 128,
            "num_experts_per_tok": 8,
            "vocab_size": 151_936,
            "max_position_embeddings": 262_144,
        }
        return Qwen3VLMoeConfig(text_config=text, vision_config={"out_hidden_size": 2048}, tie_word_embeddings=False)
    hidden, layers, heads, kv_heads, intermediate, vocab, tied = SECOND[name]
    clocked = "2.5" in name
    vision: dict[str, Any] = {"embed_dim": 1280, "hidden_size": hidden, "mlp_ratio": 4}
    if clocked:
        vision = {"hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": hidden, "tokens_per_second": 2}
    return (Qwen2_5_VLConfig if clocked else Qwen2VLConfig)(
        text_config={
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "intermediate_size": intermediate,
            "vocab_size": vocab,
            "max_position_embeddings": 128_000 if clocked else 32_768,
        },
        vision_config={"depth": 32, "num_heads": 16, **vision},
        tie_word_embeddings=tied,
    )


@pytest.mark.parametrize("facts", [*RECOMMENDED, *PUBLISHED], ids=lambda facts: facts.id.split("/")[1])
def test_tokens_of_a_frame_are_those_of_the_published_preprocessor(facts: ModelFacts) -> None:
    patch = 14 if facts.family.startswith("qwen2") else 16
    assert facts.tokens_per_frame == Preprocessor(patch=patch).geometry((1280, 720)).tokens / 2


@pytest.mark.parametrize("facts", PUBLISHED, ids=lambda facts: facts.id.split("/")[1])
def test_parameters_and_cache_are_those_of_the_published_shapes(facts: ModelFacts) -> None:
    import transformers

    family = next(family for family in FAMILIES if family.name == facts.family)
    config = published(facts.id)
    assert (facts.id in family.recommended, config.model_type in family.model_types) == (True, True)
    with torch.device("meta"):
        shape = getattr(transformers, (adapter := family.load_adapter()).ARCHITECTURE)(config)
    shape.tie_weights()
    assert sum(value.numel() for value in shape.parameters()) == facts.parameters
    info = adapter.describe(
        config,
        Placement("cpu", "", "bfloat16", "", "sdpa", ""),
        name=facts.id,
        revision=None,
        parameters=facts.parameters,
        weight_bytes=0,
    )
    assert info.kv_bytes_per_token == facts.kv_bytes_per_token("bfloat16")
    assert info.context == facts.context


def test_auto_takes_no_other_than_the_recommended() -> None:
    assert {facts.id for facts in RECOMMENDED} & {facts.id for facts in PUBLISHED} == set()
    assert {facts.family for facts in RECOMMENDED} == {"qwen3-vl"}
