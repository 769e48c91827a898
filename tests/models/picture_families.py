"""What the tests of the families with one-frame units need to know, apart from the adapters under test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from tests.models.reference import encode, frames_of
from tests.support.picture_checkpoints import BUILDERS
from vtc_cli.models.contract import Cursor, Prepared, Span, Unit
from vtc_cli.models.fixed_size import FixedSize
from vtc_cli.models.load import load_model
from vtc_cli.models.one_axis import OneAxis

QUESTION = "Which colour does the moving square have?"


def spans_of(
    model: OneAxis, units: Sequence[Unit], keep: Tensor | None = None, system: str | None = None
) -> list[Span]:
    """A whole prompt: prefix, units, question."""
    spans = [model.open(Cursor(), system)]
    for unit in units:
        spans.append(model.place(spans[-1].cursor, unit, keep))
    spans.append(model.question(spans[-1].cursor, QUESTION))
    return spans


@dataclass(frozen=True)
class Loaded:
    """A random checkpoint of a family: as our adapter, and as the library's class loaded without our code."""

    name: str
    folder: Path
    model: OneAxis
    reference: Any

    @property
    def pictures(self) -> FixedSize:
        settings = self.model.preprocessor
        assert isinstance(settings, FixedSize)
        return settings

    def prepared(self, images: Tensor, gap: float = 0.7) -> Prepared:
        """uint8 [T, 3, H, W], `gap` seconds apart, as the tower takes them."""
        return self.model.prepare(frames_of(images, gap), self.model.geometry((images.shape[-1], images.shape[-2])))

    def watch(self, images: Tensor, gap: float = 0.7, capture: Sequence[int] = ()) -> list[Unit]:
        geometry = self.model.geometry((images.shape[-1], images.shape[-2]))
        return encode(self.model, frames_of(images, gap), geometry, capture=capture)

    def ids(self, units: Sequence[Unit], system: str | None = None) -> Tensor:
        """The whole prompt, tokenised as one string: the template's, with the video written out as in `WRITTEN`."""
        tokenizer, written = self.model.tokenizer, WRITTEN[self.name]
        tokens = units[0].grid[0] * units[0].grid[1]
        kind, mark = ("image", "<image>") if self.name in ("llava", "llava-next") else ("video", "<video>")
        user = {"role": "user", "content": [{"type": kind}, {"type": "text", "text": QUESTION}]}
        turns = [] if system is None else [{"role": "system", "content": [{"type": "text", "text": system}]}]
        options: dict[str, Any] = {}
        if self.name == "smolvlm":
            from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE

            options["chat_template"] = DEFAULT_CHAT_TEMPLATE
        if self.name == "internvl" and system is not None:
            turns = [{"role": "system", "content": system}]
        text = tokenizer.apply_chat_template([*turns, user], tokenize=False, add_generation_prompt=True, **options)
        assert text.count(mark) == 1
        text = text.replace(mark, written([unit.span[0] for unit in units], tokens))
        return torch.tensor(tokenizer(text)["input_ids"])

    def expected(self, images: Tensor, ids: Tensor) -> Tensor:
        """[n, vocab]: logits of the library's single forward."""
        with torch.no_grad():
            given = INPUTS[self.name](self.reference, self.prepared(images).patches, ids)
            logits: Tensor = self.reference(**given, attention_mask=torch.ones_like(ids[None])).logits[0]
        return logits

    def cache(self) -> DynamicCache:
        """The library's own cache for this model."""
        return DynamicCache(config=self.model.model.config.text_config)


def logits_in_chunks(family: Loaded, spans: list[Span], size: int) -> Tensor:
    """What forwards of `size` units end in."""
    first, *middle, last = spans
    cache = family.cache()
    for group in [[first], *[middle[i : i + size] for i in range(0, len(middle), size)], [last]]:
        logits = family.model.forward(Span.join(group), cache)
    assert cache.get_seq_length() == sum(map(len, spans))
    return logits


def _lines(times: Sequence[float], tokens: int) -> str:
    return "\n".join("<image>" * tokens for _ in times)


def _lines_and_newlines(times: Sequence[float], tokens: int) -> str:
    return "\n".join("<image>" * (tokens + 1) for _ in times)


def _numbered(times: Sequence[float], tokens: int) -> str:
    frames = (f"Frame{number}: <img>{'<IMG_CONTEXT>' * tokens}</img>" for number in range(1, len(times) + 1))
    return "\n".join(frames)


def _timed(times: Sequence[float], tokens: int) -> str:
    intro, mark = "You are provided the following series of frames from a video.\n", "<fake_token_around_image>"
    frames = (f"\nFrame from {int(t) // 60:02d}:{int(t) % 60:02d}:{mark}<global-img>" for t in times)
    return intro + "".join(f"{frame}{'<image>' * tokens}{mark}" for frame in frames) + "\n\n"


WRITTEN: dict[str, Callable[[Sequence[float], int], str]] = {
    "llava-onevision": lambda times, tokens: "<video>" * (len(times) * tokens + 1),
    "llava-next-video": lambda times, tokens: "<video>" * (len(times) * tokens),
    "llava": _lines,
    "llava-next": _lines_and_newlines,
    "internvl": _numbered,
    "smolvlm": _timed,
}
"""What stands for a video in the text, from its frames' times and the tokens of one."""


def _overviews(model: Any, patches: Tensor, ids: Tensor) -> dict[str, Any]:
    """LLaVA-NeXT's own modules on pictures that were not cut: its forward takes only pictures with tiles."""
    inner = model.model
    states = inner.vision_tower(patches, output_hidden_states=True).hidden_states[model.config.vision_feature_layer]
    features = inner.multi_modal_projector(states[:, 1:])
    packed, _ = inner.pack_image_features(
        features[:, None], [patches.shape[2:]] * len(patches), "default", image_newline=inner.image_newline
    )
    embeds = inner.get_input_embeddings()(ids[None])
    seen = (ids == model.config.image_token_id)[None, :, None]
    return {"inputs_embeds": embeds.masked_scatter(seen, torch.cat(packed))}


INPUTS: dict[str, Callable[[Any, Tensor, Tensor], dict[str, Any]]] = {
    "llava-onevision": lambda _, patches, ids: {"input_ids": ids[None], "pixel_values_videos": patches[None]},
    "llava-next-video": lambda _, patches, ids: {"input_ids": ids[None], "pixel_values_videos": patches[None]},
    "llava": lambda _, patches, ids: {"input_ids": ids[None], "pixel_values": patches},
    "llava-next": _overviews,
    "internvl": lambda _, patches, ids: {"input_ids": ids[None], "pixel_values": patches},
    "smolvlm": lambda _, patches, ids: {"input_ids": ids[None], "pixel_values": patches[None]},
}
"""How the library's class is given a video."""


def load(name: str, folder: Path) -> Loaded:
    """Both sides of a folder."""
    import transformers

    model = load_model(str(folder), device="cpu", dtype="float32")
    assert isinstance(model, OneAxis)
    return Loaded(name, folder, model, getattr(transformers, model.ARCHITECTURE).from_pretrained(folder).eval())


@cache
def loaded(name: str) -> Loaded:
    """One checkpoint of each family for the whole run of tests."""
    return load(name, BUILDERS[name](Path(mkdtemp(prefix="vtc-")) / name))


NAMES = tuple(BUILDERS)
