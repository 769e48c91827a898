"""The tables of the page: runs at a glance, skills, and every question with the wrong answers first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vtc_cli.report.page.reading import Record
from vtc_cli.report.page.runs import Run
from vtc_cli.report.units import count, duration, operations, size

RESULTS = ("error", "wrong", "unknown", "right")  # in the order shown
Cell = dict[str, Any]


def glance(runs: Sequence[Run]) -> dict[str, Any]:
    """One row per run: how many answers, how many right, what they cost."""
    scored = any(run.score is not None for run in runs)
    columns = ["answers", *(["right", "95 %", "vs none", "95 %"] if scored else ["failed"])]
    columns += ["tokens", "kept", "entries", "KV peak", "FLOP", "time", "first", "RSS peak"]
    rows = []
    for run in runs:
        cost = run.costs
        cells = [count(len(run.lines)), *(_scored(run) if scored else [count(sum(map(_failed, run.lines)))])]
        cells += [
            _maybe(lambda value: count(round(value)), cost["visual_kept"]),
            _maybe(lambda share: f"{share:.1%}", cost["retention"]),
            _maybe(lambda value: count(round(value)), cost["entries"]),
            _maybe(size, cost["kv_bytes_peak"]),
            _maybe(lambda value: operations(value).removesuffix("FLOP"), cost["flops"]["watch"]),
            _maybe(duration, cost["seconds"]["watch"]),
            _maybe(duration, cost["seconds"]["first_token"]),
            _maybe(size, cost["memory"]["rss_peak"]),
        ]
        rows.append({"number": run.number, "name": run.name + _mark(run), "cells": cells})
    caption = (
        "tokens: visual tokens kept per watching, and their share of those seen; entries: in the cache when asked; "
        "FLOP and time: of one watching, FLOP analytic; first: from a question to the first token."
    )
    if scored:
        caption += " vs none: the difference on the same questions, in points."
    if any(run.costs["by_question"] for run in runs):
        caption += " *: looks at the question, so it watches a film once for each."
    return {"columns": columns, "rows": rows, "caption": caption}


def by_skill(runs: Sequence[Run], comparison: int) -> dict[str, Any]:
    """Accuracy of each row of a comparison by skill; intervals are in the titles of the cells."""
    rows = [run for run in runs if run.comparison == comparison]
    skills = list(dict.fromkeys(skill for run in rows for skill in run.skills))
    return {
        "skills": skills,
        "by_skill": [
            {"number": run.number, "name": run.name, "cells": [_skill(run.skills.get(skill)) for skill in skills]}
            for run in rows
        ],
    }


def questions(runs: Sequence[Run]) -> dict[str, Any]:
    """Every answer, failures first, then wrong ones, then those of which nobody knows, then right ones."""
    scored = any(run.score is not None for run in runs)
    several = len({line["record"]["video"] for run in runs for line in run.lines}) > 1
    keyed = [(RESULTS.index(result_of(line)), run, line) for run in runs for line in run.lines]
    keyed.sort(key=lambda entry: entry[0])  # stable: within a result as the runs have them
    rows = []
    for _, run, line in keyed:
        result = result_of(line)
        cells = [_cell("run", str(run.number), "n"), _cell("methods", run.name)]
        if scored or result == "error":
            cells.append(_cell("result", "" if result == "unknown" else result, result))
        elif any(map(_failed, (line for other in runs for line in other.lines))):
            cells.append(_cell("result", "answered"))
        if scored:
            cells.append(_cell("skill", line["skill"] or ""))
        if several:
            cells.append(_cell("video", line["record"]["video"], "text"))
        cells.append(_cell("question", line["question"], "text"))
        cells.append(_cell("answer", _answer(line), "text"))
        if scored:
            cells.append(_cell("truth", line["truth"] or "", "text"))
            left = line.get("evidence_entries")
            cells.append(_cell("moment held", "" if left is None else f"{left:g}", "n"))
        looked = sorted(item["time"] for item in line["record"]["evidence"] or ())
        cells.append(_cell("looked at", ", ".join(map(moment, looked)), "", looked[0] if looked else None))
        seconds = line["record"]["seconds"].get("first_token")
        cells.append(_cell("first token", _maybe(duration, seconds), "n", seconds))
        rows.append({"run": str(run.number), "result": result, "skill": line["skill"], "cells": cells})
    names = [{"name": cell["name"], "number": cell["style"] == "n"} for cell in rows[0]["cells"]] if rows else []
    results = [result for result in RESULTS if any(row["result"] == result for row in rows)]
    skills = sorted({row["skill"] for row in rows if row["skill"]})
    choices = [("run", [str(run.number) for run in runs]), ("result", results), ("skill", skills)]
    caption = "Wrong answers first." if scored else "Whether they are right is not known."
    if scored:
        caption += " moment held: cache entries left of the moment a question is about, when it was asked."
    return {
        "columns": names,
        "rows": rows,
        "choices": [(name, options) for name, options in choices if len(options) > 1],
        "caption": caption,
    }


def moment(time: float) -> str:
    """A time of video with its tenths: `0:12.5`, `1:02:03.0`."""
    tenths = round(10 * time)
    minutes, seconds = tenths // 600, tenths % 600 / 10
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:04.1f}" if minutes >= 60 else f"{minutes}:{seconds:04.1f}"


def result_of(line: Mapping[str, Any]) -> str:
    """One of `RESULTS`."""
    if _failed(line):
        return "error"
    right = line["right"]
    return "unknown" if right is None else "right" if right else "wrong"


def _failed(line: Mapping[str, Any]) -> bool:
    return line["record"]["error"] is not None


def _answer(line: Mapping[str, Any]) -> str:
    record: Record = line["record"]
    if record["error"] is not None:
        return str(record["error"].get("message", ""))
    options = record.get("choices")
    chosen = f"{line['answer']}: {options[line['answer']]}" if options and line["answer"] in options else line["answer"]
    return f"{chosen}{' (partial video)' if record['partial'] else ''}"


def _scored(run: Run) -> list[str]:
    score = run.score
    if score is None:
        return [""] * 4
    differs = score["difference"] is not None
    interval = score["difference_low"], score["difference_high"]
    return [
        f"{score['accuracy']:.1%}",
        f"{100 * score['low']:.1f}–{100 * score['high']:.1f}",
        f"{100 * score['difference']:+.1f}" if differs else "",
        f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}" if None not in interval else "",
    ]


def _skill(score: Mapping[str, Any] | None) -> Cell:
    if score is None:
        return {"text": "", "title": ""}
    title = f"95 %: {100 * score['low']:.1f}–{100 * score['high']:.1f}"
    return {"text": f"{score['accuracy']:.0%} of {count(score['n'])}", "title": title}


def _cell(name: str, text: str, style: str = "", value: Any = None) -> Cell:
    return {"name": name, "text": text, "style": style, "value": value}


def _mark(run: Run) -> str:
    return " *" if run.costs["by_question"] else ""


def _maybe(show: Any, value: Any) -> str:
    return "" if value is None else str(show(value))
