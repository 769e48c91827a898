"""Facts about models for listings and for choosing one: parameters, bytes, KV bytes per token. No model library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtc_cli.errors import MachineError
from vtc_cli.models.recognise import family_of
from vtc_cli.models.registry import FAMILIES, TINY
from vtc_cli.models.weights import DTYPE_BYTES, stored_weights

TINY_FOLDER = Path(__file__).parent / "tiny" / "checkpoint"


@dataclass(frozen=True)
class ModelFacts:
    """What one checkpoint costs before it is loaded.

    id: what `--model` takes. parameters: count, shared weights once.
    kv_values: values cached per token, 2 x layers x KV heads x head width.
    tokens_per_frame: of a frame of 1280 x 720 at the default pixels, words around it not counted; None if unknown.
    """

    id: str
    family: str
    parameters: int
    kv_values: int
    context: int
    notes: str = ""
    tokens_per_frame: float | None = None

    def weight_bytes(self, dtype: str) -> int:
        """Bytes of all weights held as `dtype`."""
        return self.parameters * DTYPE_BYTES[dtype]

    def kv_bytes_per_token(self, dtype: str) -> int:
        """Bytes one token takes in the KV cache, all layers."""
        return self.kv_values * DTYPE_BYTES[dtype]

    def as_json(self) -> dict[str, Any]:
        """The listing's record."""
        return {
            "id": self.id,
            "family": self.family,
            "parameters": self.parameters,
            "weight_bytes": {dtype: self.weight_bytes(dtype) for dtype in DTYPE_BYTES},
            "kv_bytes_per_token": {dtype: self.kv_bytes_per_token(dtype) for dtype in DTYPE_BYTES},
            "context": self.context,
            "tokens_per_frame": self.tokens_per_frame,
            "notes": self.notes,
        }


# Parameters follow from the published configurations; a test rebuilds them from the architecture.
RECOMMENDED: tuple[ModelFacts, ...] = (
    ModelFacts("Qwen/Qwen3-VL-2B-Instruct", "qwen3-vl", 2_127_532_032, 2 * 28 * 8 * 128, 262_144, tokens_per_frame=60),
    ModelFacts("Qwen/Qwen3-VL-4B-Instruct", "qwen3-vl", 4_437_815_808, 2 * 36 * 8 * 128, 262_144, tokens_per_frame=60),
    ModelFacts("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl", 8_767_123_696, 2 * 36 * 8 * 128, 262_144, tokens_per_frame=60),
)


PUBLISHED: tuple[ModelFacts, ...] = (
    ModelFacts(
        "Qwen/Qwen3-VL-30B-A3B-Instruct", "qwen3-vl-moe", 31_070_754_032, 2 * 48 * 4 * 128, 262_144, tokens_per_frame=60
    ),
    ModelFacts(
        "Qwen/Qwen2.5-VL-3B-Instruct", "qwen2.5-vl", 3_754_622_976, 2 * 36 * 2 * 128, 128_000, tokens_per_frame=60
    ),
    ModelFacts(
        "Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl", 8_292_166_656, 2 * 28 * 4 * 128, 128_000, tokens_per_frame=60
    ),
    ModelFacts("Qwen/Qwen2-VL-2B-Instruct", "qwen2-vl", 2_208_985_600, 2 * 28 * 2 * 128, 32_768, tokens_per_frame=60),
    ModelFacts("Qwen/Qwen2-VL-7B-Instruct", "qwen2-vl", 8_291_375_616, 2 * 28 * 4 * 128, 32_768, tokens_per_frame=60),
)
"""Others whose shapes are known without having their files; `auto` never takes one."""


def catalog() -> list[ModelFacts]:
    """The bundled model, where it is there, and the checkpoints whose shapes are known."""
    facts = [*RECOMMENDED, *PUBLISHED]
    if (TINY_FOLDER / "config.json").is_file():
        facts.insert(0, facts_of(TINY_FOLDER, TINY, notes="Bundled; trained on the procedural world."))
    return facts


def facts_of(folder: Path, name: str | None = None, notes: str = "") -> ModelFacts:
    """Facts of a checkpoint folder, from config.json and the safetensors headers. notes: instead of the family's.

    Raises MachineError when either cannot be read, or no adapter knows the family.
    """
    config = read_config(folder)
    family = family_of(config, name or str(folder))
    text: Mapping[str, Any] = config.get("text_config") or config
    if not text.keys() >= _NEEDED:  # what its class has by default, a configuration may leave out
        from vtc_cli.models.checkpoint import configuration

        text = configuration(folder, name or str(folder)).get_text_config().to_dict()
    if "sliding_attention" in (text.get("layer_types") or ()) or "layers_block_type" in text:  # not all alike
        from vtc_cli.models.checkpoint import configuration

        dims = family.load_adapter().decoder_dims(configuration(folder, name or str(folder)))
    else:
        dims = None
    heads = text["num_attention_heads"]
    kv_heads = text.get("num_key_value_heads") or heads
    head_dim = text.get("head_dim") or text["hidden_size"] // heads
    return ModelFacts(
        id=name or str(folder),
        family=family.name,
        parameters=stored_weights(folder).parameters,
        kv_values=2
        * (dims.cached * dims.kv_heads * dims.head_dim if dims else _cached_layers(text) * kv_heads * head_dim),
        context=text.get("max_position_embeddings", 0),
        notes=notes or family.notes,
    )


_NEEDED = {"num_attention_heads", "num_hidden_layers", "hidden_size", "max_position_embeddings"}


def _cached_layers(text: Mapping[str, Any]) -> int:
    """Decoder layers that keep keys and values."""
    layers: int = text["num_hidden_layers"]
    if kinds := text.get("layer_types"):
        return sum(kind != "linear_attention" for kind in kinds)
    return layers // text["full_attention_interval"] if text.get("full_attention_interval") else layers


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json. Raises MachineError when it is missing or not JSON."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MachineError(f"{folder} holds no config.json, so it is not a checkpoint.", "Check the folder.") from error
    except (OSError, ValueError) as error:
        raise MachineError(f"{path} cannot be read: {error}.", "Download the checkpoint again.") from error
    if not isinstance(config, dict):
        raise MachineError(f"{path} is not a JSON object.", "Download the checkpoint again.")
    return config


__all__ = ["FAMILIES", "PUBLISHED", "RECOMMENDED", "TINY_FOLDER", "ModelFacts", "catalog", "facts_of", "read_config"]
