"""What a report says of an answer that was found in a memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vtc_cli.report.units import clock, count


def recall_lines(record: Mapping[str, Any]) -> list[list[str]]:
    """Lines of facts: the stage and how sure it was, what the answer rests on, what the search cost."""
    recall = record.get("recall")
    if recall is None:
        return []
    trace = [step["stage"] for step in recall["trace"]]
    went = f"answered from {recall['stage']}" + (f" of {trace[0]} to {trace[-1]}" if len(trace) > 1 else "")
    sure = f"{recall['entropy']:.2f} nats, {recall['coverage']:.0%} on the answers"
    shown = "shown" if recall["supported"] else "not shown in what was found"
    moment = [f"as of {clock(recall['at'])}"] if recall["at"] is not None else []
    places = [
        f"{clock(item['t0'])} to {clock(item['t1'])}" + (f" ({item['level']}:{item['id']})" if item["id"] else "")
        for item in recall["intervals"][:3]
    ]
    looks = f"{count(recall['calls'])} look{'' if recall['calls'] == 1 else 's'}"
    cost = [
        looks,
        f"{count(recall['visual_tokens'])} visual tokens",
        f"{count(recall['decoded'])} frames decoded again",
    ]
    return [[went, sure, shown, *moment], places, cost]
