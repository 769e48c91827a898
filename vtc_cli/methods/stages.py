"""The stages a method can fill. A method is a dataclass; its fields are its options.

The core owns the invariants: text is never pruned, kept rows stay in order and keep their positions,
DeepStack rows are cut with the same indices, the budget is never exceeded. A method only returns
indices (or indices and merged rows).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vtc_cli.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from vtc_cli.memory.contract import Inquiry, MemoryBuilder, Narrator, Recall, Recollection
    from vtc_cli.memory.lessons import Lesson, TrainingRequest
    from vtc_cli.memory.store import MemoryStore
    from vtc_cli.models.contract import ModelInfo, Unit, VideoLM
    from vtc_cli.video.frame import Frame

API = 1  # raised when a stage's signature changes; a method written for another number is refused


@dataclass(frozen=True)
class Calibration:
    """What a method found out about a model.

    options: the values to run it with, by option. columns, rows: the measurements behind them, one row per case.
    notes: sentences for the reader.
    """

    options: Mapping[str, Any]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[float | int | str, ...], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Method(ABC):
    """Base of every method.

    stage: which stage it fills (set by the stage class). api: the contract it was written for.
    needs: what must be computed for it: `query`, `attention:<layer>[,<layer>]`, `router`, and for a cache policy
    `question:<rows>`, the attention of the question's last rows (`LayerView.attention`), `unrotated`, the keys before
    rotation, `slots`: entries are re-numbered from 0 once a model with one-dimensional positions would pass its
    context, and `whole`: units come into the cache with all their rows, so that a pruner or a layer policy beside it is
    refused. A method that needs nothing costs nothing.
    instead: the method to name where the question is not known beforehand and this one needs it.
    """

    stage: ClassVar[str]
    api: ClassVar[int] = API
    needs: ClassVar[frozenset[str]] = frozenset()
    instead: ClassVar[str | None] = None

    @classmethod
    def by_question(cls) -> bool:
        """Whether it looks at the question, so that a video must be watched once for each."""
        return any(need == "query" or need.startswith("question:") for need in cls.needs)

    def needs_on(self, model: ModelInfo) -> frozenset[str]:
        """What must be computed for it on this model: `needs`, unless it depends on the model.

        Called before the model is loaded where its configuration is at hand, and again before each video.
        Raises ValueError for options that this model cannot have.
        """
        return self.needs

    def options_on(self, model: ModelInfo) -> Mapping[str, Any]:
        """Its options as they take effect on this model, for records: what was left to the model is filled in, and
        what has no part in it is None. Called after `needs_on`."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

    @classmethod
    def calibrate(cls, model: VideoLM, clips: Sequence[Sequence[Frame]]) -> Calibration:
        """Find the options that suit a model. clips: pictures to look at, each clip whole units of one size.

        Raises UsageError where there is nothing to calibrate, ValueError when it cannot be done.
        """
        raise UsageError(f"{cls.__name__} has nothing to calibrate", "`vtc methods` lists the others")

    def reset(self) -> None:  # noqa: B027 (most methods have nothing to forget)
        """Forget everything about the previous video. Called before each one."""


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
class LayerRows:
    """The rows about to enter one decoder layer: those of one forward that have not left the sequence.

    layer: 0-based; layers: how many there are. block: the layer itself, for a policy with weights of its own.
    hidden: [n, d] states before the layer's norm. positions: int64 [axes, n]. unit, patch: int32 [n]; patch is -1 at
    text rows, unit is -1 at text outside the video.
    kind: `prefill` (rows of units, or the prefix), `question` (gone after the answer; a cut unit may be among them) or
    `decode` (one answer token).
    attention: int64 [q] -> fp32 [heads, q, n], the attention that these rows of `hidden` paid to every row in the layer
    before, the cached entries included in the softmax but not shown. 0 for rows that come later, or did not run there.
    Only what is asked for is computed. Raises ValueError at layer 0, and for a row that did not run there.
    """

    layer: int
    layers: int
    block: nn.Module
    hidden: Tensor
    positions: Tensor
    unit: Tensor
    patch: Tensor
    attention: Callable[[Tensor], Tensor]
    kind: Literal["prefill", "question", "decode"] = "prefill"


@dataclass(frozen=True)
class Route:
    """What becomes of the rows at a layer. None everywhere: nothing changes, and nothing is copied.

    stay: int64 [k], ascending: the others leave for good. This layer and all after it never see them; the caches of
    the layers before keep them.
    hidden: [k, d], new states of the rows that stay (merged rows, text that takes over what leaves).
    through: int64 [m], ascending, into the rows that stay: only these run through this layer and enter its cache. The
    others pass it by unchanged and are there again at the next.
    gate: [m], factor on what the layer adds to each row that runs through it.
    flops: what the policy computed for this, multiply + add = 2; `LayerRows.attention` is counted already. Negative
    where it made the layer itself cheaper.
    """

    stay: Tensor | None = None
    hidden: Tensor | None = None
    through: Tensor | None = None
    gate: Tensor | None = None
    flops: int = 0


@dataclass
class LayerPolicy(Method):
    """What happens to visual rows inside the decoder.

    It is asked before each layer it acts at, in every forward: units come in one or several at a time, long before any
    question. Its choice for a unit must rest on that unit's rows and what came before, so that answers do not depend on
    how many units share a forward. The core holds it to this: text rows always stay and always run through; rows keep
    their order and their positions.
    """

    stage: ClassVar[str] = "layers"

    def acts_at(self, layers: int) -> Collection[int]:
        """The layers (0-based) of `layers` where `enter` and `around` are to be called."""
        return range(layers)

    @abstractmethod
    def enter(self, rows: LayerRows) -> Route:
        """What becomes of the rows at this layer. Changes nothing it is given."""

    def around(self, rows: LayerRows) -> AbstractContextManager[None]:
        """Entered while the layer runs over `rows`, those that run through it: the place for hooks on `rows.block`,
        such as one that sends visual rows to fewer experts. Must undo on exit what it installed."""
        return nullcontext()

    def entries(self, visual: int, layers: int) -> Sequence[int]:
        """How many of a unit's `visual` rows (all that entered the decoder) each layer runs and caches, for plans."""
        return [visual] * layers

    def snapshot(self) -> object:
        """What `restore` needs to take back everything remembered from here on. A policy that remembers nothing
        between forwards needs neither."""
        return None

    def restore(self, mark: object) -> None:
        """Back to `mark`: a question is over, or a forward has failed."""


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
