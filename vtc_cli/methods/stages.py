"""The stages a method can fill. A method is a dataclass; its fields are its options.

The core owns the invariants: text is never pruned, kept rows stay in order and keep their positions,
DeepStack rows are cut with the same indices, the budget is never exceeded. A method only returns
indices (or indices and merged rows).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from vtc_cli.errors import UsageError
from vtc_cli.methods.layer_policy import LayerPolicy as LayerPolicy
from vtc_cli.methods.layer_policy import LayerRows as LayerRows
from vtc_cli.methods.layer_policy import Route as Route
from vtc_cli.methods.method import API as API
from vtc_cli.methods.method import Calibration as Calibration
from vtc_cli.methods.method import Method as Method

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from vtc_cli.memory.contract import Inquiry, MemoryBuilder, Narrator, Recall, Recollection
    from vtc_cli.memory.lessons import Lesson, TrainingRequest
    from vtc_cli.memory.store import MemoryStore
    from vtc_cli.models.contract import ModelInfo, Unit, VideoLM
    from vtc_cli.video.frame import Frame


@dataclass
class FrameSampler(Method):
    """Which frames are worth encoding. Sees frames in time order, one at a time."""

    stage: ClassVar[str] = "sampler"

    @abstractmethod
    def sample(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames worth keeping, in order, without holding more than a bounded number of them."""


@dataclass(frozen=True)
class Kept:
    """What a pruner keeps of a unit.

    indices: int64 [k], ascending raster indices. tokens: [k, d] merged rows replacing the originals, or None.
    """

    indices: Tensor
    tokens: Tensor | None = None


@dataclass
class TokenPruner(Method):
    """Which rows of a unit enter the language model."""

    stage: ClassVar[str] = "pruner"

    @abstractmethod
    def budget(self, tokens: int) -> int:
        """How many of the next unit's `tokens` rows to keep, 1 <= k <= tokens."""

    def average(self, tokens: int) -> int:
        """Rows kept per unit over a long video, for plans: `budget`, unless a method spends unevenly over time."""
        return self.budget(tokens)

    @abstractmethod
    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        """At most `budget` rows of `unit`. query: [m, d] embeddings of the question, when `needs` has `query`."""

    def kinds(self, unit: Unit, kept: Kept, query: Tensor | None = None) -> Mapping[str, Tensor]:
        """Why each row was kept, for pictures: name -> int64 raster indices, every kept row in exactly one kind.

        Called right after `keep` gave `kept` for the same unit. Changes nothing that the method remembers.
        """
        return {"kept": kept.indices}


@dataclass(frozen=True)
class LayerView:
    """The evictable entries of one layer of the slab (the pinned prefix is not shown).

    keys, values: [H, n, D], keys rotated. unit, patch: int32 [H, n]; patch is -1 at text rows (time tags).
    layer: 0-based index; layers: how many there are. grid: (rows, columns) of a whole unit, through which `patch`
    counts in raster order; a pruner may have left any part of it.
    unrotated: computes the keys as they were before their positions turned them, fp32 [H, n, D]; for policies that
    need `unrotated`. None where the model does not rotate keys.
    attention: fp32 [H, n], how much the question's last rows attend to each entry if they were put on top now: the mean
    over these rows and over the query heads of a key head, 1 being all of a row's attention, the prefix and the
    question itself included. None unless the policy needs `question:<rows>`.
    """

    keys: Tensor
    values: Tensor
    unit: Tensor
    patch: Tensor
    layer: int
    layers: int
    attention: Tensor | None = None
    grid: tuple[int, int] | None = None
    unrotated: Callable[[], Tensor] | None = None


@dataclass
class CachePolicy(Method):
    """Which entries stay when the slab is full. Called between forwards, for all layers together.

    Subclasses have these options too; one with its own `__post_init__` calls this class's.

    budget: entries kept after the pinned prefix, or bytes like 512MB; 0 lets the engine choose.
    target: the share of the budget kept by one compaction.
    """

    stage: ClassVar[str] = "cache"

    budget: int = field(default=0, metadata={"bytes": True})
    target: float = 0.75

    def __post_init__(self) -> None:
        if self.budget < 0:
            raise ValueError(f"budget must be 0 (chosen by the engine) or more, not {self.budget}")
        if not 0 < self.target <= 1:
            raise ValueError(f"target must be above 0 and at most 1, not {self.target}")

    @property
    def asked_budget(self) -> int:
        """The budget that the options ask for: entries, or `Bytes`; 0 lets the engine choose."""
        return self.budget

    def options_on(self, model: ModelInfo) -> Mapping[str, Any]:
        return {**super().options_on(model), "budget": self.budget or None}

    def caveats(self, budget: int, unit: int) -> tuple[str, ...]:
        """What is said with every answer when the cache holds `budget` entries and the first unit has `unit` rows."""
        return ()

    def most_units(self) -> int | None:
        """How many units the cache may hold, whatever their size; None for as many as the budget holds.

        When one more would be too many, the cache is compacted before it comes in, and `wanted` says to how much.
        """
        return None

    def wanted(self, view: LayerView, most: int) -> int:
        """How many entries of this layer to keep, 0 to `most`: fewer only where the policy keeps whole units."""
        return most

    @abstractmethod
    def select(self, view: LayerView, keep: int) -> Tensor:
        """int64 [H, keep], ascending per head: the entries that stay. Pure; stable ties (the earlier slot wins)."""


@dataclass
class VideoMemory(Method):
    """What is remembered across the video, and what is recalled for a question.

    It fills a store while the video is watched, once; questions are answered from the store, now or months later. The
    core owns the file, the lock, the decoding and the encoding; the method decides what is worth a row, and which rows
    a question needs. Everything it stores must follow from what was shown until then, so that a build that was
    killed and resumed, and an answer as of a moment, equal those that never knew more.
    """

    stage: ClassVar[str] = "memory"

    @abstractmethod
    def content(self) -> Mapping[str, Any]:
        """What decides what is stored, as plain values: a store made with others is refused."""

    @abstractmethod
    def build(self, store: MemoryStore, narrator: Narrator) -> MemoryBuilder:
        """What takes in a video, from where `store` stands. Subtitles are in the store already."""

    @abstractmethod
    def recall(self, inquiry: Inquiry, using: Recall) -> Recollection:
        """The answer to a question from the store. Writes nothing."""

    def most(self, seconds: float) -> Mapping[str, int]:
        """Bounds that hold for any video of this length: `clips` and `events`; empty where there are none."""
        return {}

    def tunable(self) -> Mapping[str, tuple[Any, ...]]:
        """The options that decide the content and may be searched for the best: name -> values worth trying, in order.

        None where a memory has nothing to search.
        """
        return {}

    def train(self, lessons: Sequence[Lesson], model: VideoLM, narrator: Narrator, request: TrainingRequest) -> Path:
        """Learn what decides about the content from films with known answers; where it was written.

        The same request on the same folder goes on where it was stopped. Raises UsageError where there is nothing to
        learn, MachineError where a library is missing.
        """
        raise UsageError(f"{type(self).__name__} has nothing to train", "choose another memory with --method")
