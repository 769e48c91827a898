"""The lines of a bench file: one per question and row, after a first line that says what was compared.

A line holds the whole record of the answer, so that any other figure can be worked out later; `key` names the question
and the row, so that a run that was cut goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import UsageError
from vtc_cli.report.identity import fingerprint

if TYPE_CHECKING:  # reading lines takes neither a model nor torch
    from vtc_cli.bench.rows import Row
    from vtc_cli.bench.suite import Case, Task
    from vtc_cli.engine.held import Held

HEAD, LINE = "vtc.bench.head/1", "vtc.bench/1"
SPARSE = ("max_frames", "quantize", "adapter")  # settings that decide answers, and are facts only where they are given
Line = dict[str, Any]


def head(facts: Mapping[str, Any]) -> Line:
    """The first line of a file. facts: what all rows share and decides their answers."""
    return {"schema": HEAD, "fingerprint": fingerprint(facts), "facts": dict(facts)}


def key(shared: str, row: Row, budget: str | None, case: Case, task: Task) -> str:
    """Names a question and how it was answered. shared: the head's fingerprint; budget: `--budget` of this row."""
    return fingerprint({"shared": shared, **row.facts(), "budget": budget, "case": case.id, "task": task.question.id})


def line(
    name: str, row: Row, case: Case, task: Task, record: Mapping[str, Any], held: Sequence[Held], by_question: bool
) -> Line:
    """One answer. held: what the session's cache had of the film when it was asked.

    by_question: watched for this question alone, since a method looks at it.
    """
    return {
        "schema": LINE,
        "key": name,
        "row": row.name,
        "case": case.id,
        "skill": task.skill,
        "question": task.question.text,
        "truth": task.question.truth,
        "answer": record["answer"],
        "right": task.check(record["answer"] or ""),
        "chance": task.chance,
        "tolerance": task.tolerance,
        "group": task.group,
        "points": None if task.points is None else task.points(record["answer"] or ""),
        "about": None if task.about is None else list(task.about),
        "evidence_entries": None if task.about is None else round(entries_about(held, task.about), 6),
        "by_question": by_question,
        "record": dict(record),
    }


def entries_about(held: Sequence[Held], about: tuple[float, float]) -> float:
    """Visual entries in the cache of the units that show a moment, the mean over layers and key heads.

    about: (start, end) seconds; a unit shows it when its first or its last frame lies in there.
    """
    start, end = about
    return sum(unit.entries for unit in held if start <= unit.start < end or start <= unit.end < end)


def still_held(entries: float) -> bool:
    """Whether so many entries of a moment are something of it: at least one, the mean over layers and key heads.

    A cache that chooses in each head for itself seldom loses a moment everywhere; a last entry in a single head of a
    single layer shows nothing.
    """
    return entries >= 1


def known(records: Sequence[Line], wanted: Line, path: str) -> dict[str, Line]:
    """The lines of an earlier run, by key.

    Raises UsageError when the file belongs to another comparison, saying what differs.
    """
    if not records:
        return {}
    first = records[0]
    if first.get("schema") != HEAD:
        raise UsageError(f"{path} is not a file of vtc bench", "name another --output; nothing was changed")
    if first["fingerprint"] != wanted["fingerprint"]:
        was, now = first["facts"], wanted["facts"]
        changed = next(name for name in sorted(was.keys() | now.keys()) if was.get(name) != now.get(name))
        raise UsageError(
            f"{path} was made with {changed} = {_shown(was.get(changed))}, and now it is {_shown(now.get(changed))}",
            "resume with the same settings (methods and --limit may differ), or name another --output",
        )
    return {item["key"]: item for item in records[1:] if item.get("schema") == LINE}


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
