"""Tiny random decoders of the families whose caches we bound, straight from the library, and how to call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

LAYERS, HEADS, KV_HEADS, WIDTH, HIDDEN = 3, 4, 2, 16, 64
_SHAPE: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": HIDDEN,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "max_position_embeddings": 4096,
}


def _mrope(section: list[int], **more: Any) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": section, **more}


def _qwen2_vl() -> nn.Module:
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLTextConfig, Qwen2VLTextModel

    return Qwen2VLTextModel(Qwen2VLTextConfig(**_SHAPE, rope_parameters=_mrope([4, 2, 2])))


def _qwen2_5_vl() -> nn.Module:
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel

    return Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**_SHAPE, rope_parameters=_mrope([4, 2, 2])))


def _qwen3_vl() -> nn.Module:
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextConfig, Qwen3VLTextModel

    rope = _mrope([4, 2, 2], mrope_interleaved=True)
    return Qwen3VLTextModel(Qwen3VLTextConfig(**_SHAPE, head_dim=WIDTH, rope_parameters=rope))


def _qwen2() -> nn.Module:
    from transformers import Qwen2Config, Qwen2Model

    return Qwen2Model(Qwen2Config(**_SHAPE))


def _qwen3() -> nn.Module:
    from transformers import Qwen3Config, Qwen3Model

    return Qwen3Model(Qwen3Config(**_SHAPE, head_dim=WIDTH))


def _llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaModel

    return LlamaModel(LlamaConfig(**_SHAPE))


MAKERS: dict[str, Callable[[], nn.Module]] = {
    "qwen2-vl": _qwen2_vl,
    "qwen2.5-vl": _qwen2_5_vl,
    "qwen3-vl": _qwen3_vl,
    "llava-onevision": _qwen2,
    "internvl": _qwen3,
    "smolvlm": _llama,
}
"""Video family -> the decoder it uses."""


def make(family: str, attention: str = "sdpa") -> Any:
    """A decoder with weights large enough that every row matters."""
    torch.manual_seed(sum(map(ord, family)))
    model: Any = MAKERS[family]()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1:
                value.copy_(torch.randn_like(value) / value.shape[-1] ** 0.5)
            elif "norm" in name:
                value.copy_(1 + 0.1 * torch.randn_like(value))
    model.set_attn_implementation(attention)
    return model.eval().requires_grad_(False)


def rows(count: int, seed: int = 0) -> Tensor:
    """Random input rows [1, count, HIDDEN]."""
    return torch.randn(1, count, HIDDEN, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def run(model: Any, embeds: Tensor, start: int, cache: Any, **more: Any) -> Tensor:
    """Hidden states [q, HIDDEN] of rows at explicit positions from `start`."""
    positions = torch.arange(start, start + embeds.shape[1])
    if "mrope_section" in (getattr(model.config, "rope_parameters", None) or {}):
        # Three different axes, as a video has: time stands still, height and width move.
        positions = torch.stack([positions, positions + 1, positions * 2 - start])[:, None]
    else:
        positions = positions[None]
    output = model(inputs_embeds=embeds, position_ids=positions, past_key_values=cache, use_cache=True, **more)
    states: Tensor = output.last_hidden_state[0]
    return states
