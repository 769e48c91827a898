"""The tables of `benchmarks.manager` in docs/memory.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.figures import table

NAMES = {"trained": "trained", "control": "with rewards dealt at random"}


def markdown(found: Mapping[str, Any]) -> str:
    """Rewards before and after, and memories side by side. found: as `manager.json` has it."""
    rewards = []
    for name, report in found["training"].items():
        apart, rise = report["kept_apart"], report["rise"]
        figures = [f"{apart[key]:.3f}" for key in ("before", "after", "rules", "blind", "best")]
        rewards.append([NAMES[name], *figures, _span(rise), str(apart["states"])])
    comparison = found["comparison"]
    rows = []
    for name, row in comparison["rows"].items():
        against = comparison["against"].get(name)
        per_minute = f"{row['tokens_per_minute']:.0f}"
        nats = f"{row['nats']:.3f}".replace("-", "−")
        right = f"{row['right']} of {row['questions']}"
        rows.append([name, per_minute, nats, right, "" if against is None else _span(against)])
    machine = found["machine"]
    return (
        "Mean reward of states of films kept apart:\n\n"
        + table(["", "before", "after", "rules", "drawn blindly", "best action", "rise", "states"], rewards)
        + "\n\nMemories of other films:\n\n"
        + table(["manager", "text tokens/min", "nats", "right", "trained is ahead by, nats"], rows)
        + f"\n\nMeasured on {found['date']}, {machine['processor']}, `{found['command']}`: "
        "[figures](../benchmarks/results/manager.json).\n"
    )


def _span(found: Mapping[str, float]) -> str:
    low, middle, high = (f"{found[key]:+.3f}".replace("-", "−") for key in ("low", "difference", "high"))
    return f"{middle} ({low} to {high})"
