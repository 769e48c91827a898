"""Figures with what stands around them: title, legend, caption, and the numbers they were drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vtc_cli.report.page import draw
from vtc_cli.report.page.canvas import COLOURS
from vtc_cli.report.page.figures import STAGES, Course, Timeline, courses, stages, timelines, trades
from vtc_cli.report.page.runs import Run

SIGNS = {
    "o": '<circle cx="9" cy="4.5" r="3.4"/>',
    "s": '<rect x="5.6" y="1.1" width="6.8" height="6.8"/>',
    "^": '<path d="M9 .6l4 7.2H5z"/>',
    "D": '<path d="M9 .3l4.2 4.2L9 8.7 4.8 4.5z"/>',
    "v": '<path d="M9 8.4L5 1.2h8z"/>',
    "P": '<path d="M7.5.8h3v2.2h2.2v3h-2.2v2.2h-3V6H5.3V3h2.2z"/>',
    "X": '<path d="M6.8.9L9 3.1 11.2.9l1.4 1.4-2.2 2.2 2.2 2.2-1.4 1.4L9 5.9 6.8 8.1 5.4 6.7l2.2-2.2-2.2-2.2z"/>',
    "*": '<path d="M9 .2l1.2 3 3.2.2-2.5 2 .9 3.2L9 6.8 6.2 8.6l.9-3.2-2.5-2 3.2-.2z"/>',
}
DASHES = ("", "5 2", "1 1.5", "6 2 1 2")
STAGE_NAMES = {"first_token": "first token", "generate": "answer", "vision": "vision tower", "recall": "from memory"}


@dataclass(frozen=True)
class Plate:
    """A figure on the page. svg, and the signs of the legend, are markup; the rest is text. rows: by `columns`."""

    name: str
    title: str
    svg: str
    legend: tuple[tuple[str, str], ...]
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def trade_plates(runs: Sequence[Run], comparison: int) -> list[Plate]:
    """Accuracy against tokens, and against bytes."""
    found = []
    for trade in trades(runs, comparison):
        families = list(dict.fromkeys(run.family for run in runs if run.comparison == comparison and not run.blind))
        legend = [(_sign(place), family) for place, family in enumerate(families)]
        legend += [(_stroke("var(--muted)"), f"{name} ({share:.0%})") for name, share in trade.lines]
        name = f"accuracy-{comparison + 1}-{trade.unit.lower()}"
        title = f"Right answers against {trade.cost}"
        caption = "Bars are 95 % intervals; numbers are runs; the dotted line joins runs that none beats in both."
        rows = tuple((p.run, _plain(p.x), _plain(p.y), _plain(p.low), _plain(p.high), p.n) for p in trade.points)
        columns = ("run", trade.unit, "right", "low", "high", "n")
        svg = draw.draw_trade(name, trade, families)
        found.append(Plate(name, title, svg, tuple(legend), caption, columns, rows))
    return found


def time_plate(runs: Sequence[Run]) -> Plate | None:
    """Where time went, by run."""
    bars = stages(runs)
    if not bars:
        return None
    used = [stage for stage in STAGES if any(stage in bar.seconds for bar in bars)]
    legend = [(_box(STAGES.index(stage)), STAGE_NAMES.get(stage, stage)) for stage in used]
    rows = tuple(
        (bar.run, bar.name, *(_plain(bar.seconds.get(stage)) for stage in used), _plain(bar.watch)) for bar in bars
    )
    caption = (
        "Means, in seconds: up to prefill of one watching, then of one question. Decoding, and most of preprocess, run "
        "beside the rest; the tick is the wall time of watching."
    )
    columns = ("run", "methods", *used, "watch")
    return Plate("where-time-went", "Where time went", draw.draw_stages("time", bars), tuple(legend), caption, columns,
                 rows)  # fmt: skip


def memory_plates(runs: Sequence[Run]) -> list[Plate]:
    """RSS and KV bytes over video time."""
    told = (
        ("rss", "Resident set", "RSS", "All of the process's memory, the model's weights included."),
        ("kv", "KV cache", "KV", "Keys and values in use; dotted is the budget, where it was reached."),
    )
    found = []
    for column, title, label, caption in told:
        lines = courses(runs, column)
        if not lines:
            continue
        rows = tuple(
            (line.run, line.video, _plain(time), _plain(value))
            for line in lines
            for time, value in zip(line.x, line.y, strict=True)
        )
        name = f"memory-{column}"
        svg = draw.draw_courses(name, lines, label)
        legend = tuple((_stroke(_shade(line.run - 1), _dash(line.run - 1)), _run_name(line)) for line in lines)
        caption += " The longest video of each run."
        found.append(Plate(name, title, svg, legend, caption, ("run", "video", "seconds", "bytes"), rows))
    return found


def token_plate(runs: Sequence[Run]) -> tuple[Plate, list[str]] | None:
    """Tokens kept over time with the moments answers looked at, and what could not be shown."""
    lines = timelines(runs)
    if not lines:
        return None
    rows: list[tuple[Any, ...]] = []
    for line in lines:
        spans = zip(line.edges, line.edges[1:], line.shares, strict=False)
        rows += [(line.run, "kept", _plain(a), _plain(b), _plain(share)) for a, b, share in spans]
        rows += [(line.run, "looked at", _plain(m.time), _plain(m.time), _plain(m.score)) for m in line.moments]
    legend = [(_box(line.run - 1), _run_name(line)) for line in lines]
    legend.append((f'<svg viewBox="0 0 18 9" aria-hidden="true"><g fill="currentColor">{SIGNS["v"]}</g></svg>',
                   "a moment an answer looked at"))  # fmt: skip
    if any(moment.right is False for line in lines for moment in line.moments):
        legend.append((_sign(1, "v"), "of a wrong answer"))
    older = [str(line.run) for line in lines if not line.shares]
    notes = []
    if older:
        notes.append(
            f"The records of run{'s' if len(older) > 1 else ''} {', '.join(older)} were made before tokens over time "
            "were recorded: only evidence is drawn for them."
        )
    caption = (
        "The share of visual tokens that entered the language model, over the longest video of each run. A cache "
        "policy may have dropped entries of them later."
    )
    columns = ("run", "what", "from s", "to s", "share or score")
    plate = Plate("tokens-kept", "Visual tokens kept", draw.draw_timelines("tokens", lines), tuple(legend), caption,
                  columns, tuple(rows))  # fmt: skip
    return plate, notes


def _run_name(line: Course | Timeline) -> str:
    return f"{line.run}: {line.name}"


def _plain(value: float | None) -> str:
    """A number as the record has it; nothing for what was not measured."""
    return "" if value is None else repr(value)


def _shade(number: int) -> str:
    return f"var(--c{number % COLOURS + 1})"


def _dash(number: int) -> str:
    return DASHES[number // COLOURS % len(DASHES)]


def _sign(number: int, kind: str | None = None) -> str:
    shape = SIGNS[kind or draw.marker(number)]
    return f'<svg viewBox="0 0 18 9" aria-hidden="true"><g fill="{_shade(number)}">{shape}</g></svg>'


def _box(number: int) -> str:
    return f'<span class="swatch" style="background:{_shade(number)}"></span>'


def _stroke(shade: str, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    line = f'<path d="M0 4.5h18" stroke="{shade}" stroke-width="2"{dashed}/>'
    return f'<svg viewBox="0 0 18 9" aria-hidden="true">{line}</svg>'
