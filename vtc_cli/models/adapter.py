"""What every family's adapter does the same way: pictures to their size, words to tokens and back, answer labels."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from vtc_cli.errors import UsageError
from vtc_cli.models.checkpoint import Checkpoint, configuration
from vtc_cli.models.contract import DecoderDims, Geometry, ModelInfo, Prepared, Span, TowerDims, Unit, VideoLM
from vtc_cli.models.masks import refuse_wrong_masks
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.quantise import check_quantisable
from vtc_cli.models.rotary import Rotation, rotation_of
from vtc_cli.models.shape import info_of
from vtc_cli.models.spread import decoder_path
from vtc_cli.models.together import run_together

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from vtc_cli.models.device import Placement
    from vtc_cli.video.frame import Frame


@dataclass(frozen=True)
class Seen:
    """What a tower made of units. tokens, the scores of each layer, each of deep: unit by unit along their first axis;
    see `Unit`."""

    tokens: Sequence[Tensor] | Tensor
    scores: Mapping[int, Tensor]
    deep: Sequence[Tensor] = ()


class Adapter(VideoLM):
    """A `VideoLM` made from a checkpoint. A family adds `tower_dims`, `run_tower`, `forward` and where rows go.

    FAMILY: its name in reports. ARCHITECTURE: its class in transformers.
    DECODER: the name, inside `model`, of the part that runs over the cache, without the output layer; with dots, its
    path in the whole.
    ENDS: tokens that end an answer, besides those the checkpoint itself names.
    PREPROCESSING: what the family does with pictures where a checkpoint's preprocessor config does not say.
    """

    FAMILY: ClassVar[str]
    ARCHITECTURE: ClassVar[str]
    DECODER: ClassVar[str] = "language_model"
    ENDS: ClassVar[tuple[str, ...]] = ()
    PREPROCESSING: ClassVar[Preprocessor] = Preprocessor()

    def __init__(self, checkpoint: Checkpoint):
        self.model = checkpoint.model
        self.tokenizer = checkpoint.tokenizer
        self.preprocessor = checkpoint.preprocessor
        self._prompt = checkpoint.prompt
        self._decoder: Any = self.model.get_submodule(decoder_path(self.DECODER))
        refuse_wrong_masks(self._decoder)
        self._embed = self.model.get_input_embeddings()
        self._device = self._embed.weight.device
        self._stop = checkpoint.stop_ids(self.ENDS)
        self.info = self.describe(self.model.config, checkpoint.placement, **checkpoint.facts)

    @classmethod
    def load(
        cls,
        folder: Path,
        placement: Placement,
        *,
        name: str,
        revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> Self:
        """From a checkpoint folder. Raises MachineError when it is not whole or contradicts itself, UsageError when it
        is built in a way this adapter does not run; both before its weights are read, where its settings tell."""
        config = configuration(folder, name)
        cls.check(config, name)
        if placement.quantisation is not None:
            check_quantisable(config, name)
        preprocessor = Preprocessor.read(folder, cls.preprocessing(config))
        cls.check_pictures(config, preprocessor, name)
        checkpoint = Checkpoint.read(
            folder,
            placement,
            cls.architecture(config),
            preprocessor,
            name=name,
            revision=revision,
            trust_remote_code=trust_remote_code,
            prompt=cls.prompt,
            decoder=cls.DECODER,
            kernels=cls.kernels(placement),
        )
        return cls(checkpoint)

    @classmethod
    def check(cls, config: Any, name: str) -> None:
        """Raise UsageError for a checkpoint called `name` whose configuration this adapter does not run."""

    @classmethod
    def check_pictures(cls, config: Any, preprocessor: Preprocessor, name: str) -> None:
        """Raise MachineError where pictures are made in another way than the tower of `config` takes them."""

    @classmethod
    @abstractmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        """Widths of the tower. Raises UsageError when this adapter does not run it."""

    @classmethod
    def decoder_dims(cls, config: Any, placement: Placement | None = None) -> DecoderDims | None:
        """Widths of the decoder, where its layers are not all alike; None where the usual fields tell them.

        placement: says how wide the values are that it keeps."""
        return None

    @classmethod
    def kernels(cls, placement: Placement) -> Any:
        """The attention kernels, as `from_pretrained` takes them; `placement` names the decoder's."""
        return placement.attention

    @classmethod
    def frames_per_unit(cls, config: Any) -> int:
        """Frames that the tower takes together."""
        return 1

    @classmethod
    def preprocessing(cls, config: Any) -> Preprocessor:
        """What a preprocessor config is laid over. config: transformers' configuration of the checkpoint."""
        return cls.PREPROCESSING

    @classmethod
    def prompt(cls, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Prompt:
        """The words around a video. Raises MachineError when the chat template does not serve."""
        return Prompt(tokenizer, folder)

    @classmethod
    def describe(cls, config: Any, placement: Placement, **facts: Any) -> ModelInfo:
        """The record of a model with this configuration; facts: as `info_of` takes them.

        Raises UsageError where it does not run.
        """
        cls.check(config, facts["name"])
        tower, frames = cls.tower_dims(config), cls.frames_per_unit(config)
        return info_of(
            config,
            placement,
            family=cls.FAMILY,
            architecture=cls.architecture(config),
            tower=tower,
            frames_per_unit=frames,
            decoder=cls.decoder_dims(config, placement),
            **facts,
        )

    @classmethod
    def architecture(cls, config: Any) -> str:
        """The model's class in transformers."""
        return cls.ARCHITECTURE

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        """Rows of a unit that are not visual (time tag, markers), for a unit from `first` to `last` seconds."""
        return 0

    def geometry(self, size: tuple[int, int], pixels: int | None = None) -> Geometry:
        return self.preprocessor.geometry(size, pixels)

    def shrink(self, frame: Frame, geometry: Geometry) -> Frame:
        image = self.preprocessor.resize(frame.image, geometry)
        return frame if image is frame.image else replace(frame, image=image)

    @torch.no_grad()
    def prepare(self, frames: Sequence[Frame], geometry: Geometry) -> Prepared:
        temporal = self.info.frames_per_unit
        if not frames:
            return Prepared((), torch.empty(0, self.info.tower.patch_inputs, device=self._device))
        frames = [*frames, *[frames[-1]] * (-len(frames) % temporal)]
        units = [frames[first : first + temporal] for first in range(0, len(frames), temporal)]
        patches = self.preprocessor.patches([frame.image for frame in frames], geometry, self._device)
        return Prepared(tuple((unit[0].time, unit[-1].time) for unit in units), patches)

    @torch.no_grad()
    def encode(self, prepared: Prepared, geometry: Geometry, first: int = 0, capture: Sequence[int] = ()) -> list[Unit]:
        if not len(prepared):
            return []
        check_layers(capture, self.info.tower.layers, self.info.name)
        seen = self.run_tower(prepared, geometry, capture)
        return [
            Unit(
                index=first + number,
                span=span,
                tokens=seen.tokens[number],
                grid=geometry.grid,
                deep=tuple(level[number] for level in seen.deep),
                scores={layer: values[number] for layer, values in seen.scores.items()},
            )
            for number, span in enumerate(prepared.spans)
        ]

    @abstractmethod
    def run_tower(self, prepared: Prepared, geometry: Geometry, capture: Sequence[int]) -> Seen:
        """One unit or more through the vision tower. capture: layers (1-based) that the tower has."""

    @property
    def writes_together(self) -> bool:
        """Where layers can be run one by one, and each attends to all that is cached."""
        decoder = self.info.decoder
        return self.runs_layer_policies and not decoder.recurrent and not decoder.windows

    @torch.no_grad()
    def forward_together(self, spans: Sequence[Span], cache: object, seen: Tensor) -> Tensor:
        if not self.writes_together:
            return super().forward_together(spans, cache, seen)
        embeds = torch.stack([span.embeds for span in spans])
        positions = torch.stack([span.positions for span in spans], dim=1)
        logits: Tensor = self.model.lm_head(run_together(self._decoder, embeds, positions, cache, seen))
        return logits.float()

    def rotation(self) -> Rotation | None:
        return rotation_of(self._decoder, self.info.name)

    @torch.no_grad()
    def embed_query(self, text: str) -> Tensor:
        rows: Tensor = self._embed(torch.tensor(self._prompt.plain(text), dtype=torch.int64, device=self._device))
        return rows

    def label_ids(self, labels: Sequence[str]) -> list[int]:
        ids = [self._prompt.written(label)[:1] for label in labels]
        for label, first in zip(labels, ids, strict=True):
            if not first:
                raise UsageError("an answer label is empty.", "Give every choice a label, for example --choice A=...")
            if ids.count(first) > 1:
                same = [other for other, token in zip(labels, ids, strict=True) if token == first]
                raise UsageError(
                    f"the labels {', '.join(map(repr, same))} start with the same token, so they cannot be told apart.",
                    f"Use labels that differ in their first character; {label!r} could be a letter.",
                )
        return [first[0] for first in ids]

    def spellings(self, labels: Sequence[str]) -> list[list[int]]:
        found = [
            [
                first,
                *(ids[0] for form in ("{}", " {}", "({}") if len(ids := self._prompt.plain(form.format(label))) == 1),
            ]
            for label, first in zip(labels, self.label_ids(labels), strict=True)
        ]
        often = Counter(token for tokens in found for token in set(tokens))
        return [
            [token for token in dict.fromkeys(tokens) if token == tokens[0] or often[token] == 1] for tokens in found
        ]

    def text(self, ids: Sequence[int]) -> str:
        words = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(words)

    @property
    def stop_ids(self) -> frozenset[int]:
        return self._stop


def check_kept(patch: Tensor, unit: Unit, merged: Tensor | None) -> None:
    """The core's promise about what a pruner returned, checked where it would do harm. Raises ValueError."""
    n = unit.grid[0] * unit.grid[1]
    rows = patch.tolist()
    if rows != sorted(set(rows)) or (rows and not 0 <= rows[0] <= rows[-1] < n):
        raise ValueError(f"kept rows must be ascending raster indices below {n}, got {rows[:8]}")
    if merged is not None and merged.shape != (len(patch), unit.tokens.shape[1]):
        raise ValueError(f"merged rows are {tuple(merged.shape)}, not {(len(patch), unit.tokens.shape[1])}")


def check_layers(capture: Sequence[int], layers: int, name: str) -> None:
    """Raise UsageError for a vision layer (1-based) that the model called `name` does not have."""
    for layer in capture:
        if not 1 <= layer <= layers:
            raise UsageError(
                f"vision layer {layer} does not exist; {name} has layers 1 to {layers}.",
                "Choose another layer in the method's options.",
            )
