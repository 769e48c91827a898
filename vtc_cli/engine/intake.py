"""Units into the cache: pruned, placed, and room made just before the one that would not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vtc_cli.engine.context import Context, Placed
from vtc_cli.engine.meter import Meter
from vtc_cli.engine.prune import Pruned, Pruning
from vtc_cli.methods.stages import Kept
from vtc_cli.models.contract import Cursor, Span, Unit, VideoLM

Show = Callable[[Pruned], None]
"""Called with every unit and what is kept of it."""


class Intake:
    """How the units of one video enter its context."""

    def __init__(self, model: VideoLM, context: Context, pruning: Pruning, meter: Meter):
        self._model, self._context, self._pruning, self._meter = model, context, pruning, meter

    def append(self, units: Sequence[Unit], show: Show | None) -> None:
        """Append whole units, in time order, compacting where the budget demands it.

        Raises UsageError when a unit cannot fit the budget, MachineError when memory runs out.
        """
        waiting: list[Placed] = []
        cursor, context = self._context.cursor, self._context
        for unit in units:
            kept = None
            if self._pruning.pruner is not None:
                self._meter.products += self._pruning.products(unit)
                with self._meter.time("method"):
                    kept = self._pruning.keep(unit)
            span = self._placed(cursor, unit, kept, show)
            if context.outgrows(span):
                context.append(waiting)
                waiting = []
                context.renumber()
            if not context.room(sum(len(placed) for _, placed in waiting) + len(span), len(waiting) + 1):
                # What waits may take less than its rows: only when it is in does each layer say what it holds.
                context.append(waiting)
                waiting = []
                if not context.room(len(span)):
                    context.make_room(len(span))
            waiting.append((unit, span))
            cursor = span.cursor
        context.append(waiting)

    def passing(self, unit: Unit, show: Show | None) -> Placed:
        """A unit that questions see after what is held and that is never appended; the pruner forgets it."""
        return unit, self._placed(self._context.cursor, unit, self._pruning.peek(unit), show)

    def _placed(self, cursor: Cursor, unit: Unit, kept: Kept | None, show: Show | None) -> Span:
        if show is not None:
            show(self._pruning.pruned(unit, kept))
        if kept is None:
            span = self._model.place(cursor, unit)
        else:
            span = self._model.place(cursor, unit, kept.indices, kept.tokens)
        self._context.start(len(span))
        return span
