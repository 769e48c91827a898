"""A summary on a terminal: rows of methods, then skills, as wide as the screen allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vtc_cli.bench.lines import SPARSE
from vtc_cli.bench.summary import ALL, Score, Summary
from vtc_cli.report.units import count, duration, operations, size

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

WIDE = 120  # columns from which intervals and all costs are shown
FIGURES, WIDE_FIGURES = 76, 110  # columns they take at most: beside them stand the methods' names, or their numbers
NARROW_CELL, WIDE_CELL = 7, 16  # columns of one method in the table of skills, without and with an interval


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Print the tables, on stdout unless a console is given."""
    from rich.console import Console

    console = console or Console(highlight=False)
    for part in views(summary, console.width):
        console.print(part)


def views(summary: Summary, width: int) -> Iterator[RenderableType]:
    """What is printed, in order."""
    yield _title(summary)
    longest = max(len(_name(row)) for row in summary["rows"])
    named = longest <= width - (WIDE_FIGURES if width >= WIDE else FIGURES)
    if not named:
        yield "\n" + "\n".join(f"{number:>3}  {_name(row)}" for number, row in enumerate(summary["rows"], 1)) + "\n"
    yield _methods(summary, width, named)
    yield ""
    yield from _skills(summary, width)
    if any(row["official"] for row in summary["rows"]):
        yield f"\nas {summary['facts']['suite']} scores itself"
        yield _official(summary)
    if any(found["gone"] for row in summary["rows"] for found in _moments(row).values()):
        yield "\nquestions of whose moment the cache still held an entry (kept), and of whose it did not (gone)"
        yield _evidence(summary)
    yield from _footnotes(summary)


def _title(summary: Summary) -> str:
    facts = summary["facts"]
    told = [f"suite {facts['suite']}"]
    if facts.get("seed") is not None:
        told.append(f"seed {facts['seed']}")
    if facts.get("length") is not None:
        told.append(f"films of {duration(facts['length'])}")
    told += [name for name in ("unseen", "choices") if facts.get(name)]
    told += ["the tower shared"] if facts.get("share_vision") else []
    told += [f"{name.replace('_', ' ')} {facts[name]}" for name in SPARSE if facts.get(name) is not None]
    model = f"{facts['model']}@{str(facts['revision'] or '').removeprefix('blake2b:')[:8]}".rstrip("@")
    return (
        f"{model} · {' · '.join(told)} · {count(summary['questions'])} questions about {count(summary['films'])} films"
    )


def _name(row: dict[str, Any]) -> str:
    marks = " *" if row["costs"] and row["costs"]["by_question"] else ""
    return f"{row['name']}{marks}{' (failed)' if row['error'] else ''}"


def _methods(summary: Summary, width: int, named: bool) -> Table:
    """named: the names stand in the table; else their numbers do."""
    table = _table()
    table.add_column("", justify="right", style="dim")
    if named:
        table.add_column("method", no_wrap=True)
    wide = width >= WIDE
    names = ["right", *(["95 %"] if wide else []), "vs none", "95 %", "kept", *(["entries"] if wide else []), "KV peak"]
    names += ["watch", "time", *(["first", "RSS"] if wide else [])]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for number, row in enumerate(summary["rows"], 1):
        found, cost = row["scores"][ALL], row["costs"]
        head = [str(number), *([_name(row)] if named else [])]
        if found is None or cost is None:
            table.add_row(*head, *[""] * len(names))
            continue
        cells = [
            percent(found["accuracy"]),
            *([_interval(found["low"], found["high"])] if wide else []),
            signed(found["difference"]),
            _signed_interval(found),
            percent(cost["retention"]),
            *([_count(cost["entries_peak"])] if wide else []),
            _size(cost["kv_bytes_peak"]),
            _operations(cost["flops"]["watch"]),
            _time(cost["seconds"]["watch"]),
            *([_time(cost["seconds"]["first_token"]), _size(cost["memory"]["rss_peak"])] if wide else []),
        ]
        table.add_row(*head, *cells)
    return table


