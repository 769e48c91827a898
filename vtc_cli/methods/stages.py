"""The stages a method can fill. A method is a dataclass; its fields are its options.

The core owns the invariants: text is never pruned, kept rows stay in order and keep their positions,
DeepStack rows are cut with the same indices, the budget is never exceeded. A method only returns
indices (or indices and merged rows).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from vtc_cli.models.contract import Unit
    from vtc_cli.video.frame import Frame

API = 1  # raised when a stage's signature changes; a method written for another number is refused


@dataclass
class Method(ABC):
    """Base of every method.

    stage: which stage it fills (set by the stage class). api: the contract it was written for.
    needs: what must be computed for it: `query`, `attention:<layer>[,<layer>]`, `router`. A method that needs
    nothing costs nothing.
    """

    stage: ClassVar[str]
    api: ClassVar[int] = API
    needs: ClassVar[frozenset[str]] = frozenset()

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
        """How many of a unit's `tokens` rows to keep, 1 <= k <= tokens."""

    @abstractmethod
    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        """At most `budget` rows of `unit`. query: [m, d] embeddings of the question, when `needs` has `query`."""


@dataclass
class LayerPolicy(Method):
    """What happens to visual rows inside the decoder while prefilling."""

    stage: ClassVar[str] = "layers"


@dataclass(frozen=True)
class LayerView:
    """The evictable entries of one layer of the slab (the pinned prefix is not shown).

    keys, values: [H, n, D], keys rotated. unit, patch: int32 [H, n]; patch is -1 at text rows (time tags).
    layer: 0-based index; layers: how many there are.
    """

    keys: Tensor
    values: Tensor
    unit: Tensor
    patch: Tensor
    layer: int
    layers: int


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

    @abstractmethod
    def select(self, view: LayerView, keep: int) -> Tensor:
        """int64 [H, keep], ascending per head: the entries that stay. Pure; stable ties (the earlier slot wins)."""


@dataclass
class VideoMemory(Method):
    """What is remembered across the video, and what is recalled for a question."""

    stage: ClassVar[str] = "memory"
