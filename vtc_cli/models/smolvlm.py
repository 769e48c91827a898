"""The SmolVLM2 family: every frame under its time, 64 tokens each.

A video is written as a sentence that announces frames, then per frame a line `Frame from 01:05:` and the visual rows
between markers, then an empty line. The library's sentence tells how many frames there are and how long the video is;
a stream cannot know either when it begins, so here the sentence says that frames follow, and no more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import TowerDims, Unit
from vtc_cli.models.fixed_size import FixedSize
from vtc_cli.models.library import library
from vtc_cli.models.one_axis import OneAxis
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.towers import PictureTower, block_means

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

words = library("transformers.models.smolvlm.processing_smolvlm")
INTRO = words.DEFAULT_VIDEO_INTRO.replace("{frame_count} ", "").replace("{video_duration} [H:MM:SS] ", "")
_MARK, _GLOBAL = "<fake_token_around_image>", "<global-img>"


class SmolVLM(OneAxis):
    """A loaded SmolVLM2. checkpoint: its model is a `SmolVLMForConditionalGeneration`."""

    FAMILY = "smolvlm"
    ARCHITECTURE = "SmolVLMForConditionalGeneration"
    DECODER = "text_model"
    ENDS = ("<end_of_utterance>", "<|im_end|>")
    preprocessor: FixedSize

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self._mark, self._whole = map(self.token, (_MARK, _GLOBAL))

    @classmethod
    def preprocessing(cls, config: Any) -> FixedSize:
        vision, merge = config.vision_config, config.scale_factor
        side, patch = vision.image_size, vision.patch_size
        return FixedSize(
            patch=patch,
            merge=merge,
            side=side,
            grid=side // patch // merge,
            fit="twice",
            long=4 * side,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            resample="lanczos",
        )

    @classmethod
    def prompt(cls, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Prompt:
        # The library writes videos with a template of its own, whatever the folder holds.
        return Prompt(
            tokenizer,
            folder,
            cls.PLACEHOLDER,
            before=INTRO,
            after=words.DEFAULT_MEDIA_OUTTRO,
            template=words.DEFAULT_CHAT_TEMPLATE,
        )

    @staticmethod
    def pad_token(config: Any) -> int:
        return int(config.image_token_id)

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        return len(prompt.following(time_line(first))) + 3

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        return [*self._prompt.following(time_line(unit.span[0])), self._mark, self._whole], [self._mark]

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        vision, width = config.vision_config, config.text_config.hidden_size
        return TowerDims(
            layers=vision.num_hidden_layers,
            hidden=vision.hidden_size,
            heads=vision.num_attention_heads,
            intermediate=vision.intermediate_size,
            patch_inputs=vision.num_channels * vision.patch_size**2,
            merge=config.scale_factor,
            out_hidden=width,
            projector=vision.hidden_size * width,
        )

    @staticmethod
    def tower(model: Any) -> PictureTower:
        vision = model.model.vision_model
        patch = vision.patch_size

        def embed(pictures: Tensor) -> Tensor:
            sides = [side // patch for side in pictures.shape[2:]]
            seen = torch.ones(len(pictures), *sides, dtype=torch.bool, device=pictures.device)
            rows: Tensor = vision.embeddings(pixel_values=pictures, patch_attention_mask=seen)
            return rows

        # The library's own way in takes a picture that is mid-grey all over for padding, and drops it; here it is seen.
        return PictureTower(
            embed=embed,
            run=lambda block, states: block(states, None),
            blocks=tuple(vision.encoder.layers),
            finish=vision.post_layernorm,
        )

    def look(self, patches: Tensor) -> Tensor:
        rows: Tensor = self.model.model.connector(patches)
        return rows

    def pooled(self, received: Tensor) -> Tensor:
        return block_means(received, self.preprocessor.merge)


def time_line(seconds: float) -> str:
    """The words before a frame: its time in whole minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return words.FRAME_TIMESTAMP_MESSAGE.format(timestamp=f"{minutes:02d}:{rest:02d}")