def _skills(summary: Summary, width: int) -> Iterator[Table]:
    """Skills down, methods across by their number; several tables where they do not fit beside each other."""
    rows = summary["rows"]
    head = 28
    room = max(1, (width - head) // NARROW_CELL)
    cell = WIDE_CELL if len(rows) * WIDE_CELL <= width - head else NARROW_CELL
    for first in range(0, len(rows), room):
        part = rows[first : first + room]
        table = _table()
        table.add_column("skill")
        table.add_column("n", justify="right")
        table.add_column("chance", justify="right", style="dim")
        for number, _ in enumerate(part, first + 1):
            table.add_column(str(number), justify="right", no_wrap=True)
        for skill in summary["skills"]:
            chance = summary["chance"][skill]
            cells = [_cell(row["scores"][skill], cell == WIDE_CELL) for row in part]
            asked = rows[0]["scores"][skill]["n"]
            table.add_row(skill, count(asked), "" if chance is None else percent(chance), *cells)
        yield table


def _official(summary: Summary) -> Table:
    """Rows down, the figures of the suite's own rule across."""
    table = _table()
    table.add_column("", justify="right", style="dim")
    names = list(dict.fromkeys(name for row in summary["rows"] for name in row["official"]))
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for number, row in enumerate(summary["rows"], 1):
        table.add_row(str(number), *(percent(row["official"].get(name)) for name in names))
    return table


def _evidence(summary: Summary) -> Table:
    table = _table()
    table.add_column("", justify="right", style="dim")
    table.add_column("skill")
    for name in ("kept", "right", "95 %", "gone", "right", "95 %", "left"):
        table.add_column(name, justify="right")
    for number, row in enumerate(summary["rows"], 1):
        for skill, found in _moments(row).items():
            cells: list[str] = []
            for part in (found["kept"], found["gone"]):
                cells += ["0", "", ""] if part is None else [
                    count(part["n"]), percent(part["accuracy"]), _interval(part["low"], part["high"])
                ]  # fmt: skip
            table.add_row(str(number), skill, *cells, f"{found['entries']:.1f}")
    return table


def _moments(row: dict[str, Any]) -> dict[str, Any]:
    """Skills of a row that have questions about a moment."""
    return {skill: found for skill, found in row["evidence"].items() if found}


def _footnotes(summary: Summary) -> Iterator[str]:
    yield (
        "right: answers that are right; vs none: the difference on the same questions, in points; kept: visual tokens; "
        "watch: FLOP of watching one film; time: of watching it"
    )
    if any(row["costs"] and row["costs"]["by_question"] for row in summary["rows"]):
        yield "*: looks at the question, so it watches a film once for each"
    for row in summary["rows"]:
        if row["error"]:
            yield f"{row['name']} failed: {row['error']['message']}"
    if lost := summary["left_out"]:
        asked = sum(film["questions"] for film in lost)
        yield f"left out: {count(asked)} questions about {count(len(lost))} films that cannot be read"


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)


def percent(share: float | None) -> str:
    """`92.3%`."""
    return "" if share is None else f"{share:.1%}"


def signed(difference: float | None) -> str:
    """`+1.2`, in points."""
    return "" if difference is None else f"{100 * difference:+.1f}"


def _interval(low: float, high: float) -> str:
    return f"{100 * low:.1f}–{100 * high:.1f}"


def _signed_interval(found: Score) -> str:
    low, high = found["difference_low"], found["difference_high"]
    return "" if low is None or high is None else f"{100 * low:+.1f} to {100 * high:+.1f}"


def _cell(found: Score | None, wide: bool) -> str:
    if found is None:
        return ""
    share = f"{100 * found['accuracy']:.1f}"
    return f"{share} ({100 * found['low']:.0f}–{100 * found['high']:.0f})" if wide else share


def _time(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)


def _count(amount: int | None) -> str:
    return "" if amount is None else count(amount)


def _operations(amount: float | None) -> str:
    return "" if amount is None else operations(amount).removesuffix("FLOP")


def _size(amount: float | None) -> str:
    return "" if amount is None else size(amount)
