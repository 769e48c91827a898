"""From a session's running sums to the figures of one answer.

A session counts everything since it was opened. What belongs to watching is taken as it stands; what
belongs to one question is the difference to a copy of the sums taken just before it was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from vtc_cli.report.facts import Counts, Seconds, Work
from vtc_cli.report.flops import Forwards

Number = TypeVar("Number", int, float)

_ASKING = frozenset({"first_token", "generate", "prompt", "generated"})


def counts(sums: Mapping[str, int], context: int, before: Mapping[str, int] | None = None) -> Counts:
    """Counts of one answer. sums, before: the session's counters now and when the question came (None: zeros)."""
    return Counts(
        frames=sums["frames"],
        units=sums["units"],
        visual_in=sums["visual_in"],
        visual_kept=sums["visual_kept"],
        rows=sums["rows"],
        context=context,
        prompt=_since(sums, before, "prompt"),
        generated=_since(sums, before, "generated"),
    )


def work(sums: Mapping[str, int], before: Mapping[str, int] | None = None, method: int | None = None) -> Work:
    """What the answer's FLOPs are counted from; the same arguments."""
    return Work(
        vision=_forwards(sums, None, "vision", logits=False),
        prefill=_forwards(sums, None, "prefill"),
        question=_forwards(sums, before, "question"),
        decode=_forwards(sums, before, "decode"),
        method=method,
    )


def seconds(
    sums: Mapping[str, float],
    before: Mapping[str, float] | None = None,
    *,
    load: float | None = None,
    watch: float | None = None,
    first_token_cold: float | None = None,
) -> Seconds:
    """Seconds of one answer. sums, before: the session's stopwatches now and when the question came."""
    stages = ("decode", "preprocess", "vision", "method", "prefill", "first_token", "generate")
    return Seconds(
        load=load,
        watch=watch,
        first_token_cold=first_token_cold,
        **{stage: _since(sums, before, stage) if stage in _ASKING else sums.get(stage) for stage in stages},
    )


def _since(sums: Mapping[str, Number], before: Mapping[str, Number] | None, name: str) -> Number:
    return sums[name] - (before[name] if before and name in before else 0)


def _forwards(sums: Mapping[str, int], before: Mapping[str, int] | None, kind: str, *, logits: bool = True) -> Forwards:
    if f"{kind}_forwards" not in sums:  # none ran
        return Forwards()
    return Forwards(
        rows=_since(sums, before, f"{kind}_rows"),
        cached=_since(sums, before, f"{kind}_cross"),
        triangle=_since(sums, before, f"{kind}_causal"),
        square=_since(sums, before, f"{kind}_square"),
        logits=_since(sums, before, f"{kind}_forwards") if logits else 0,  # one row of logits per forward
    )
