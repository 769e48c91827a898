"""A Gemma 4 checkpoint as our adapter and as the library's class, for tests that compare the two."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from tests.models.reference import encode, frames_of
from tests.models.slabs import slab_with
from vtc_cli.engine.slab import Slab
from vtc_cli.models.contract import Cursor, Span, Unit
from vtc_cli.models.gemma4 import Gemma4
from vtc_cli.models.load import load_model

QUESTION = "Which colour does the moving square have?"
TOKENS = 6  # 2 x 3 of a frame of 72 x 48


class Loaded:
    """A checkpoint as our adapter, and as the library's class."""

    def __init__(self, folder: Path):
        from transformers import Gemma4ForConditionalGeneration

        self.folder = folder
        model = load_model(str(folder), device="cpu", dtype="float32")
        assert isinstance(model, Gemma4)
        self.model = model
        self.reference = Gemma4ForConditionalGeneration.from_pretrained(folder).eval()

    def watch(self, images: Tensor, capture: tuple[int, ...] = ()) -> list[Unit]:
        geometry = self.model.geometry((images.shape[-1], images.shape[-2]))
        return encode(self.model, frames_of(images, 40.0), geometry, capture=capture)

    def spans(self, units: list[Unit], keep: Tensor | None = None) -> list[Span]:
        spans = [self.model.open(Cursor())]
        for unit in units:
            spans.append(self.model.place(spans[-1].cursor, unit, keep))
        return [*spans, self.model.question(spans[-1].cursor, QUESTION)]

    def ids(self, units: list[Unit]) -> Tensor:
        """The whole prompt, written out from the chat template and tokenised as one string."""
        user = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
        tokenizer = self.model.tokenizer
        text = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
        times = [f"{int(unit.span[0]) // 60:02d}:{int(unit.span[0]) % 60:02d}" for unit in units]
        written = " ".join(f"{time} <|image>{'<|video|>' * TOKENS}<image|>" for time in times)
        return torch.tensor(tokenizer(text.replace("<|video|>", written), add_special_tokens=False)["input_ids"])

    def expected(self, images: Tensor, ids: Tensor) -> Tensor:
        """[n, vocab]: logits of the library's single forward, over frames padded as its processor pads them."""
        geometry = self.model.geometry((images.shape[-1], images.shape[-2]))
        patches = self.model.prepare(frames_of(images), geometry).patches
        down, across = (side // 4 for side in geometry.size)
        places = torch.tensor([[column, row] for row in range(down) for column in range(across)])
        places = places.expand(len(images), -1, -1)
        padded = nn.functional.pad(patches, (0, 0, 0, 9)), nn.functional.pad(places, (0, 0, 0, 9), value=-1)
        with torch.no_grad():
            logits: Tensor = self.reference(
                input_ids=ids[None],
                pixel_values_videos=padded[0],
                video_position_ids=padded[1],
                num_frames_per_video=torch.tensor([len(images)]),
                mm_token_type_ids=(ids == self.reference.config.video_token_id)[None].int() * 2,
                attention_mask=torch.ones_like(ids[None]),
            ).logits[0]
        return logits

    def cache(self) -> DynamicCache:
        return DynamicCache(config=self.model.model.config.text_config)

    def slab(self, spans: list[Span]) -> Slab:
        return slab_with(self.model, spans, 300)
