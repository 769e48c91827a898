"""What a row cost, from its records: means over watchings and over questions, peaks over all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vtc_cli.bench.lines import Line

Record = dict[str, Any]
PER_WATCH_FLOPS = ("vision", "method", "layers", "prefill")
PER_QUESTION_FLOPS = ("question", "decode")
PER_WATCH_SECONDS = ("decode", "preprocess", "vision", "method", "prefill", "watch")
PER_QUESTION_SECONDS = ("first_token", "generate")


def costs(lines: Sequence[Line]) -> dict[str, Any]:
    """The costs of one row. lines: its own, in the plan's order.

    Watching is counted once per film, or once per question where a method looks at the question. Figures are means
    unless they are called a peak; FLOP, bytes, seconds; null is "not measured". `flops.watch` and `flops.answer` are
    the sums of their parts.
    """
    answers: list[Record] = [line["record"] for line in lines]
    watches = _watches(lines)
    seen, kept = _sum(watches, "tokens", "visual_in"), _sum(watches, "tokens", "visual_kept")
    flops = {name: _mean(watches, "flops", name) for name in PER_WATCH_FLOPS}
    flops |= {name: _mean(answers, "flops", name) for name in PER_QUESTION_FLOPS}
    flops["watch"] = _total(flops[name] for name in PER_WATCH_FLOPS)
    flops["answer"] = _total(flops[name] for name in PER_QUESTION_FLOPS)
    flops["watch_without_method"] = _mean(watches, "flops", "without_method")
    seconds = {name: _mean(watches, "seconds", name) for name in PER_WATCH_SECONDS}
    seconds |= {name: _mean(answers, "seconds", name) for name in PER_QUESTION_SECONDS}
    return {
        "watches": len(watches),
        "by_question": any(line["by_question"] for line in lines),
        "retention": kept / seen if seen else None,
        "frames": _mean(watches, "tokens", "frames"),
        "visual_in": _mean(watches, "tokens", "visual_in"),
        "visual_kept": _mean(watches, "tokens", "visual_kept"),
        "rows": _mean(watches, "tokens", "rows"),
        "entries": _mean(answers, "tokens", "context"),
        "entries_peak": _peak(watches, "cache", "entries_peak"),
        "budget_entries": _peak(watches, "cache", "budget_entries"),
        "evicted": _mean(watches, "cache", "evicted"),
        "compactions": _mean(watches, "cache", "compactions"),
        "kv_bytes_peak": _peak(watches, "cache", "bytes_peak"),
        "flops": flops,
        "seconds": seconds,
        "memory": {
            name: _peak(answers, "memory", name) for name in ("rss_peak", "rss_after_load", "gpu_peak", "mps_peak")
        },
    }


def _watches(lines: Sequence[Line]) -> list[Record]:
    """One record of each watching. Which of a film's records it is does not matter: all hold the same costs."""
    if any(line["by_question"] for line in lines):
        return [line["record"] for line in lines]
    return list({line["case"]: line["record"] for line in reversed(lines)}.values())[::-1]


def _values(records: Sequence[Record], part: str, name: str) -> list[float]:
    found = [record[part].get(name) for record in records if record.get(part) is not None]
    return [value for value in found if value is not None]


def _sum(records: Sequence[Record], part: str, name: str) -> float:
    return sum(_values(records, part, name))


def _mean(records: Sequence[Record], part: str, name: str) -> float | None:
    found = _values(records, part, name)
    return sum(found) / len(found) if found else None


def _peak(records: Sequence[Record], part: str, name: str) -> float | None:
    return _most(_values(records, part, name))


def _most(values: Sequence[float]) -> float | None:
    return max(values) if values else None


def _total(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
