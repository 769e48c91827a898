"""The GLM-4.1V family (4.1V, 4.6V-Flash): Qwen3-VL's way of placing rows, times written after each pair of frames.

A video is written between the template's own markers, per unit (two frames) as `<|begin_of_image|>` its visual rows
`<|end_of_image|>12`: the time of its first frame in whole seconds. The rows carry the picture's placeholder, not the
video's. GLM-4.6V, which has the same classes and another processor, writes `12.4 seconds`.

Positions are those of Qwen3-VL: the words between units end a block, so every unit starts anew. The decoder has three
position axes, and turns neighbouring columns of a key together, where most others turn column i with column i + R/2.
"""

from __future__ import annotations

import json
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError
from vtc_cli.models.contract import TowerDims, Unit
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.qwen3_vl import Qwen3VL

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ROUNDING = 1e-4
"""Seconds: container clocks are not exact in binary, and 3 x 1.0 s is not to fall short of 3 s."""
_SETTINGS = ("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json")


class Glm4vPrompt(Prompt):
    """The words around a video, and those that tell a unit's time. Raises MachineError as `Prompt` does."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, folder: Path):
        super().__init__(tokenizer, folder, "<|video|>")
        self._tenths = _processor(folder).startswith("Glm46V")

    def time(self, seconds: float) -> list[int]:
        """Ids of the time of a unit whose first frame is at `seconds`."""
        return self.following(f"{seconds:.1f} seconds" if self._tenths else str(floor(seconds + _ROUNDING)))


class Glm4v(Qwen3VL):
    """A loaded GLM-4.1V. checkpoint: its model is a `Glm4vForConditionalGeneration`."""

    FAMILY = "glm4v"
    ARCHITECTURE = "Glm4vForConditionalGeneration"
    ENDS = ("<|endoftext|>", "<|user|>", "<|observation|>")
    PREPROCESSING = Preprocessor(
        patch=14,
        least=112 * 112,
        most=28 * 28 * 2 * 30_000,
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
    )
    _prompt: Glm4vPrompt

    @staticmethod
    def marks(config: Any) -> tuple[int, int, int]:
        return config.image_start_token_id, config.image_end_token_id, config.image_token_id

    @classmethod
    def prompt(cls, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Prompt:
        return Glm4vPrompt(tokenizer, folder)

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        vision = config.vision_config
        width, out, merge = vision.hidden_size, vision.out_hidden_size, vision.spatial_merge_size
        # A convolution over a token's patches, then one matrix and a gated MLP.
        merger = merge**2 * width * out + out * out + 3 * out * vision.intermediate_size
        return TowerDims(
            layers=vision.depth,
            hidden=width,
            heads=vision.num_heads,
            intermediate=out,  # of the blocks; `intermediate_size` is the merger's
            patch_inputs=vision.in_channels * vision.temporal_patch_size * vision.patch_size**2,
            merge=merge,
            out_hidden=out,
            gated=True,
            projector=merger / merge**2,
        )

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        assert isinstance(prompt, Glm4vPrompt)
        return 2 + len(prompt.time(first))

    def around(self, unit: Unit) -> tuple[list[int], list[int]]:
        return [self._start], [self._end, *self._prompt.time(unit.span[0])]


def _processor(folder: Path) -> str:
    """The processor's class, which decides how times are written; empty where no file names one."""
    for name in _SETTINGS:
        path = folder / name
        if not path.is_file():
            continue
        try:
            found = json.loads(path.read_text(encoding="utf-8")).get("processor_class")
        except (OSError, ValueError, AttributeError) as error:
            raise MachineError(f"{path} cannot be read: {error}.", "Download the checkpoint again.") from error
        if found:
            return str(found)
    return ""
