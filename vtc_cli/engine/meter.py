"""Stopwatches and counters of one session, in bounded memory.

Everything is a running sum, so that an hour costs as much to count as a minute. Compute is not estimated here: the
sums here are exactly what the analytic formulas need.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")

STAGES = ("decode", "preprocess", "vision", "method", "prefill", "first_token", "generate")
"""Stages every session times. `decode` is the time spent waiting for frames."""

COUNTS = {
    "frames": "frames received",
    "units": "units encoded for good (a cut pair shown for one question only is not)",
    "visual_in": "visual rows out of the vision tower",
    "visual_kept": "visual rows that entered the language model",
    "rows": "rows of units placed in the language model, time tags and markers included",
    "evicted": "entries dropped by compactions, per layer and head",
    "compactions": "compactions",
    "questions": "questions answered",
    "prompt": "rows of the questions",
    "generated": "answer tokens",
}
"""Plain counters. Forwards are counted apart, see `Meter.sums`."""

FORWARD_KINDS = ("vision", "prefill", "question", "decode")

_SUMS = ("rows", "cached", "triangle", "square")


@dataclass
class Routed:
    """What a layer policy made of forwards of one kind. rows: that ran through each layer; flops: its own."""

    rows: list[int]
    flops: int = 0


class Meter:
    """Time, counts and peaks of one session.

    seconds: stage -> seconds, for the stages of `STAGES`. A stage nested in another counts for itself only, so the
    stages add up. Edges wait for the device when it is a CUDA device (`device="cuda:0"`).
    counts: see `COUNTS`. sums: see `forward`. routed: with a layer policy, kind of forward -> what it made of them.
    products: FLOP of the matrix products that a pruner and a cache policy did for themselves while watching.
    peaks: largest value of each figure noted: `kv_bytes` (keys and values in use, prefix and turn included),
    `kv_budgeted_bytes` (those of the entries that count against the budget), `kv_entries`, `kv_budgeted_entries`.
    """

    def __init__(self, device: str = "cpu"):
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.counts: dict[str, int] = dict.fromkeys(COUNTS, 0)
        self.sums: dict[str, dict[str, int]] = {
            kind: dict.fromkeys(("forwards", *_SUMS, "logits", *(f"spared_{name}" for name in _SUMS)), 0)
            for kind in FORWARD_KINDS
        }
        self.routed: dict[str, Routed] = {}
        self.products = 0
        self.peaks: dict[str, int] = {}
        self._device = device
        self._running: list[tuple[str, float]] = []

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time spent in the block to `stage`; the stage around it, if any, stands still meanwhile."""
        self._enter(stage)
        try:
            yield
        finally:
            self._leave()

    def waited(self, frames: Iterable[Item]) -> Iterator[Item]:
        """The same items; the time spent waiting for each counts as `decode`."""
        iterator = iter(frames)
        while True:
            with self.time("decode"):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a counter."""
        self.counts[name] = self.counts.get(name, 0) + amount

    def forward(
        self,
        kind: str,
        rows: int,
        cached: int,
        *,
        times: int = 1,
        logits: int = 0,
        layers: Sequence[tuple[int, int]] = (),
        policy: int = 0,
    ) -> None:
        """Count `times` forwards, each of n = `rows` new rows over c = `cached` entries.

        kind: `vision` (patches of one unit, nothing cached), `prefill` (prefix and units), `question` or `decode`.
        logits: rows of each the output layer was applied to. layers: (n, c) of every layer, where they differ; rows and
        cached are then those of the widest. Added to `sums[kind]`: `forwards`; `rows`, the sum of n; `cached`, of n c;
        `triangle`, of n (n + 1) / 2; `square`, of n n; `logits`; and `spared_rows` to `spared_square`, how much less
        than that the layers did, all layers together. policy: FLOP a layer policy computed for its own ends; it and the
        rows of every layer are added to `routed[kind]`.
        """
        sums = self.sums[kind]
        whole = _sums(rows, cached)
        sums["forwards"] += times
        sums["logits"] += logits * times
        for name, amount in whole.items():
            sums[name] += amount * times
        for layer in layers:
            for name, amount in _sums(*layer).items():
                sums[f"spared_{name}"] += (whole[name] - amount) * times
        if layers:
            told = self.routed.setdefault(kind, Routed([0] * len(layers)))
            told.rows = [had + new * times for had, (new, _) in zip(told.rows, layers, strict=True)]
            told.flops += policy * times

    def peak(self, name: str, value: int) -> None:
        """Note a figure; the largest is kept."""
        if value > self.peaks.get(name, -1):
            self.peaks[name] = value

    def _enter(self, stage: str) -> None:
        now = self._now()
        if self._running:
            self._credit(now)
        self._running.append((stage, now))

    def _leave(self) -> None:
        now = self._now()
        self._credit(now)
        self._running.pop()
        if self._running:
            self._running[-1] = (self._running[-1][0], now)

    def _credit(self, now: float) -> None:
        stage, since = self._running[-1]
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - since

    def _now(self) -> float:
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def _sums(rows: int, cached: int) -> dict[str, int]:
    return {"rows": rows, "cached": rows * cached, "triangle": rows * (rows + 1) // 2, "square": rows * rows}
