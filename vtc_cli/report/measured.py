"""From a session's running sums and one answer's own figures to the facts of a record.

What belongs to watching is taken from the session as it stands. What belongs to one question comes with the answer;
for forwards, which the session sums over all questions, it is the difference to a copy taken just before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from vtc_cli.report.facts import Counts, LayerWork, Seconds, Work
from vtc_cli.report.flops import Forwards, received

if TYPE_CHECKING:
    from vtc_cli.engine.meter import Routed
    from vtc_cli.models.contract import TowerDims

Sums = Mapping[str, Mapping[str, int]]  # kind of forward -> what `Forwards` holds, and how many there were


def counts(session: Mapping[str, int], answer: Mapping[str, int]) -> Counts:
    """Tokens of one answer. session: `Meter.counts`; answer: `Answer.counts`."""
    return Counts(
        frames=session["frames"],
        units=session["units"],
        visual_in=session["visual_in"],
        visual_kept=session["visual_kept"],
        rows=session["rows"],
        context=answer["context"],
        prompt=answer["prompt"],
        completing=answer.get("completing", 0),
        generated=answer["generated"],
    )


def work(
    now: Sums,
    before: Sums | None = None,
    *,
    captured: tuple[TowerDims, int] | None = None,
    products: int = 0,
    routed: Mapping[str, Routed] | None = None,
    routed_before: Mapping[str, Routed] | None = None,
) -> Work:
    """What one answer's FLOPs are counted from.

    now: `Meter.sums` after the answer; before: a deep copy from just before the question, None for the first one.
    captured: the tower, and in how many of its layers attention was read for a pruner. products: `Meter.products`.
    routed, routed_before: `Meter.routed` at the same moments.
    """
    vision = _forwards(now, None, "vision")
    return Work(
        vision=vision,
        prefill=_forwards(now, None, "prefill"),
        question=_forwards(now, before, "question"),
        decode=_forwards(now, before, "decode"),
        method=(products + ((received(captured[0], vision, captured[1]) or 0) if captured else 0)) or None,
        layers=_layer_work(routed, routed_before or {}) if routed else None,
    )


def seconds(
    session: Mapping[str, float],
    answer: Mapping[str, float],
    *,
    load: float | None = None,
    watch: float | None = None,
    first_token_cold: float | None = None,
) -> Seconds:
    """Seconds of one answer. session: `Meter.seconds`, a missing stage was not timed; answer: `Answer.seconds`."""
    return Seconds(
        load=load,
        decode=session.get("decode"),
        preprocess=session.get("preprocess"),
        vision=session.get("vision"),
        method=session.get("method"),
        prefill=session.get("prefill"),
        watch=watch,
        first_token=answer.get("first_token"),
        first_token_cold=first_token_cold,
        generate=answer.get("generate"),
    )


def _layer_work(now: Mapping[str, Routed], before: Mapping[str, Routed]) -> LayerWork:
    """Of watching and of this one question."""
    flops, rows = 0, [0] * max(len(told.rows) for told in now.values())
    for kind, told in now.items():
        had = before.get(kind) if kind != "prefill" else None
        flops += told.flops - (had.flops if had else 0)
        if kind != "decode":
            rows = [sum(layer) for layer in zip(rows, told.rows, strict=True)]
            rows = [count - gone for count, gone in zip(rows, had.rows, strict=True)] if had else rows
    return LayerWork(tuple(rows), flops)


def _forwards(now: Sums, before: Sums | None, kind: str) -> Forwards:
    def since(name: str) -> int:
        return now[kind].get(name, 0) - (before[kind].get(name, 0) if before is not None else 0)

    return Forwards(**{item.name: since(item.name) for item in fields(Forwards)})
