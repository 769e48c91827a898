"""From the answers of a part to the file in `results/`: what tables, pictures and advice are made from.

The lines themselves are too many to keep beside the code; what is kept of them is enough for every figure of the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.plan import Part
from benchmarks.running import Run
from vtc_cli.bench.lines import Line
from vtc_cli.bench.rows import NONE
from vtc_cli.bench.summary import ALL, score, summarise

SCHEMA = "vtc.results/1"
REFERENCES = ("random", "uniform", "hiprune", "infinipot-v", "keydiff", "window", "uniform-cache", "recent")
"""Families that all others are compared with."""

AGES = ((0.0, 30.0), (30.0, 120.0), (120.0, None))  # seconds from the moment asked about to the end of the film
_SHARE = re.compile(r"retain=([\d/.]+)")
_JOINT = re.compile(r"\+(?=[A-Za-z])")  # between two methods; the pluses of `hiprune++` are followed by no letter

Result = dict[str, Any]


def condense(run: Run) -> Result:
    """Everything the page needs of a part, from the films that every row has answered."""
    lines, bench = run.whole(), run.bench
    summary = summarise(bench.facts, run.plan.rows, lines, bench.failures, left_out=bench.left_out)
    of_row: dict[str, list[Line]] = {row.name: [] for row in run.plan.rows}
    for line in lines:
        of_row[line["row"]].append(line)
    places = {row["name"]: place_of(row["name"]) for row in summary["rows"]}
    rows = [
        {
            **{name: row[name] for name in ("name", "methods", "share", "blind", "error", "costs")},
            **dict(zip(("family", "size"), places[row["name"]], strict=True)),
            "score": row["scores"][ALL],
            "skills": {skill: [found["n"], found["right"]] for skill, found in _skills(row).items()},
            "evidence": _evidence(row),
            "ages": _ages(of_row[row["name"]], bench.facts.get("length")),
            "against": _against(row["name"], places, of_row),
        }
        for row in summary["rows"]
    ]
    return {
        "schema": SCHEMA,
        "part": run.part.name,
        "about": run.part.about,
        "planned": run.plan.answers // len(run.plan.rows),
        **{name: summary[name] for name in ("facts", "films", "questions", "chance", "left_out", "model", "machine")},
        "versions": summary["versions"],
        "rows": rows,
    }


def place_of(name: str) -> tuple[str, str | None]:
    """(what it is, at which size) of a row's name: `uniform:retain=1/3` is (`uniform`, `1/3`)."""
    if " at " in name:
        family, _, size = name.rpartition(" at ")
        return family, size
    share = _SHARE.search(name)
    return (name.partition(":")[0], share[1]) if share and not _JOINT.search(name) else (name, None)


def planned(part: Part) -> int:
    """Questions of each row when the part is done."""
    return part.plan("tiny").answers // len(part.rows)


def _skills(row: Mapping[str, Any]) -> dict[str, Any]:
    return {skill: found for skill, found in row["scores"].items() if skill != ALL and found}


def _evidence(row: Mapping[str, Any]) -> dict[str, list[int]] | None:
    """[n, right] of questions whose moment still had entries in the cache, and of those whose had none."""
    found = [parts for parts in row["evidence"].values() if parts]
    if not found:
        return None
    return {
        kind: [sum(parts[kind][what] for parts in found if parts[kind]) for what in ("n", "right")]
        for kind in ("kept", "gone")
    }


def _ages(lines: Sequence[Line], length: float | None) -> list[list[int]] | None:
    """[n, right] of the questions about a moment, by how long before the end of the film it was (`AGES`)."""
    placed = [line for line in lines if line["about"] is not None]
    if length is None or not placed:
        return None
    found = []
    for youngest, oldest in AGES:
        some = [
            line for line in placed
            if youngest <= length - line["about"][1] and (oldest is None or length - line["about"][1] < oldest)
        ]  # fmt: skip
        found.append([len(some), sum(line["right"] for line in some)])
    return found


def _against(
    name: str, places: Mapping[str, tuple[str, str | None]], of_row: Mapping[str, Sequence[Line]]
) -> dict[str, dict[str, float | None]]:
    """The paired difference to each reference of the same size; one without a size is compared with all."""
    _, size = places[name]
    found = {}
    for other, (family, its) in places.items():
        if other in (name, NONE) or family not in REFERENCES or (size is not None and its not in (size, None)):
            continue
        base = {(line["case"], line["record"]["question_id"]): line for line in of_row[other]}
        paired = score(of_row[name], base) if base and of_row[name] else None
        if paired is not None:
            found[other] = {key: paired[f"difference{end}"] for key, end in (("mean", ""), ("low", "_low"),
                                                                             ("high", "_high"))}  # fmt: skip
    return found
