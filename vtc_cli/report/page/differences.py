"""What was asked for in each run: the same in all of them, or different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vtc_cli.report.page.reading import Record
from vtc_cli.report.page.runs import Run
from vtc_cli.report.units import method_text

UNSAID = "–"
# Parts of a record that decide an answer or its cost, in the order shown. `fingerprint` says nothing to people.
PARTS = ("settings", "model", "sampling", "cache", "versions", "machine")
OF_VIDEO = ("sampling", "cache")
BETWEEN = "; "
OMITTED = {
    "settings": ("fingerprint", "method"),
    "model": ("parameters", "weight_bytes", "kv_bytes_per_token"),
    "cache": ("entries_peak", "bytes_peak", "evicted", "compactions", "split", "reason"),
    "sampling": ("frames", "start", "end"),
}


@dataclass(frozen=True)
class Settings:
    """same: (name, value) of what all runs share. different: names; of_run: their values, in order, by run number."""

    same: tuple[tuple[str, str], ...]
    different: tuple[str, ...]
    of_run: Mapping[int, tuple[str, ...]]


def settings_of(runs: Sequence[Run]) -> Settings:
    """Every setting of the runs. A value that differs within a run is shown as `a; b`."""
    tables = {run.number: _table(run.records) for run in runs}
    names = list(dict.fromkeys(name for table in tables.values() for name in table))
    # What follows each video's size is no setting of a run that watched several.
    names = [
        name for name in names if not (name.startswith(OF_VIDEO) and any(_several(t, name) for t in tables.values()))
    ]
    values = {name: {number: table.get(name, UNSAID) for number, table in tables.items()} for name in names}
    same = tuple((name, next(iter(of.values()))) for name, of in values.items() if len(set(of.values())) == 1)
    different = tuple(name for name, of in values.items() if len(set(of.values())) > 1)
    of_run = {run.number: tuple(values[name][run.number] for name in different) for run in runs}
    return Settings(tuple((name, value) for name, value in same if value != UNSAID), different, of_run)


def _table(records: Sequence[Record]) -> dict[str, str]:
    """Name -> value, several values of one run joined."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for name, value in _facts(record).items():
            found.setdefault(name, {})[value] = None
    return {name: BETWEEN.join(values) for name, values in found.items()}


def _several(table: Mapping[str, str], name: str) -> bool:
    return BETWEEN in table.get(name, "")


def _facts(record: Record) -> dict[str, str]:
    facts = {"methods": " · ".join(method_text(one["stage"], one["name"], one["options"]) for one in record["methods"])}
    for part in PARTS:
        for name, value in (record.get(part) or {}).items():
            if name in OMITTED.get(part, ()) or value is None:
                continue
            facts[(name if part == "settings" else f"{part} {name}").replace("_", " ")] = _shown(value)
    return facts


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " × ".join(map(_shown, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items()) or "none"
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
