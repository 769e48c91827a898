"""A summary as CSV: one line per row and skill, costs on the lines of all skills together."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from vtc_cli.bench.summary import ALL, Score, Summary

SCORES = (
    *("n", "right", "accuracy", "low", "high"),
    *("difference", "difference_low", "difference_high", "won", "lost", "p"),
)
FLAT = (
    *("watches", "by_question", "retention", "frames", "visual_in", "visual_kept", "rows", "entries", "entries_peak"),
    *("budget_entries", "evicted", "compactions", "kv_bytes_peak"),
)


def as_csv(summary: Summary) -> str:
    """The table, its header first. An empty cell is "not measured", or not there."""
    out = io.StringIO()
    lines = list(_lines(summary))
    names = list(dict.fromkeys(name for line in lines for name in line))
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _lines(summary: Summary) -> Iterator[dict[str, Any]]:
    for row in summary["rows"]:
        for skill in (ALL, *summary["skills"]):
            found = row["scores"].get(skill)
            yield {
                "method": row["name"],
                "skill": skill,
                **_picked(found, SCORES),
                "chance": summary["chance"].get(skill),
                **_evidence(row["evidence"].get(skill)),
                **(_costs(row["costs"]) if skill == ALL and row["costs"] else {}),
                **({f"official_{name}": value for name, value in row["official"].items()} if skill == ALL else {}),
                "error": (row["error"] or {}).get("message"),
            }


def _picked(found: Score | None, names: tuple[str, ...], prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": (found or {}).get(name) for name in names}


def _evidence(found: dict[str, Any] | None) -> dict[str, Any]:
    parts = {name: (found or {}).get(name) for name in ("kept", "gone")}
    return {
        key: value
        for name, part in parts.items()
        for key, value in _picked(part, ("n", "right", "accuracy", "low", "high"), f"{name}_").items()
    }


def _costs(found: dict[str, Any]) -> dict[str, Any]:
    flat = {name: found[name] for name in FLAT}
    for part in ("flops", "seconds", "memory"):
        flat |= {f"{part}_{name}": value for name, value in found[part].items()}
    return flat
