"""Which model families run, and where their adapters live. Reading this imports no model library."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TINY = "tiny"
AUTO = "auto"


STAGES = ("pruner", "layers", "cache")
"""Stages that need something of a family."""


@dataclass(frozen=True)
class Family:
    """One architecture the tool can drive.

    name: what reports call it. model_types: values of `model_type` in config.json.
    text_types: where the text model makes the family, the values of its `model_type`.
    adapter: `module:Class` of its `VideoLM`. recommended: hub ids, smallest first. notes: one sentence.
    cannot: stage -> why no method of that stage runs; all others do.
    """

    name: str
    model_types: tuple[str, ...]
    adapter: str
    recommended: tuple[str, ...]
    notes: str
    cannot: Mapping[str, str] = field(default_factory=dict)
    text_types: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages whose methods run."""
        return tuple(stage for stage in STAGES if stage not in self.cannot)

    def load_adapter(self) -> Any:
        """The adapter's class; imports the model library."""
        module, _, name = self.adapter.partition(":")
        return getattr(importlib.import_module(module), name)


_NO_LAYERS = {
    "layers": "most of its layers attend through a state of fixed size and keep no entries that could leave or be read"
}

_SERIES = "A video is a series of one-frame pictures: the family was trained on pictures, not on videos."

FAMILIES: tuple[Family, ...] = (
    Family(
        name="qwen3-vl",
        model_types=("qwen3_vl",),
        adapter="vtc_cli.models.qwen3_vl:Qwen3VL",
        recommended=("Qwen/Qwen3-VL-2B-Instruct", "Qwen/Qwen3-VL-4B-Instruct", "Qwen/Qwen3-VL-8B-Instruct"),
        notes="Interleaved M-RoPE, a time tag per pair of frames, DeepStack rows in the first decoder layers.",
    ),
    Family(
        name="qwen3-vl-moe",
        model_types=("qwen3_vl_moe",),
        adapter="vtc_cli.models.qwen3_vl_moe:Qwen3VLMoe",
        recommended=("Qwen/Qwen3-VL-30B-A3B-Instruct",),
        notes="Qwen3-VL with experts: memory of the whole, compute of the few that a row is sent to.",
    ),
    Family(
        name="qwen3.5",
        model_types=("qwen3_5",),
        adapter="vtc_cli.models.qwen3_5:Qwen35",
        recommended=("Qwen/Qwen3.5-0.8B", "Qwen/Qwen3.5-2B", "Qwen/Qwen3.5-4B", "Qwen/Qwen3.5-9B"),
        notes="Three layers in four keep a state of fixed size: a quarter of the cache. Evicting does not reach them.",
        cannot=_NO_LAYERS,
    ),
    Family(
        name="qwen3.5-moe",
        model_types=("qwen3_5_moe",),
        adapter="vtc_cli.models.qwen3_5_moe:Qwen35Moe",
        recommended=("Qwen/Qwen3.5-35B-A3B",),
        notes="Qwen3.5 with experts.",
        cannot=_NO_LAYERS,
    ),
    Family(
        name="qwen2.5-vl",
        model_types=("qwen2_5_vl",),
        adapter="vtc_cli.models.qwen2_5_vl:Qwen25VL",
        recommended=("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"),
        notes="M-RoPE that tells seconds, no text within the video; most vision layers look through windows.",
    ),
    Family(
        name="qwen2-vl",
        model_types=("qwen2_vl",),
        adapter="vtc_cli.models.qwen2_vl:Qwen2VL",
        recommended=("Qwen/Qwen2-VL-2B-Instruct", "Qwen/Qwen2-VL-7B-Instruct"),
        notes="M-RoPE that counts pairs of frames, no text within the video.",
    ),
    Family(
        name="glm4v",
        model_types=("glm4v",),
        adapter="vtc_cli.models.glm4v:Glm4v",
        recommended=("zai-org/GLM-4.1V-9B-Thinking", "zai-org/GLM-4.6V-Flash"),
        notes="M-RoPE, a time after each pair of frames. It thinks before it answers; its words of thought count.",
    ),
    Family(
        name="glm4v-moe",
        model_types=("glm4v_moe",),
        adapter="vtc_cli.models.glm4v_moe:Glm4vMoe",
        recommended=("zai-org/GLM-4.5V", "zai-org/GLM-4.6V"),
        notes="GLM-4.1V with experts: memory of the whole, compute of the few that a row is sent to.",
    ),
    Family(
        name="gemma4",
        model_types=("gemma4",),
        adapter="vtc_cli.models.gemma4:Gemma4",
        recommended=("google/gemma-4-E2B-it", "google/gemma-4-E4B-it", "google/gemma-4-31B-it"),
        notes="Frames of 70 tokens under their time. Most layers see a sliding window and keep that alone: a state of "
        "fixed size. Cache policies compact the layers that see everything.",
        cannot={"layers": "most of its layers see a sliding window, and keep no entries that could leave or be read"},
    ),
    Family(
        name="perception-lm",
        model_types=("perception_lm",),
        adapter="vtc_cli.models.perception_lm:PerceptionLM",
        recommended=("facebook/Perception-LM-1B", "facebook/Perception-LM-3B", "facebook/Perception-LM-8B"),
        notes="256 tokens a frame of 448 x 448, no text within the video. Its tower needs the timm library.",
    ),
    Family(
        name="minicpm-v-4.6",
        model_types=("minicpmv4_6",),
        adapter="vtc_cli.models.minicpmv4_6:MiniCPMV46",
        recommended=("openbmb/MiniCPM-V-4.6",),
        notes="64 tokens a frame of any shape, no times. Three layers in four keep a state of fixed size.",
        cannot=_NO_LAYERS,
    ),
    Family(
        name="nemotron-h-omni",
        model_types=("nemotron_h_omni",),
        adapter="vtc_cli.models.nemotron_h_omni:NemotronHOmni",
        recommended=("nvidia/Nemotron-3-Nano-Omni-30B-A3B-Reasoning-BF16",),
        notes="Pairs of frames under their times. Most blocks are Mamba-2 or experts; few keep entries. It may think.",
        cannot={"layers": "most of its blocks keep a state of fixed size or nothing, and no entries that could leave"},
    ),
    Family(
        name="video-llama-3",
        model_types=("video_llama_3",),
        adapter="vtc_cli.models.video_llama_3:VideoLlama3",
        recommended=("lkhl/VideoLLaMA3-2B-Image-HF",),
        notes="Frames of any shape under their time. Its processor's own frame-difference pruning is left to pruners.",
    ),
    Family(
        name="llava-onevision",
        model_types=("llava_onevision",),
        adapter="vtc_cli.models.llava_onevision:LlavaOnevision",
        recommended=("llava-hf/llava-onevision-qwen2-0.5b-ov-hf", "llava-hf/llava-onevision-qwen2-7b-ov-hf"),
        notes="196 tokens a frame of 384 x 384, no text within the video, one learned newline row after it.",
    ),
    Family(
        name="internvl-gpt-oss",
        model_types=("internvl",),
        adapter="vtc_cli.models.internvl_gpt_oss:InternVLGptOss",
        recommended=("OpenGVLab/InternVL3_5-GPT-OSS-20B-A4B-Preview-HF",),
        notes="InternVL with GPT-OSS text: every other layer sees a window of 128 positions and keeps that alone.",
        cannot={"layers": "half of its layers see a sliding window, and keep no entries that could leave or be read"},
        text_types=("gpt_oss",),
    ),
    Family(
        name="internvl",
        model_types=("internvl",),
        adapter="vtc_cli.models.internvl:InternVL",
        recommended=("OpenGVLab/InternVL3-1B-hf", "OpenGVLab/InternVL3_5-4B-HF", "OpenGVLab/InternVL3_5-8B-HF"),
        notes="256 tokens a frame of 448 x 448, frames numbered in words. Qwen or Llama text.",
    ),
    Family(
        name="llava",
        model_types=("llava",),
        adapter="vtc_cli.models.llava:Llava",
        recommended=("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-13b-hf"),
        notes=f"{_SERIES} 576 tokens a frame, the middle square of it at 336 x 336.",
    ),
    Family(
        name="llava-next",
        model_types=("llava_next",),
        adapter="vtc_cli.models.llava_next:LlavaNext",
        recommended=("llava-hf/llava-v1.6-mistral-7b-hf", "llava-hf/llava-v1.6-vicuna-13b-hf"),
        notes=f"{_SERIES} 577 tokens a frame: its overview at 336 x 336, without the tiles of higher resolution.",
    ),
    Family(
        name="llava-next-video",
        model_types=("llava_next_video",),
        adapter="vtc_cli.models.llava_next_video:LlavaNextVideo",
        recommended=("llava-hf/LLaVA-NeXT-Video-7B-hf", "llava-hf/LLaVA-NeXT-Video-34B-hf"),
        notes="144 tokens a frame, the middle square of it at 336 x 336, no text within the video.",
    ),
    Family(
        name="smolvlm",
        model_types=("smolvlm",),
        adapter="vtc_cli.models.smolvlm:SmolVLM",
        recommended=("HuggingFaceTB/SmolVLM2-256M-Video-Instruct", "HuggingFaceTB/SmolVLM2-2.2B-Instruct"),
        notes="64 to 81 tokens a frame under its time; the smallest family, made for a CPU.",
    ),
)


