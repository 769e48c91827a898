"""A trained model as an ordinary checkpoint folder, with a card that says how it was made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vtc_cli.models.quiet import quiet
from vtc_cli.train.architecture import CELL, MERGE, PATCH, PIXELS

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_NORMALISE = {
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "rescale_factor": 1 / 255,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 3,
    "patch_size": PATCH,
    "temporal_patch_size": 2,
    "merge_size": MERGE,
}


def save(model: Any, run: Path, folder: Path, card: str) -> int:
    """Write weights (bfloat16 safetensors), configs, tokenizer and card; returns the bytes of the weights.

    run: the training folder, which holds the tokenizer.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        model.to(torch.bfloat16).save_pretrained(folder)
    for name in _TOKENIZER:
        shutil.copyfile(run / name, folder / name)
    _write(folder / "preprocessor_config.json", _processor("Qwen2VLImageProcessorFast", PIXELS))
    video = _processor("Qwen3VLVideoProcessor", PIXELS * 768) | {"fps": 1, "max_video_tokens": PIXELS // CELL**2}
    _write(folder / "video_preprocessor_config.json", video)
    (folder / "README.md").write_text(card)
    return (folder / "model.safetensors").stat().st_size


def _processor(kind: str, most: int) -> dict[str, Any]:
    names = {"video_processor_type" if "Video" in kind else "image_processor_type": kind}
    return names | _NORMALISE | {"size": {"shortest_edge": 16 * CELL**2, "longest_edge": most}}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
