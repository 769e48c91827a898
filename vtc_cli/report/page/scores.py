"""Tables beside plain right and wrong: a suite's own figures, moments kept and gone, answers from a memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vtc_cli.bench.lines import still_held
from vtc_cli.bench.published.rules import official
from vtc_cli.bench.summary import score
from vtc_cli.report.page.runs import Run
from vtc_cli.report.units import count

Table = dict[str, Any]


def own_figures(runs: Sequence[Run], comparison: int, facts: Mapping[str, Any]) -> Table | None:
    """The figures of the suite's own rule for each row; None where it has no rule beyond right and wrong."""
    rows = [run for run in runs if run.comparison == comparison]
    if not all("group" in line and "points" in line for run in rows for line in run.lines):
        return None  # written before lines held what the rules look at
    figures = {run.number: official(str(facts.get("suite")), run.lines) for run in rows}
    names = list(dict.fromkeys(name for found in figures.values() for name in found))
    if not names:
        return None
    cells = {number: [_percent(found.get(name)) for name in names] for number, found in figures.items()}
    return {
        "columns": [name.replace("_", " ") for name in names],
        "rows": [{"number": run.number, "name": run.name, "cells": cells[run.number]} for run in rows],
        "caption": f"As {facts['suite']} scores itself.",
    }


def moments(runs: Sequence[Run], comparison: int) -> Table | None:
    """Questions about a moment, apart: those whose moment still had entries in the cache, and those whose had not.

    None where no row had lost one.
    """
    rows, lost = [], False
    for run in runs:
        placed = [line for line in run.lines if line.get("evidence_entries") is not None]
        if run.comparison != comparison or not placed:
            continue
        kept = [line for line in placed if still_held(line["evidence_entries"])]
        gone = [line for line in placed if not still_held(line["evidence_entries"])]
        lost |= bool(gone)
        mean = sum(line["evidence_entries"] for line in placed) / len(placed)
        rows.append({"number": run.number, "name": run.name, "cells": [*_part(kept), *_part(gone), f"{mean:.1f}"]})
    if not lost:
        return None
    return {
        "columns": ["kept", "right", "95 %", "gone", "right", "95 %", "entries left"],
        "rows": rows,
        "caption": "Questions about a moment. kept: the cache still held at least one entry of it, the mean over "
        "layers and key heads; gone: it held less. entries left: of a moment, on average.",
    }


def from_memory(runs: Sequence[Run]) -> Table | None:
    """How answers were found in a memory, run by run; None where none was."""
    rows = []
    for run in runs:
        found = [record["recall"] for record in run.records if record.get("recall")]
        if not found:
            continue
        stages = Counter(str(recall["stage"]) for recall in found)
        cells = [
            count(len(found)),
            ", ".join(f"{name} {count(number)}" for name, number in stages.most_common()),
            _percent(_mean([recall.get("supported") for recall in found])),
            _mean_of(found, "calls", 1),
            _mean_of(found, "visual_tokens", 0),
            _mean_of(found, "decoded", 1),
        ]
        rows.append({"number": run.number, "name": run.name, "cells": cells})
    if not rows:
        return None
    return {
        "columns": ["answers", "found at", "shown", "looks", "visual tokens", "frames decoded"],
        "rows": rows,
        "caption": "found at: the stage of the search that answered; shown: what was found shows the answer. Looks at "
        "pictures, visual tokens and frames read again are means per answer.",
    }


def _part(lines: Sequence[dict[str, Any]]) -> list[str]:
    found = score(lines, None)
    if found is None:
        return ["0", "", ""]
    return [count(found["n"]), _percent(found["accuracy"]), f"{100 * found['low']:.1f}–{100 * found['high']:.1f}"]


def _mean(values: Sequence[Any]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _mean_of(found: Sequence[Mapping[str, Any]], name: str, digits: int) -> str:
    mean = _mean([recall.get(name) for recall in found])
    return "" if mean is None else f"{mean:,.{digits}f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
