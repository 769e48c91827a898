"""A Nemotron Omni checkpoint as our adapter and as the library's class, for tests that compare the two."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from tests.models.reference import encode, frames_of
from tests.models.slabs import slab_with
from vtc_cli import load_model
from vtc_cli.engine.slab import Slab
from vtc_cli.models.contract import Cursor, Span, Unit
from vtc_cli.models.nemotron_h_omni import NemotronHOmni

QUESTION = "Which colour does the moving square have?"
GAP = 0.5
HEIGHT, WIDTH = 32, 48


class Loaded:
    """A checkpoint as our adapter, and as the library's class."""

    def __init__(self, folder: Path):
        from transformers import NemotronH_Omni_Reasoning_V3

        self.folder = folder
        model = load_model(str(folder), device="cpu", dtype="float32")
        assert isinstance(model, NemotronHOmni)
        self.model = model
        self.reference = NemotronH_Omni_Reasoning_V3.from_pretrained(folder).eval()

    def watch(self, images: Tensor, capture: tuple[int, ...] = ()) -> list[Unit]:
        geometry = self.model.geometry((images.shape[-1], images.shape[-2]))
        return encode(self.model, frames_of(images, GAP), geometry, capture=capture)

    def spans(self, units: list[Unit], keep: Tensor | None = None) -> list[Span]:
        spans = [self.model.open(Cursor())]
        for unit in units:
            spans.append(self.model.place(spans[-1].cursor, unit, keep))
        return [*spans, self.model.question(spans[-1].cursor, QUESTION)]

    def ids(self, frames: int, tokens: int) -> Tensor:
        """The whole prompt, written out from the chat template and tokenised as one string."""
        user = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
        tokenizer = self.model.tokenizer
        text = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True, enable_thinking=False)
        lines = []
        for first in range(0, frames, 2):
            words = f"Frame {first + 1} sampled at {first * GAP:.2f} seconds"
            if first + 1 < frames:
                words += f" and frame {first + 2} sampled at {(first + 1) * GAP:.2f} seconds"
            lines.append(f"{words}: <img>{'<image>' * tokens}</img>")
        written = text.replace("<video>", "\n".join(lines))
        return torch.tensor(tokenizer(written, add_special_tokens=False)["input_ids"])

    @torch.no_grad()
    def expected(self, images: Tensor, ids: Tensor) -> Tensor:
        """[n, vocab]: logits of the library's single forward. Its own way to videos does not run, so it is given what
        its `get_video_features` makes of the frames, which repeats a last one itself."""
        prepared = self.model.prepare(frames_of(images), self.model.geometry((WIDTH, HEIGHT))).patches
        frames = prepared.unflatten(1, (2, 3)).flatten(0, 1)[: len(images)]
        seen = self.reference.get_video_features(frames).pooler_output
        logits: Tensor = self.reference(
            input_ids=ids[None],
            attention_mask=torch.ones_like(ids[None]),
            mm_encoder_outputs={"video": BaseModelOutputWithPooling(pooler_output=tuple(seen))},
        ).logits[0]
        return logits

    def slab(self, spans: list[Span]) -> Slab:
        return slab_with(self.model, spans, 400)
