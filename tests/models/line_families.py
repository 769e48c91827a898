"""What the tests of families with one position per row and a tower of their own need to know about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from tests.models.reference import encode, frames_of
from tests.support.line_checkpoints import BUILDERS
from vtc_cli.models.adapter import Adapter
from vtc_cli.models.contract import Cursor, Span, Unit
from vtc_cli.models.load import load_model

QUESTION = "Which colour does the moving square have?"
GAP = 0.7  # seconds between frames


@dataclass(frozen=True)
class Loaded:
    """A random checkpoint of a family: as our adapter, and as the library's class loaded without our code."""

    name: str
    folder: Path
    model: Adapter
    reference: Any

    def patches(self, images: Tensor) -> Tensor:
        return self.model.prepare(frames_of(images, GAP), self.geometry(images)).patches

    def geometry(self, images: Tensor) -> Any:
        return self.model.geometry((images.shape[-1], images.shape[-2]))

    def watch(self, images: Tensor, capture: Sequence[int] = ()) -> list[Unit]:
        return encode(self.model, frames_of(images, GAP), self.geometry(images), capture=capture)

    def spans(self, units: Sequence[Unit], keep: Tensor | None = None) -> list[Span]:
        """A whole prompt: prefix, units, question."""
        spans = [self.model.open(Cursor())]
        for unit in units:
            spans.append(self.model.place(spans[-1].cursor, unit, keep))
        return [*spans, self.model.question(spans[-1].cursor, QUESTION)]

    def ids(self, units: Sequence[Unit]) -> Tensor:
        """The whole prompt, tokenised as one string: the template's, with the video written out as in `WRITTEN`."""
        tokenizer, mark = self.model.tokenizer, "<|video|>" if self.name == "perception-lm" else "<|video_pad|>"
        user = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
        text = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True, enable_thinking=False)
        assert text.count(mark) == 1
        tokens = units[0].grid[0] * units[0].grid[1]
        text = text.replace(mark, WRITTEN[self.name]([unit.span[0] for unit in units], mark * tokens))
        return torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])

    def expected(self, images: Tensor, ids: Tensor) -> Tensor:
        """[n, vocab]: logits of the library's single forward."""
        with torch.no_grad():
            given = INPUTS[self.name](self.patches(images), self.geometry(images))
            logits: Tensor = self.reference(
                input_ids=ids[None], attention_mask=torch.ones_like(ids[None]), **given
            ).logits[0]
        return logits

    def cache(self) -> DynamicCache:
        return DynamicCache(config=self.model.model.config.text_config)

    def hybrid(self) -> bool:
        return bool(self.model.info.decoder.recurrent)


def _timed(times: Sequence[float], rows: str) -> str:
    return ",".join(f"Time {time:.1f}s:{rows}" for time in times)


def _framed(times: Sequence[float], rows: str) -> str:
    return "<image_id>0</image_id>" + "".join(f"<image>{rows}</image>" for _ in times)


WRITTEN: dict[str, Callable[[Sequence[float], str], str]] = {
    "video-llama-3": _timed,
    "minicpm-v-4.6": _framed,
    "perception-lm": lambda times, rows: rows * len(times),
}
"""What stands for a video in the text, from its frames' times and the rows of one."""


def _video_llama(patches: Tensor, geometry: Any) -> dict[str, Any]:
    frames = len(patches) // geometry.patches
    grid = torch.tensor([[frames, 2 * geometry.grid[0], 2 * geometry.grid[1]]])
    return {"pixel_values_videos": patches, "video_grid_thw": grid, "video_merge_sizes": torch.tensor([2])}


def _minicpm(patches: Tensor, geometry: Any) -> dict[str, Any]:
    sizes = torch.tensor([[4 * side for side in geometry.grid]] * len(patches), dtype=torch.int32)
    return {"pixel_values_videos": torch.cat(list(patches), -1)[None], "target_sizes_videos": sizes}


INPUTS: dict[str, Callable[[Tensor, Any], dict[str, Any]]] = {
    "video-llama-3": _video_llama,
    "minicpm-v-4.6": _minicpm,
    "perception-lm": lambda patches, _: {"pixel_values_videos": patches[None]},
}
"""How the library's class is given a video."""


@cache
def loaded(name: str) -> Loaded:
    """One checkpoint of each family for the whole run of tests."""
    import transformers

    if name == "perception-lm":
        pytest.importorskip("timm")
    folder = BUILDERS[name](Path(mkdtemp(prefix="vtc-")) / name)
    model = load_model(str(folder), device="cpu", dtype="float32")
    assert isinstance(model, Adapter)
    return Loaded(name, folder, model, getattr(transformers, model.ARCHITECTURE).from_pretrained(folder).eval())


NAMES = tuple(WRITTEN)
