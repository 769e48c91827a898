"""What the language model has in view: the pinned prefix and the units that are still in the cache.

Every row enters here, so here the promises are kept: the budget holds at every step, a forward that fails leaves no
trace, and entries are only ever dropped between forwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from vtc_cli.engine.budget import ROWS_MARGIN, Allowance, allow
from vtc_cli.engine.heap import give_back
from vtc_cli.engine.meter import Meter
from vtc_cli.engine.slab import Slab
from vtc_cli.errors import MachineError, UsageError, VtcError
from vtc_cli.methods.stages import CachePolicy, LayerView
from vtc_cli.models.contract import Cursor, Span, Unit, VideoLM

Placed = tuple[Unit, Span]


class Context:
    """The cache of one video and where its timeline stands.

    cursor: where the next row goes. units: how many units were taken in. times: unit -> (first, last) seconds, of
    the units still in the cache (older ones are forgotten now and then, so that the table stays bounded).
    """

    def __init__(
        self,
        model: VideoLM,
        policy: CachePolicy | None,
        meter: Meter,
        *,
        asked: int | None,
        expected: int | None,
        turn: int,
        system: str | None,
    ):
        self.model = model
        self.meter = meter
        self.units = 0
        self.times: dict[int, tuple[float, float]] = {}
        self._policy = policy
        self._asked = asked
        self._expected = expected
        self._turn = turn
        self._prefix = model.open(Cursor(), system)
        self.cursor = self._prefix.cursor
        self._slab: Slab | None = None
        self._allowance: Allowance | None = None
        self._forget_above = 1024

    @property
    def slab(self) -> Slab:
        """The cache, once a unit's size is known."""
        assert self._slab is not None, "start() first"
        return self._slab

    @property
    def allowance(self) -> Allowance | None:
        """The budget, once a unit's size is known."""
        return self._allowance

    @property
    def held(self) -> int:
        """Entries per layer, prefix included."""
        return self._slab.held if self._slab else 0

    @property
    def entries(self) -> int:
        """Entries per layer that count against the budget."""
        return self._slab.evictable if self._slab else 0

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values in use."""
        return self._slab.nbytes if self._slab else 0

    def start(self, unit: int) -> None:
        """Take the slab, now that a unit is known to be `unit` rows, and put the prefix in. Later calls do nothing."""
        if self._slab is not None:
            return
        info = self.model.info
        # A cut unit shown for one question needs room of its own: like the question, it is outside the budget.
        turn = self._turn + (unit + ROWS_MARGIN if info.frames_per_unit > 1 else 0)
        allowance = allow(info, prefix=len(self._prefix), turn=turn, unit=unit, asked=self._asked, units=self._expected)
        slab = Slab(info.decoder.layers, len(self._prefix) + allowance.entries + turn)
        with self.meter.time("prefill"):
            self._forward(slab, self._prefix, "prefill")
        slab.pin(len(self._prefix))
        self._slab, self._allowance = slab, allowance

    def room(self, rows: int) -> bool:
        """Whether `rows` more entries stay within the budget."""
        assert self._allowance is not None
        return self.entries + rows <= self._allowance.entries

    def append(self, placed: Sequence[Placed]) -> None:
        """One forward over consecutive units, and only then the books."""
        if not placed:
            return
        with self.meter.time("prefill"):
            self.forward(Span.join([span for _, span in placed]), "prefill")
        for unit, span in placed:
            self.cursor = span.cursor
            self.units = unit.index + 1
            self.times[unit.index] = unit.span
            self.meter.add("units")
            self.meter.add("visual_in", unit.tokens.shape[0])
            self.meter.add("visual_kept", int(span.visual.sum()))
            self.meter.add("rows", len(span))
        self.meter.peak("kv_budgeted_entries", self.entries)
        self.meter.peak("kv_budgeted_bytes", self.nbytes * self.entries // self.held)

    def forward(self, span: Span, kind: str) -> Tensor:
        """Rows into the cache; logits [vocab] of the last. On failure the cache is as it was."""
        return self._forward(self.slab, span, kind)

    def _forward(self, slab: Slab, span: Span, kind: str) -> Tensor:
        mark = slab.snapshot()
        try:
            slab.expect(span.unit, span.patch)
            with memory(
                f"{len(span):,} rows over {mark.held:,} entries x {self.model.info.kv_bytes_per_token:,} bytes"
            ):
                logits = self.model.forward(span, slab)
            if slab.held != mark.held + len(span):
                raise AssertionError(f"{len(span)} rows were appended, and the cache grew by {slab.held - mark.held}")
        except BaseException:
            slab.rollback(mark)
            raise
        self.meter.forward(kind, len(span), mark.held, logits=1)
        self.meter.peak("kv_entries", slab.held)
        self.meter.peak("kv_bytes", slab.nbytes)
        return logits

    def make_room(self, rows: int) -> None:
        """Compact so that `rows` more entries stay within the budget.

        Raises UsageError when they cannot: more than the whole budget, or no policy to evict anything.
        """
        assert self._allowance is not None
        budget, each = self._allowance.entries, self.model.info.kv_bytes_per_token
        if rows > budget:
            raise UsageError(
                f"unit {self.units} takes {rows:,} entries x {each:,} bytes, the cache budget is {budget:,} entries",
                f"raise --budget to {rows:,} or more, or lower --pixels",
            )
        if self._policy is None:
            raise UsageError(
                f"the cache is full after {self.units:,} units: {self.entries:,} entries + {rows:,} > {budget:,} "
                "allowed, and no cache policy may evict any",
                "raise --budget, watch fewer frames, or choose a policy such as -m window",
            )
        keep = min(int(self._policy.target * budget), budget - rows, self.entries)
        dropped, select = self.entries - keep, self._policy.select
        with self.meter.time("method"):
            try:
                self.slab.compact(lambda view: select(view, keep) if keep else _nothing(view))
            except ValueError as error:
                raise VtcError(f"{type(self._policy).__name__}: {error}: this is a bug in the method") from error
        if self.entries != keep:
            raise VtcError(f"{type(self._policy).__name__} kept {self.entries} entries when asked for {keep}")
        self.meter.add("evicted", dropped)
        self.meter.add("compactions")
        self._forget()
        if self.model.info.device.startswith("cpu"):
            give_back()

    def _forget(self) -> None:
        """Drop the times of units that no layer holds any more; rarely, since it looks at every label."""
        if len(self.times) > self._forget_above:
            layers = range(len(self.slab.blocks))
            alive = {unit for layer in layers for unit in self.slab.view(layer).unit.unique().tolist()}
            self.times = {unit: span for unit, span in self.times.items() if unit in alive}
            self._forget_above = 2 * len(self.times) + 1024


def _nothing(view: LayerView) -> Tensor:
    return torch.empty((view.unit.shape[0], 0), dtype=torch.int64, device=view.unit.device)


@contextmanager
def memory(doing: str) -> Iterator[None]:
    """Turn an allocator's failure into an error that says what was being done."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MachineError(
                f"out of memory: {doing}: {str(error).splitlines()[0]}",
                "lower --budget, --chunk or --pixels, or use --dtype bfloat16",
            ) from error
        raise
