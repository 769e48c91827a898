"""From lines to one comparison: accuracy with intervals, differences to `none`, evidence, costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vtc_cli.bench.costs import costs
from vtc_cli.bench.lines import Line, still_held
from vtc_cli.bench.rows import NONE, Row
from vtc_cli.bench.statistics import best_number, mcnemar, paired_interval, wilson
from vtc_cli.errors import VtcError

if TYPE_CHECKING:
    from vtc_cli.bench.runner import LeftOut

SCHEMA = "vtc.bench.summary/1"
ALL = "all"
TIMED = ("seconds", "memory")  # of a row's costs: what differs between two runs of the same thing
Score = dict[str, Any]
Summary = dict[str, Any]
Question = tuple[str, str]  # (case, question)


def summarise(
    facts: Mapping[str, Any],
    rows: Sequence[Row],
    lines: Iterable[Line],
    failures: Mapping[str, VtcError] | None = None,
    left_out: Sequence[LeftOut] = (),
    official: Callable[[Sequence[Line]], dict[str, float]] | None = None,
) -> Summary:
    """Everything a view may show.

    facts: what the rows share. failures: rows that broke off, with the reason. left_out: films that could not be read.
    official: the suite's own rule.
    """
    of_row: dict[str, list[Line]] = {row.name: [] for row in rows}
    for line in lines:
        of_row[line["row"]].append(line)
    base = of_row[NONE]
    if not base:
        raise ValueError("there is nothing to compare with: no answer of `none`")
    skills = [skill for skill in facts["skills"] if any(line["skill"] == skill for line in base)]
    record = base[0]["record"]
    return {
        "schema": SCHEMA,
        "facts": dict(facts),
        "skills": skills,
        "films": len({line["case"] for line in base}),
        "questions": len(base),
        "chance": {skill: _chance(line for line in base if line["skill"] == skill) for skill in skills},
        "most_common": {skill: _most_common(line for line in base if line["skill"] == skill) for skill in skills},
        "rows": [
            {
                **_row(row, of_row[row.name], base, skills, (failures or {}).get(row.name)),
                "official": official(of_row[row.name]) if official and of_row[row.name] else {},
            }
            for row in rows
        ],
        "left_out": [
            {"case": film.case, "questions": film.questions, "error": film.error.message} for film in left_out
        ],
        "model": record["model"],
        "versions": record["versions"],
        "machine": record["machine"],
    }


def comparable(summary: Summary) -> Summary:
    """The summary without what may differ between two runs of the same thing."""
    rows = [
        {**row, "costs": row["costs"] and {k: v for k, v in row["costs"].items() if k not in TIMED}}
        for row in summary["rows"]
    ]
    model = {name: value for name, value in summary["model"].items() if name != "threads"}
    return {**summary, "rows": rows, "model": model}


def score(lines: Sequence[Line], base: Mapping[Question, Line] | None) -> Score | None:
    """How many are right, and against `none` on the same questions; None without a question.

    base: the lines of `none`, None for `none` itself. The difference is this row less `none`; won: wrong with `none`
    and right here; lost: the other way; p: McNemar's exact test.
    """
    if not lines:
        return None
    right = sum(line["right"] for line in lines)
    low, high = wilson(right, len(lines))
    found: Score = {"n": len(lines), "right": right, "accuracy": right / len(lines), "low": low, "high": high}
    blank = dict.fromkeys(("difference", "difference_low", "difference_high", "won", "lost", "p"))
    if base is None:
        return {**found, **blank}
    sizes: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    won = lost = 0
    for line in lines:
        change = line["right"] - base[_question(line)]["right"]
        sizes[line["case"]] += 1
        changes[line["case"]] += change
        won, lost = won + (change > 0), lost + (change < 0)
    interval = paired_interval([changes[case] for case in sizes], list(sizes.values()))
    return {
        **found,
        "difference": (won - lost) / len(lines),
        "difference_low": interval[0] if interval else None,
        "difference_high": interval[1] if interval else None,
        "won": won,
        "lost": lost,
        "p": mcnemar(won, lost),
    }


def _row(
    row: Row, lines: Sequence[Line], base_lines: Sequence[Line], skills: Sequence[str], error: VtcError | None
) -> dict[str, Any]:
    base = None if row.name == NONE else {_question(line): line for line in base_lines}
    by_skill = {skill: [line for line in lines if line["skill"] == skill] for skill in skills}
    scores = {ALL: score(lines, base)} | {skill: score(found, base) for skill, found in by_skill.items()}
    shares = [found["accuracy"] for name, found in scores.items() if name != ALL and found]
    return {
        "name": row.name,
        **row.facts(),
        "error": None if error is None else {"kind": type(error).__name__, "message": error.message},
        "scores": scores,
        "mean_of_skills": sum(shares) / len(shares) if shares else None,
        "evidence": {skill: _evidence(found, base) for skill, found in by_skill.items()},
        "costs": costs(lines) if lines else None,
    }


def _evidence(lines: Sequence[Line], base: Mapping[Question, Line] | None) -> dict[str, Any] | None:
    """Questions about a moment, apart: those of which the cache still held something, and those of which it did not."""
    placed = [line for line in lines if line["evidence_entries"] is not None]
    if not placed:
        return None
    kept = [line for line in placed if still_held(line["evidence_entries"])]
    gone = [line for line in placed if not still_held(line["evidence_entries"])]
    return {
        "kept": score(kept, base),
        "gone": score(gone, base),
        "entries": sum(line["evidence_entries"] for line in placed) / len(placed),
    }


def _question(line: Line) -> Question:
    return line["case"], line["record"]["question_id"]


def _chance(lines: Iterable[Line]) -> float | None:
    """What guessing gets right: among the options, or the best single number; None where neither can be."""
    known = list(lines)
    if known[0]["tolerance"] is not None:
        return _most_common(known)
    chances = [line["chance"] for line in known]
    return None if any(chance is None for chance in chances) else sum(chances) / len(chances)


def _most_common(lines: Iterable[Line]) -> float:
    """What always giving the same answer gets right, at best. All lines are of one skill."""
    known = list(lines)
    tolerance = known[0]["tolerance"]
    if tolerance is None:
        return max(Counter(line["truth"] for line in known).values()) / len(known)
    return best_number([float(line["truth"].split()[0]) for line in known], tolerance)
