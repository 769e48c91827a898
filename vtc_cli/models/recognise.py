"""Which family a checkpoint belongs to, by its config.json; what belongs to none, and why it does not run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from vtc_cli.errors import MachineError
from vtc_cli.models.registry import FAMILIES, GENERIC, TINY, Family

WHOLE: Mapping[str, str] = {
    "molmo2": "the rows of each frame see those of every other frame, also of later ones, so a video cannot be taken "
    "in piece by piece, and what was taken in cannot be evicted",
}
"""Types of which nothing runs, and why: their classes would answer, but not to a stream as they do to a whole video."""


COUNTERPARTS: Mapping[str, str] = {
    "internvl_chat": "OpenGVLab/InternVL3-1B-hf",
    "llava_llama": "llava-hf/llava-1.5-7b-hf",
    "llava_mistral": "llava-hf/llava-v1.6-mistral-7b-hf",
    "llava_qwen": "llava-hf/llava-onevision-qwen2-7b-ov-hf",
    "videollama3_qwen2": "lkhl/VideoLLaMA3-2B-Image-HF",
}
"""Types of checkpoints made for code of their own -> one that is made for transformers."""


_SEES = (
    "vision_config",
    "vision_tower",
    "mm_vision_tower",
    "visual",
    "thinker_config",
    "vision_model",
    "image_token_id",
)
"""Keys of which the configuration of a model that takes pictures has at least one."""


def family_of(config: Mapping[str, Any], name: str) -> Family:
    """The family of a checkpoint, from its config.json. name: how messages call the checkpoint.

    Raises MachineError when no adapter knows the architecture, or when the weights are quantised.
    """
    found = config.get("model_type")
    parts = config.get("text_config")
    text = parts.get("model_type") if isinstance(parts, Mapping) else None
    hint = f"Try --model {FAMILIES[0].recommended[0]}, or --model {TINY}."
    if why := WHOLE.get(str(found)):
        raise MachineError(f"{name} is a {found!r} model, which does not run: {why}.", hint)
    for family in (*FAMILIES, GENERIC):
        ours = found in family.model_types and text in (family.text_types or (text,))
        if ours or (family is GENERIC and _has_class(found)):
            if quantised := config.get("quantization_config"):
                method = quantised.get("quant_method", "unknown") if isinstance(quantised, Mapping) else "unknown"
                raise MachineError(
                    f"{name} holds quantised weights ({method}), which the {family.name} adapter does not run.",
                    "Use the unquantised checkpoint; --quantize makes its weights small while it is loaded.",
                )
            return family
    if found and not any(key in config for key in _SEES):
        raise MachineError(
            f"{name} is a text model ({found}): config.json describes no vision tower, so it cannot look at a video.",
            hint,
        )
    if other := COUNTERPARTS.get(str(found)):
        raise MachineError(
            f"{name} is a {found!r} model, which runs code of its own (not run here); transformers has the same in "
            "another form.",
            f"Use a checkpoint of that form, such as {other}.",
        )
    what = f"is a {found!r} model, which" if found else "does not say its model_type in config.json, and"
    code = " Its own code (auto_map) is not run." if config.get("auto_map") else ""
    raise MachineError(
        f"{name} {what} none of the {len(FAMILIES)} families here runs.{code}", f"`vtc models` lists them. {hint}"
    )


def _has_class(model_type: object) -> bool:
    """Whether the model library has a class of that type that answers about pictures."""
    try:
        auto = importlib.import_module("transformers.models.auto.modeling_auto")
    except (ImportError, RuntimeError):
        return False
    return isinstance(model_type, str) and model_type in auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
