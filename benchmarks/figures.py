"""The results as tables and advice read them: parts and rows by name, and how numbers are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtc_cli.bench.statistics import wilson
from vtc_cli.report.units import size

Row = Mapping[str, Any]
PARTS = ("pruners", "caches", "caches-asked", "costs-pruners", "costs-caches", "peaks", "scaling")


class MissingResultError(Exception):
    """A file of results is not there, or not whole: says which, and the command that makes it."""


@dataclass(frozen=True)
class Results:
    """Every part by name, as `condense` and the scaling measurements leave them."""

    parts: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Results:
        """From a folder of files. Raises MissingResultError."""
        found = {}
        for name in PARTS:
            path = folder / f"{name}.json"
            if not path.is_file():
                raise MissingResultError(f"{path} is not there: run `python -m benchmarks.results` first")
            found[name] = json.loads(path.read_text(encoding="utf-8"))
        return cls(found)

    def check(self) -> None:
        """Raise MissingResultError where a part is of other weights than the first, or was cut."""
        weights = {name: part["model"]["revision"] for name, part in self.parts.items()}
        if len(set(weights.values())) > 1:
            raise MissingResultError(f"the parts were not answered by the same weights: {weights}")
        for name, part in self.parts.items():
            if not part["done"]:
                raise MissingResultError(
                    f"{name} was cut: {part['questions']} of {part['planned']}; the same command goes on with it"
                )

    def rows(self, part: str) -> list[Row]:
        """Of a part, those that have figures."""
        return [row for row in self.parts[part]["rows"] if row["score"] and row["costs"]]

    def row(self, part: str, name: str) -> Row:
        """A row by name. Raises KeyError."""
        found = next((row for row in self.rows(part) if row["name"] == name), None)
        if found is None:
            raise KeyError(f"{part} has no row `{name}`")
        return found

    def peak(self, part: str, name: str) -> float | None:
        """Bytes of memory that a row of a part took at the most, in a process of its own; the GPU's where it is one."""
        row = next(row for row in self.parts["peaks"]["rows"] if (row["of"], row["name"]) == (part, name))
        return next((row[kind] for kind in ("gpu_peak", "mps_peak", "rss_peak") if row[kind] is not None), None)

    def sized(self, part: str, by_question: bool | None = None) -> Iterator[Row]:
        """The rows of methods; by_question: only those that look at the question, or only those that do not."""
        for row in self.rows(part):
            if row["methods"] and (by_question is None or row["costs"]["by_question"] == by_question):
                yield row


def percent(share: float | None) -> str:
    """`92.3 %`."""
    return "" if share is None else f"{100 * share:.1f} %"


def points(difference: float | None) -> str:
    """`-1.2`, in points; a minus sign as in print."""
    return "" if difference is None else f"{100 * difference:+.1f}".replace("-", "−")


def interval(low: float | None, high: float | None) -> str:
    """`90.1 to 94.0`, in percent."""
    return "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def spread(score: Mapping[str, Any]) -> str:
    """The interval of the difference to `none`: `−2.1 to +0.3`."""
    low, high = score["difference_low"], score["difference_high"]
    return "" if low is None else f"{points(low)} to {points(high)}"


def share_of(pair: list[int] | None) -> str:
    """`93.1 % (88 to 97), n 120` of [n, right]."""
    if not pair or not pair[0]:
        return ""
    low, high = wilson(pair[1], pair[0])
    return f"{100 * pair[1] / pair[0]:.1f} % ({100 * low:.0f} to {100 * high:.0f})"


def giga(flops: float | None) -> str:
    """FLOP in thousands of millions."""
    return "" if flops is None else f"{flops / 1e9:,.2f}" if flops < 1e10 else f"{flops / 1e9:,.1f}"


def seconds(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def milliseconds(value: float | None) -> str:
    return "" if value is None else f"{1000 * value:.0f}"


def volume(value: float | None) -> str:
    return "" if value is None else size(value)


def table(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns are words, the others figures."""
    rule = ["---" if number < left else "---:" for number in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])
