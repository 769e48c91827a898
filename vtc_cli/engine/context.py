"""What the language model has in view: the pinned prefix and the units that are still in the cache.

Every row enters here, so here the promises are kept: the budget holds at every step, a forward that fails leaves no
trace, and entries are only ever dropped between forwards.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from vtc_cli.engine.beginning import Beginning
from vtc_cli.engine.budget import ROWS_MARGIN, Allowance, allow
from vtc_cli.engine.cache_needs import rotation_for
from vtc_cli.engine.heap import give_back, memory
from vtc_cli.engine.layering import Kind, Layering
from vtc_cli.engine.meter import Meter
from vtc_cli.engine.products import products_of
from vtc_cli.engine.question_attention import QuestionAttention
from vtc_cli.engine.slab import Mark, Slab
from vtc_cli.errors import UsageError, VtcError
from vtc_cli.methods.stages import CachePolicy, LayerView
from vtc_cli.models.contract import Cursor, Span, Unit, VideoLM
from vtc_cli.models.registry import cannot

Placed = tuple[Unit, Span]


class Context:
    """The cache of one video and where its timeline stands.

    layering: what runs a layer policy, None without one. Where rows leave inside the decoder, layers hold different
    numbers of entries; the budget holds for each of them, and each is compacted when it is full.
    looking: the question, for a policy that keeps what it looks at.
    cursor: where the next row goes. units: how many units were taken in. times: unit -> (first, last) seconds, of
    the units still in the cache (older ones are forgotten now and then, so that the table stays bounded).
    """

    def __init__(
        self,
        model: VideoLM,
        policy: CachePolicy | None,
        meter: Meter,
        *,
        layering: Layering | None = None,
        looking: QuestionAttention | None = None,
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
        self._layering = layering
        self._looking = looking
        self._most_units = policy.most_units() if policy else None
        self._units_held = 0
        self._products: int | None = None  # of one layer's selection, known after the first
        self._dropped = [0] * model.info.decoder.cached
        self._rotation, self._numbering = rotation_for(policy, model, layering is not None)
        self._asked = asked
        self._expected = expected
        self._turn = turn
        self._prefix = model.open(Cursor(), system)
        self.cursor = self._prefix.cursor
        self._slab: Slab | None = None
        self._allowance: Allowance | None = None
        self._forget_above = 1024
        self.beginning: Beginning | None = None
        self.caveats: tuple[str, ...] = ()

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
        """Entries of the fullest layer, prefix included."""
        return self._slab.held if self._slab else 0

    @property
    def entries(self) -> int:
        """Entries of the fullest layer that count against the budget."""
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
        allowance = allow(
            info,
            prefix=len(self._prefix),
            turn=turn,
            unit=unit,
            asked=self._asked,
            units=self._expected,
            most=self._most_units,
        )
        slots = len(self._prefix) + allowance.entries + turn
        slab = Slab(
            info.decoder.layers,
            slots,
            uneven=self._layering is not None,
            rotation=self._rotation,
            recurrent=info.decoder.recurrent,
            windows=info.decoder.windows,
        )
        with self.meter.time("prefill"):
            self._forward(slab, self._prefix, "prefill")
        slab.pin(len(self._prefix))
        self._slab, self._allowance = slab, allowance
        self.caveats = self._policy.caveats(allowance.entries, unit) if self._policy else ()

    @property
    def layered(self) -> bool:
        """Whether a layer policy runs."""
        return self._layering is not None

    def take_over(
        self,
        slab: Slab,
        allowance: Allowance,
        *,
        cursor: Cursor,
        units: int,
        times: Mapping[int, tuple[float, float]],
    ) -> None:
        """Have a cache that another context filled (`engine.kept`), in place of `start`."""
        self._slab, self._allowance = slab, allowance
        self.cursor, self.units, self.times = cursor, units, dict(times)

    def outgrows(self, span: Span) -> bool:
        """Whether positions would pass the model's context with `span` and a turn, and entries may be re-numbered."""
        return self._numbering and not self.slab.numbered and span.cursor.next + self._turn > self.model.info.context

    def renumber(self) -> None:
        """Number entries by their slots from now on. To be called between forwards."""
        with self.meter.time("method"):
            self.slab.renumber()

    def room(self, rows: int, units: int = 1) -> bool:
        """Whether `rows` more entries stay within the budget, and `units` more units within what the policy holds."""
        assert self._allowance is not None
        crowded = self._most_units is not None and self._units_held + units > self._most_units
        return not crowded and self.entries + rows <= self._allowance.entries

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
            self.slab.grid = unit.grid
            self._units_held += 1
            self.meter.add("units")
            self.meter.add("visual_in", unit.tokens.shape[0])
            self.meter.add("visual_kept", int(span.visual.sum()))
            self.meter.add("rows", len(span))
        self.meter.peak("kv_budgeted_entries", self.entries)
        self.meter.peak("kv_budgeted_bytes", self.slab.evictable_nbytes)

    def forward(self, span: Span, kind: Kind) -> Tensor:
        """Rows into the cache; logits [vocab] of the last. On failure the cache is as it was."""
        return self._forward(self.slab, span, kind)

    def _forward(self, slab: Slab, span: Span, kind: Kind, counted: Kind | None = None) -> Tensor:
        mark, remembered = slab.snapshot(), self._layering.policy.snapshot() if self._layering else None
        through = self._layering.over(slab, kind) if self._layering else None
        if slab.numbered:
            first = mark.held
            span = replace(span, positions=torch.arange(first, first + len(span), device=span.positions.device)[None])
        try:
            slab.expect(span.unit, span.patch, span.positions)
            with memory(
                f"{len(span):,} rows over {mark.held:,} entries x {self.model.info.kv_bytes_per_token:,} bytes"
            ):
                logits = self.model.forward(span, slab, layers=through)
            ran = through.ran if through else [len(span)] * len(slab.blocks)
            grown = [held - before for held, (before, _) in zip(slab.lengths, mark.layers, strict=True)]
            if grown != ran:
                raise AssertionError(f"{ran} rows were to be appended to the layers, and they grew by {grown}")
        except BaseException:
            slab.rollback(mark)
            if self._layering:
                self._layering.policy.restore(remembered)
            raise
        layers = [(new, before) for new, (before, _) in zip(ran, mark.layers, strict=True)] if through else []
        own = through.flops if through else 0
        self.meter.forward(counted or kind, len(span), mark.held, logits=1, layers=layers, policy=own)
        self.meter.peak("kv_entries", slab.held)
        self.meter.peak("kv_bytes", slab.nbytes)
        return logits

    @contextmanager
    def passing(self) -> Iterator[Mark]:
        """What is forwarded in the block is gone after it, whatever happens: rows, and what a layer policy learned."""
        mark, remembered = self.slab.snapshot(), self._layering.policy.snapshot() if self._layering else None
        try:
            yield mark
        finally:
            self.slab.rollback(mark)
            if self._layering:
                self._layering.policy.restore(remembered)

    def _look(self, looking: QuestionAttention) -> list[Tensor]:
        with self.meter.time("method"):
            return looking.read(self.slab, self.cursor, self._ask_ahead, self.passing())

    def _ask_ahead(self, span: Span) -> Tensor:
        return self._forward(self.slab, span, "question", counted="prefill")  # it is part of watching

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
        if why := cannot(self.model.info.family, "cache"):
            raise UsageError(
                f"the cache is full after {self.units:,} units: {self.entries:,} entries + {rows:,} > {budget:,} "
                f"allowed, and {why}",
                "watch fewer frames (--fps, --max-frames), prune them (-m uniform), or raise --budget",
            )
        if self._policy is None:
            raise UsageError(
                f"the cache is full after {self.units:,} units: {self.entries:,} entries + {rows:,} > {budget:,} "
                "allowed, and no cache policy may evict any",
                "raise --budget, watch fewer frames, or choose a policy such as -m window",
            )
        policy, slab, before = self._policy, self.slab, max(self._dropped)
        # A layer that still has room is left alone: only where rows leave inside the decoder is there one.
        held = [length - slab.pinned for length in slab.lengths]
        counted = self._most_units is not None
        most = budget - rows if counted else min(int(policy.target * budget), budget - rows)
        keep = [
            entries if entries + rows <= budget and not counted else policy.wanted(slab.view(layer), min(most, entries))
            for layer, entries in enumerate(held)
        ]
        if any(not 0 <= wanted <= entries for wanted, entries in zip(keep, held, strict=True)):
            raise VtcError(
                f"{type(policy).__name__} wants to keep {keep} of {held} entries: this is a bug in the method"
            )
        paid = self._look(self._looking) if self._looking else None

        def choose(layer: int, policy: CachePolicy = policy) -> Tensor | None:
            if keep[layer] == held[layer]:
                return None
            view = slab.view(layer) if paid is None else replace(slab.view(layer), attention=paid[layer])
            return policy.select(view, keep[layer]) if keep[layer] else _nothing(view)

        choosing = [layer for layer in range(len(held)) if 0 < keep[layer] < held[layer]]
        try:
            if self._products is None and choosing:
                again = copy.deepcopy(policy)  # which may remember what it was shown
                self._products = products_of(lambda: choose(choosing[0], again))  # the layers of a cache are alike
            with self.meter.time("method"):
                slab.compact([choose(layer) for layer in range(len(held))])
        except VtcError:
            raise
        except ValueError as error:
            raise VtcError(f"{type(policy).__name__}: {error}: this is a bug in the method") from error
        self.meter.products += (self._products or 0) * len(choosing)
        kept = [length - slab.pinned for length in slab.lengths]
        if kept != keep:
            raise VtcError(f"{type(policy).__name__} kept {kept} entries of the layers when asked for {keep}")
        self._dropped = [gone + had - has for gone, had, has in zip(self._dropped, held, keep, strict=True)]
        self.meter.add("evicted", max(self._dropped) - before)
        self.meter.add("compactions")
        if counted:
            self._units_held = slab.view(0).unit[0].unique().numel()
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
