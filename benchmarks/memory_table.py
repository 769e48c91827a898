"""What the lines of `benchmarks.memory` come to: shares with intervals, paired differences, evidence, what it costs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HOUR = 3600.0
OURS = "mm-mem"


def summarise(folder: Path) -> dict[str, Any]:
    """Shares with Wilson intervals by length, kind and method, and what indexing and asking cost."""
    from vtc_cli.bench.statistics import wilson

    cells: dict[tuple[int, str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in lines(folder / "answers.jsonl"):
        for kind in (line["kind"], "all"):
            cells[line["length"], kind, line["method"]].append(line)
    rows = []
    for (length, kind, method), found in sorted(cells.items()):
        right = [line for line in found if line["right"]]
        low, high = wilson(len(right), len(found))
        rows.append(
            {
                "length": length,
                "kind": kind,
                "method": method,
                "n": len(found),
                "right": len(right),
                "share": round(len(right) / len(found), 4),
                "low": round(low, 4),
                "high": round(high, 4),
                "tokens_read": round(sum(line["tokens"] for line in found) / len(found), 1),
                "seconds": round(sum(line["seconds"] for line in found) / len(found), 3),
                "evidence_holds_truth": _share(right, "any_holds_truth"),
                "first_evidence_holds_truth": _share(right, "first_holds_truth"),
            }
        )
    return {
        "rows": rows,
        "against": list(_against(cells)),
        "index": list(_indexing(lines(folder / "costs.jsonl"), cells)),
    }


def _against(cells: Mapping[tuple[int, str, str], Sequence[Mapping[str, Any]]]) -> Iterator[dict[str, Any]]:
    """`mm-mem` beside every other method, over the questions both were asked: points, bootstrap over films."""
    from vtc_cli.bench.statistics import paired_interval

    for (length, kind, method), found in sorted(cells.items()):
        if method == OURS:
            continue
        theirs = {(line["film"], line["kind"], line["number"]): line["right"] for line in found}
        films: dict[str, list[int]] = defaultdict(list)
        for line in cells.get((length, kind, OURS), ()):
            question = (line["film"], line["kind"], line["number"])
            if question in theirs:
                films[line["film"]].append(int(line["right"]) - int(theirs[question]))
        sizes = [len(some) for some in films.values()]
        if not sizes:
            continue
        sums = [sum(some) for some in films.values()]
        ends = paired_interval(sums, sizes) or (None, None)
        yield {
            "length": length, "kind": kind, "method": method, "n": sum(sizes), "films": len(sizes),
            "difference": round(sum(sums) / sum(sizes), 4),
            "low": None if ends[0] is None else round(ends[0], 4),
            "high": None if ends[1] is None else round(ends[1], 4),
        }  # fmt: skip


def _indexing(
    costs: Sequence[dict[str, Any]], cells: Mapping[Any, Sequence[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    for length in sorted({line["length"] for line in costs}):
        made = [line for line in costs if line["method"] == "index" and line["length"] == length]
        seen = [line for line in costs if line["method"] == "infinipot-v" and line["length"] == length]
        asked = cells.get((length, "all", OURS), [])
        facts: dict[str, Any] = {"length": length, "memories": len(made)}
        if made:
            video = sum(line["duration"] for line in made)
            facts["times_real_time"] = round(video / sum(line["seconds"] for line in made), 2)
            facts["bytes_per_hour"] = round(sum(line["bytes"] for line in made) / video * HOUR)
            facts["seconds_per_film"] = round(sum(line["seconds"] for line in made) / len(made), 1)
        if seen and asked:
            watch = sum(line["seconds"] for line in seen) / len(seen)
            recall = sum(line["seconds"] for line in asked) / len(asked)
            facts["seconds_of_watching_over_a_question"] = round(watch / recall, 1)
            flops = sum(line["flops"] for line in asked) / len(asked)
            facts["flops_of_watching_over_a_question"] = round(
                sum(line["flops"] for line in seen) / len(seen) / flops, 1
            )
        yield facts


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file; a torn last one is left out."""
    if not path.is_file():
        return []
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


def _share(found: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return round(sum(bool(line[name]) for line in found) / len(found), 4) if found else None


def table(summary: Mapping[str, Any]) -> str:
    """The rows in columns."""
    heads = f"{'length':>6} {'kind':7} {'method':18} {'n':>5} {'right':>6} {'95 %':>15} {'tokens':>8} {'evidence':>9}"
    parts = [heads]
    for row in summary["rows"]:
        evidence = "-" if row["evidence_holds_truth"] is None else f"{row['evidence_holds_truth']:.3f}"
        parts.append(
            f"{row['length']:>6} {row['kind']:7} {row['method']:18} {row['n']:>5} {row['share']:>6.3f} "
            f"{row['low']:>6.3f} - {row['high']:<6.3f} {row['tokens_read']:>8.0f} {evidence:>9}"
        )
    return "\n".join([*parts, *(json.dumps(facts) for facts in summary["index"])])


def markdown(found: Mapping[str, Any]) -> str:
    """The same for a page: a table of methods for each length, what it cost, and where it was measured."""
    costs = {row["length"]: row for row in found["index"]}
    parts = []
    for length in sorted({row["length"] for row in found["rows"]}):
        parts += [f"Films of {length / 60:g} minutes:", _methods(found, length), _costs(costs.get(length, {}))]
    machine = found["machine"]
    parts.append(
        f"Measured on {found['date']}, {machine['processor']}, {machine['threads']} thread, `{found['command']}`: "
        "[figures](../benchmarks/results/memory.json)."
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _methods(found: Mapping[str, Any], length: int) -> str:
    from benchmarks.figures import interval, percent, points
    from benchmarks.figures import table as of

    kinds = [*found["kinds"], "all"]
    rows = {(row["kind"], row["method"]): row for row in found["rows"] if row["length"] == length}
    pairs = {row["method"]: row for row in found["against"] if (row["length"], row["kind"]) == (length, "all")}
    cells = []
    for method in sorted({method for _, method in rows}, key=lambda name: (name != OURS, name)):
        line = [f"`{method}`"]
        for kind in kinds:
            row = rows.get((kind, method))
            line.append("" if row is None else f"{percent(row['share'])} ({interval(row['low'], row['high'])})")
        pair, whole = pairs.get(method), rows["all", method]
        ahead = "" if pair is None else points(pair["difference"])
        if pair is not None and pair["low"] is not None:
            ahead += f" ({points(pair['low'])} to {points(pair['high'])})"
        evidence = percent(whole["evidence_holds_truth"])
        cells.append(
            [*line, ahead, evidence, f"{whole['tokens_read']:,.0f}", f"{whole['seconds']:.1f}", f"{whole['n']:,}"]
        )
    return of(["", *kinds, f"`{OURS}` is ahead by", "evidence", "tokens", "s", "n"], cells)


def _costs(facts: Mapping[str, Any]) -> str:
    from vtc_cli.report.units import size

    told = []
    if "times_real_time" in facts:
        told.append(
            f"A memory was made at {facts['times_real_time']:g} times the speed of the film, "
            f"{size(facts['bytes_per_hour'])} per hour of it."
        )
    if "flops_of_watching_over_a_question" in facts:
        told.append(
            f"Watching anew, with `infinipot-v`, takes {facts['seconds_of_watching_over_a_question']:g} times the "
            f"seconds and {facts['flops_of_watching_over_a_question']:g} times the arithmetic of a question to the "
            "memory."
        )
    return " ".join(told)
