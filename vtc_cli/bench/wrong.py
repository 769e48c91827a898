"""Every wrong answer of a comparison, for reading: what was asked, what was said, what is true."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vtc_cli.bench.lines import Line
from vtc_cli.bench.rows import Row

COLUMNS = ("method", "case", "skill", "question", "said", "truth")


def wrong_answers(rows: Sequence[Row], lines: Iterable[Line]) -> list[dict[str, Any]]:
    """One entry per wrong answer, with the keys `COLUMNS`, row by row; an option's text stands behind its letter."""
    order = {row.name: number for number, row in enumerate(rows)}
    found = [_entry(line) for line in lines if not line["right"]]
    return sorted(found, key=lambda entry: order[entry["method"]])


def wrong_as_csv(found: Sequence[Mapping[str, Any]]) -> str:
    """The list as a table of commas, its header first."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue()


def wrong_as_text(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The list in lines for a terminal, under the name of each row."""
    shown = None
    for entry in found:
        if entry["method"] != shown:
            shown = entry["method"]
            count = sum(other["method"] == shown for other in found)
            yield f"\nwrong with {shown}: {count:,}"
        yield f"  {entry['case']} · {entry['skill']} · {' '.join(entry['question'].split())}"
        yield f"    said: {_line(entry['said'])}"
        yield f"    true: {_line(entry['truth'])}"
    if not found:
        yield "\nno wrong answers"


def _entry(line: Line) -> dict[str, Any]:
    choices = line["record"].get("choices") or {}
    return {
        "method": line["row"],
        "case": line["case"],
        "skill": line["skill"],
        "question": line["question"],
        "said": _with_option(line["answer"], choices),
        "truth": _with_option(line["truth"], choices),
    }


def _with_option(label: str | None, choices: Mapping[str, str]) -> str:
    return f"{label} ({choices[label]})" if label is not None and label in choices else label or ""


def _line(text: str) -> str:
    return " ".join(text.split()) or "(nothing)"
