"""The stage inside the decoder: what happens to visual rows from layer to layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from vtc_cli.methods.method import Method

if TYPE_CHECKING:
    from torch import Tensor, nn


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
