"""A model's shape and prompt lengths without its weights: what a plan needs before anything is loaded or downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtc_cli.errors import MachineError
from vtc_cli.models.adapter import Adapter
from vtc_cli.models.catalog import read_config
from vtc_cli.models.checkpoint import class_named, configuration, read_tokenizer
from vtc_cli.models.contract import Geometry, ModelInfo
from vtc_cli.models.device import Placement
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.prompt import Prompt, multiple_choice
from vtc_cli.models.quantise import BITS
from vtc_cli.models.quiet import quiet
from vtc_cli.models.recognise import family_of
from vtc_cli.models.spread import arrange, spread_over, without_weights
from vtc_cli.models.weights import DTYPE_BYTES, stored_weights


@dataclass(frozen=True)
class Outline:
    """A checkpoint's shape from its configuration alone.

    info: as the loaded model would report it. adapter: the class that would run it.
    """

    info: ModelInfo
    preprocessor: Preprocessor
    adapter: type[Adapter]

    def geometry(self, size: tuple[int, int], pixels: int | None = None) -> Geometry:
        """As `VideoLM.geometry`."""
        return self.preprocessor.geometry(size, pixels)


@dataclass(frozen=True)
class Sketch(Outline):
    """A checkpoint that has not been loaded, and its prompt. weights: bytes by place, the device that runs first."""

    prompt: Prompt
    weights: Mapping[str, int]

    def prefix(self, system: str | None = None) -> int:
        """Rows before the video."""
        return len(self.prompt.opening(system))

    def around_unit(self, first: float, last: float) -> int:
        """Rows of a unit that are not visual: its time tag and the pair of markers."""
        return self.adapter.around_unit(self.prompt, first, last)

    def question(self, text: str, choices: Mapping[str, str] | None = None) -> int:
        """Rows after the video, up to where the answer starts."""
        return len(self.prompt.closing(multiple_choice(text, choices) if choices else text))


def outline(folder: Path, placement: Placement, name: str, parameters: int) -> Outline:
    """Read a checkpoint folder's configuration; neither weights nor tokenizer need be there. Raises as `sketch`."""
    adapter, config = _adapter(folder, name)
    return _outline(folder, placement, name, parameters, adapter, config)


def _adapter(folder: Path, name: str) -> tuple[type[Adapter], Any]:
    """The class that would run a checkpoint, and transformers' configuration of it."""
    family = family_of(read_config(folder), name)
    return family.load_adapter(), configuration(folder, name)


def _outline(
    folder: Path, placement: Placement, name: str, parameters: int, adapter: type[Adapter], config: Any
) -> Outline:
    info = adapter.describe(
        config,
        placement,
        name=name,
        revision=None,
        parameters=parameters,
        weight_bytes=_bytes(folder, placement, parameters),
    )
    return Outline(info, Preprocessor.read(folder, adapter.preprocessing(config)), adapter)


def _bytes(folder: Path, placement: Placement, parameters: int) -> int:
    """Of the weights as they would be loaded; where only their number is known, as if none were made small."""
    if placement.quantisation is not None:
        try:
            return stored_weights(folder).bytes_as(placement.dtype, BITS[placement.quantisation.split()[0]])
        except MachineError:
            pass
    return parameters * DTYPE_BYTES[placement.dtype]


def sketch(folder: Path, placement: Placement, name: str, parameters: int) -> Sketch:
    """Read a checkpoint folder's configuration and tokenizer; weights need not be there.

    parameters: how many it has, which only the weights' headers or a catalog can tell.

    Raises MachineError when a file is missing or unreadable, no adapter knows the family, or what has to be on the
    device of a placement that spreads weights does not fit it.
    """
    adapter, config = _adapter(folder, name)
    weights = None
    if placement.spread is not None:
        with quiet():
            empty = without_weights(class_named(adapter.architecture(config)), config)
        arrangement = arrange(empty, adapter.DECODER, DTYPE_BYTES[placement.dtype], placement.spread)
        placement, weights = spread_over(placement, arrangement.layers), arrangement.weights
    drawn = _outline(folder, placement, name, parameters, adapter, config)
    with quiet():
        tokenizer = read_tokenizer(folder, name)
    return Sketch(
        drawn.info,
        drawn.preprocessor,
        adapter,
        adapter.prompt(tokenizer, folder),
        weights or {placement.device: drawn.info.weight_bytes},
    )
