"""What the tests of every family need to know about it, apart from the adapter under test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from tests.models.reference import VIDEO, encode, frames_of, naive_patches, one_shot, prompt_text
from tests.support import glm_checkpoints, qwen_checkpoints
from vtc_cli.models.contract import Cursor, Span, Unit
from vtc_cli.models.load import load_model
from vtc_cli.models.qwen import Qwen
from vtc_cli.models.registry import FAMILIES

QUESTION = "Which colour does the moving square have?"
CELL = 16  # pixels per token side of the random checkpoints
SECOND_GENERATION = ("qwen2-vl", "qwen2.5-vl")
GLM = ("glm4v", "glm4v-moe")
BUILDERS = {**qwen_checkpoints.BUILDERS, **glm_checkpoints.BUILDERS}
"""Family -> how to make a checkpoint of it, where rows of a picture have positions on several axes."""


@dataclass(frozen=True)
class Loaded:
    """A random checkpoint of a family: as our adapter, and as the library's class loaded without our code."""

    name: str
    folder: Path
    model: Qwen
    reference: Any

    @property
    def tagged(self) -> bool:
        """Whether units stand between time tags and markers; else a video is one unbroken block."""
        return self.name not in SECOND_GENERATION

    def watch(self, images: Tensor, gap: float = 0.5) -> list[Unit]:
        """Units of uint8 [T, 3, H, W], `gap` seconds apart, at their own size."""
        geometry = self.model.geometry((images.shape[-1], images.shape[-2]), images.shape[-1] * images.shape[-2])
        return encode(self.model, frames_of(images, gap), geometry)

    def patches(self, images: Tensor) -> Tensor:
        """The same pictures as the tower takes them, by plain loops."""
        settings = self.model.preprocessor
        return naive_patches(images, 8, 2, mean=settings.mean, std=settings.std)

    def ids(self, units: Sequence[Unit], question: str = QUESTION, system: str | None = None) -> Tensor:
        """The whole prompt, tokenised as one string from the chat template."""
        tokenizer = self.model.tokenizer
        tokens = units[0].grid[0] * units[0].grid[1]
        if self.name in GLM:
            text = prompt_text(tokenizer, [0.0, 0.0], 0, question, system, video="<|video|>")
            frame = f"<|begin_of_image|>{'<|image|>' * tokens}<|end_of_image|>"
            written = "".join(f"{frame}{int(unit.span[0])}" for unit in units)
            text = text.replace("<0.0 seconds><|vision_start|><|vision_end|>", written)
        elif self.tagged:
            times = [time for unit in units for time in unit.span]
            text = prompt_text(tokenizer, times, tokens, question, system)
        else:
            text = prompt_text(tokenizer, [0.0, 0.0], 0, question, system)
            text = text.replace("<0.0 seconds><|vision_start|><|vision_end|>", VIDEO * tokens * len(units))
        return torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])

    def seen(self, ids: Tensor) -> Tensor:
        """bool [n]: which rows are visual."""
        config = self.reference.config
        return ids == (config.image_token_id if self.name in GLM else config.video_token_id)

    def positions(self, ids: Tensor, units: Sequence[Unit], seconds: float) -> Tensor:
        """int64 [3, n]: the library's up to the video's last row, the training-time rule after it.

        seconds: from one unit to the next.
        """
        rows, columns = units[0].grid
        visual = self.seen(ids)
        more = {"second_per_grid_ts": torch.tensor([seconds])} if self.name == "qwen2.5-vl" else {}
        found, _ = self.reference.model.get_rope_index(
            ids[None],
            mm_token_type_ids=visual[None].int() * 2,
            video_grid_thw=torch.tensor([[len(units), 2 * rows, 2 * columns]]),
            **more,
        )
        positions: Tensor = found[:, 0]
        if not self.tagged:
            end = int(visual.nonzero()[-1]) + 1
            tail = positions[:, :end].max() + 1 + torch.arange(len(ids) - end)
            positions = torch.cat([positions[:, :end], tail.expand(3, -1)], dim=1)
        return positions

    def expected(self, images: Tensor, units: Sequence[Unit], ids: Tensor, seconds: float) -> Tensor:
        """[n, vocab]: logits of the library's single forward."""
        rows, columns = units[0].grid
        grid = (len(units), 2 * rows, 2 * columns)
        positions = self.positions(ids, units, seconds)
        logits: Tensor = one_shot(self.reference, ids, self.patches(images), grid, positions, self.seen(ids)).logits[0]
        return logits

    def cache(self) -> DynamicCache:
        """The library's own cache for this model."""
        return DynamicCache(config=self.model.model.config.text_config)


def spans_of(
    model: Qwen, units: Sequence[Unit], question: str = QUESTION, system: str | None = None, keep: Tensor | None = None
) -> list[Span]:
    """A whole prompt: prefix, units, question."""
    spans = [model.open(Cursor(), system)]
    for unit in units:
        spans.append(model.place(spans[-1].cursor, unit, keep))
    spans.append(model.question(spans[-1].cursor, question))
    return spans


def load(name: str, folder: Path) -> Loaded:
    """Make a checkpoint of a family in `folder` and load it both ways."""
    import transformers

    BUILDERS[name](folder)
    model = load_model(str(folder), device="cpu", dtype="float32")
    assert isinstance(model, Qwen)
    return Loaded(name, folder, model, getattr(transformers, model.ARCHITECTURE).from_pretrained(folder).eval())


NAMES = tuple(family.name for family in FAMILIES if family.name in BUILDERS)
