"""The contract between the engine and a model family.

`VideoLM` is the only place that knows a family's classes, prompt format and positions. The engine
sees units of visual tokens, spans of rows with explicit positions, and logits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vtc_cli.errors import UsageError
from vtc_cli.models.dims import DecoderDims as DecoderDims
from vtc_cli.models.dims import LinearDims as LinearDims
from vtc_cli.models.dims import TowerDims as TowerDims

if TYPE_CHECKING:
    from vtc_cli.methods.stages import LayerPolicy
    from vtc_cli.models.rotary import Rotation
    from vtc_cli.video.frame import Frame


@dataclass
class Unit:
    """One attention segment of the vision tower: a frame, or a temporal pair of frames.

    index: position in the video, from 0. span: (first, last) frame time, seconds.
    tokens: [n, d] rows as the language model would receive them, raster order.
    grid: (rows, columns) after the merger; n = rows * columns.
    deep: DeepStack rows, each [n, d]; empty for most models.
    scores: vision layer (1-based) -> [n] attention received; only layers a method asked for.
    """

    index: int
    span: tuple[float, float]
    tokens: Tensor
    grid: tuple[int, int]
    deep: tuple[Tensor, ...] = ()
    scores: Mapping[int, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Cursor:
    """Where the next row goes on the position timeline.

    next: the position a text row would take now. video: where the running video block started, for
    families whose visual positions count from the block's start (None outside a block).
    units: visual units placed in the running block. began: when its first unit began, seconds, for families whose
    visual positions tell the time.
    """

    next: int = 0
    video: int | None = None
    units: int = 0
    began: float | None = None


@dataclass(frozen=True)
class Span:
    """Rows to append to the cache, with explicit positions.

    ids: int64 [n], the placeholder id at visual rows. embeds: [n, d].
    positions: int64 [3, n] for M-RoPE families, [1, n] otherwise.
    unit: int32 [n], index of the unit a row belongs to (its time tags and markers too), -1 for plain text.
    patch: int32 [n], raster index of a visual row in its unit's grid, -1 for text.
    deep: DeepStack rows of the visual rows, each [visual rows, d].
    cursor: where the row after this span goes.
    """

    ids: Tensor
    embeds: Tensor
    positions: Tensor
    unit: Tensor
    patch: Tensor
    cursor: Cursor
    deep: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    @property
    def visual(self) -> Tensor:
        """bool [n], True at visual rows."""
        return self.patch >= 0

    @staticmethod
    def join(spans: Sequence[Span]) -> Span:
        """Several consecutive spans as one, for a single forward. Raises ValueError when empty."""
        if not spans:
            raise ValueError("no spans to join")
        if len(spans) == 1:
            return spans[0]
        depth = max(len(span.deep) for span in spans)
        deep = tuple(
            torch.cat([span.deep[level] for span in spans if len(span.deep) > level]) for level in range(depth)
        )
        return Span(
            ids=torch.cat([span.ids for span in spans]),
            embeds=torch.cat([span.embeds for span in spans]),
            positions=torch.cat([span.positions for span in spans], dim=1),
            unit=torch.cat([span.unit for span in spans]),
            patch=torch.cat([span.patch for span in spans]),
            cursor=spans[-1].cursor,
            deep=deep,
        )


@dataclass(frozen=True)
class ModelInfo:
    """What was loaded and why.

    name: hub id, folder, or `tiny`. revision: commit or content digest, None if unknown.
    name_reason, device_reason, dtype_reason: why, one phrase each, shown in reports; `as asked` where the user said so.
    parameters: count. weight_bytes: bytes of all parameters as loaded.
    architecture: its class in transformers. quantisation: how the decoder's weights were made small, `int8 with
    torchao`, None where they were not. adapter: the LoRA adapter folded into them. kv_devices: where each layer that
    keeps entries has them; empty where all are on `device`.
    """

    name: str
    name_reason: str
    family: str
    revision: str | None
    device: str
    device_reason: str
    dtype: str
    dtype_reason: str
    attention: str
    parameters: int
    weight_bytes: int
    context: int
    frames_per_unit: int
    tower: TowerDims
    decoder: DecoderDims
    kv_bytes_per_token: int
    architecture: str | None = None
    quantisation: str | None = None
    adapter: str | None = None
    kv_devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Geometry:
    """The resolution fixed once per video, so that every unit has the same grid.

    size: (height, width) in pixels after resizing. grid: (rows, columns) of language-model tokens.
    patches: vision patches per unit.
    """

    size: tuple[int, int]
    grid: tuple[int, int]
    patches: int

    @property
    def tokens(self) -> int:
        """Language-model tokens per unit before pruning."""
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True)
class Prepared:
    """Whole units of pictures, as the vision tower takes them.

    spans: (first, last) frame time of each unit, seconds.
    patches: the tower's input on the model's device, the same number of rows for each unit, unit by unit; what a row
    holds is the family's affair (Qwen: [units * patches, 3 * temporal * patch * patch], fp32, normalised).
    """

    spans: tuple[tuple[float, float], ...]
    patches: Tensor

    def __len__(self) -> int:
        return len(self.spans)


class VideoLM(ABC):
    """A loaded video-language model. Stateless between calls: one instance serves many sessions.

    runs_layer_policies: whether `forward` takes a LayerPolicy.
    """

    info: ModelInfo
    runs_layer_policies: bool = False

    @property
    def writes_together(self) -> bool:
        """Whether there is a `forward_together`."""
        return False

    @abstractmethod
    def geometry(self, size: tuple[int, int], pixels: int | None = None) -> Geometry:
        """The fixed resolution for frames of `size` (width, height) under a budget of `pixels` per frame.

        None takes the checkpoint's own default. Raises UsageError when the budget is below one token.
        """

    @abstractmethod
    def shrink(self, frame: Frame, geometry: Geometry) -> Frame:
        """The frame at the size the model looks at: uint8 [3, *geometry.size], on the CPU.

        What is prepared from it is, bit for bit, what is prepared from the frame itself; a frame that has been shrunk
        comes back as it is. Needs nothing of the device and may be called from any thread, so that whoever decodes can
        keep small pictures and do this work beside the model.
        """

    @abstractmethod
    def prepare(self, frames: Sequence[Frame], geometry: Geometry) -> Prepared:
        """Frames to the tower's input: shrink, normalise, cut into patches, move to the device.

        frames: of any size; whole units, `info.frames_per_unit` each; a shorter tail is completed by repeating its
        last frame. No frames give no units.
        """

    @abstractmethod
    def encode(self, prepared: Prepared, geometry: Geometry, first: int = 0, capture: Sequence[int] = ()) -> list[Unit]:
        """Prepared pictures to units: vision tower and merger.

        first: index of the first unit. capture: vision layers (1-based) whose received attention is wanted.
        Raises UsageError for a layer the tower does not have.
        """

    @abstractmethod
    def open(self, cursor: Cursor, system: str | None = None) -> Span:
        """The rows before the video (pinned prefix)."""

    @abstractmethod
    def place(self, cursor: Cursor, unit: Unit, keep: Tensor | None = None, merged: Tensor | None = None) -> Span:
        """Time tags, markers and the kept rows of one unit.

        keep: int64 ascending raster indices, None for all. merged: [len(keep), d] replacing the kept rows' values.
        Kept rows keep the positions they have in the whole unit; DeepStack rows are cut with the same indices.
        """

    @abstractmethod
    def question(self, cursor: Cursor, text: str, choices: Mapping[str, str] | None = None) -> Span:
        """The rows after the video, up to where the answer starts. choices: label -> text of the option."""

    @abstractmethod
    def continuation(self, cursor: Cursor, ids: Sequence[int]) -> Span:
        """Answer tokens already chosen, to be appended while decoding."""

    @abstractmethod
    def forward(self, span: Span, cache: object, *, layers: LayerPolicy | None = None) -> Tensor:
        """Append `span` to `cache`; logits [vocab] of its last row, fp32.

        cache: any transformers `Cache`. layers: asked before each layer; rows it lets leave are not in the caches of
        later layers, and logits are of the last row still there. Given only when `runs_layer_policies`.
        """

    def forward_together(self, spans: Sequence[Span], cache: object, seen: Tensor) -> Tensor:
        """Append a row to each of several answers; logits [answers, vocab], fp32.

        spans: one text row each. cache: a transformers `Cache` that holds them all, right-aligned. seen: int64
        [answers, columns of the cache + 1], 1 where a column belongs to the answer. Raises UsageError where not
        `writes_together`.
        """
        raise UsageError(f"the {self.info.family} family writes one answer at a time", "ask for one after another")

    def rotation(self) -> Rotation | None:
        """How the decoder rotates keys by position, None where it does not; for methods that need keys unrotated.

        Raises UsageError where the family does not say, or where it cannot be undone.
        """
        raise UsageError(
            f"the {self.info.family} family does not say how it rotates keys",
            "use a method that looks at keys as they are",
        )

    @abstractmethod
    def embed_query(self, text: str) -> Tensor:
        """[m, d] input embeddings of the question's tokens, for methods that compare them with visual rows."""

    @abstractmethod
    def label_ids(self, labels: Sequence[str]) -> list[int]:
        """The first token id the model would write for each answer label (all distinct, else UsageError)."""

    def spellings(self, labels: Sequence[str]) -> list[list[int]]:
        """For each answer label, every token that alone stands for it (`A`, ` A`, `(A`), no token twice.

        The first is that of `label_ids`. Raises UsageError as it does.
        """
        return [[token] for token in self.label_ids(labels)]

    @abstractmethod
    def text(self, ids: Sequence[int]) -> str:
        """Token ids to text, special tokens removed."""

    @property
    @abstractmethod
    def stop_ids(self) -> frozenset[int]:
        """Token ids that end an answer."""