GENERIC = Family(
    name="generic",
    model_types=(),
    adapter="vtc_cli.models.generic:Generic",
    recommended=(),
    notes="Other classes of transformers with get_image_features, a placeholder token and a text model known here. "
    "Whole answers from a video that fits the cache, as a series of pictures; no streaming. Not proven class by class.",
    cannot={
        "layers": "what the layers of a class without an adapter make of missing rows is not proven",
        "cache": "a class without an adapter takes a video as one whole prompt, of which nothing is evicted",
    },
)
"""What serves classes that no family knows."""


def family_named(name: str) -> Family | None:
    """The family of that name, or of that `model_type`; None when there is none."""
    rows = (*FAMILIES, GENERIC)
    called = [row for row in rows if row.name == name] or [row for row in rows if name in row.model_types]
    return called[0] if called else None


def no_checkpoint(name: str) -> tuple[str, str] | None:
    """What is wrong with a family's name where a model's is wanted, and what to do; None for other names."""
    if (family := family_named(name)) is None:
        return None
    hint = f"Name a checkpoint of it, such as {family.recommended[0]}." if family.recommended else "Name a checkpoint."
    return f"{name} is a family of models, not a model.", hint


def names() -> tuple[str, ...]:
    """Everything `--model` completes to: the two reserved names, then recommended hub ids."""
    return (AUTO, TINY, *(name for family in FAMILIES for name in family.recommended))


def cannot(family: str, stage: str) -> str | None:
    """Why no method of a stage runs on a family; None where they do."""
    return next((row.cannot.get(stage) for row in (*FAMILIES, GENERIC) if row.name == family), None)
