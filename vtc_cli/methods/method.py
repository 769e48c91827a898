"""What every method is, whatever stage it fills: options, needs, and what it says of itself on a model."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from vtc_cli.errors import UsageError

if TYPE_CHECKING:
    from vtc_cli.models.contract import ModelInfo, VideoLM
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
