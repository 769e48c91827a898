"""Figures as SVG that takes its colours from the page, so that one picture suits light, dark and paper.

The library draws with stand-in colours, and they are exchanged for variables of the page's style sheet. Text stays
text. The same numbers give the same bytes: no date, no random names.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError
from vtc_cli.report.page.figures import STAGES, Course, Stages, Timeline, Trade
from vtc_cli.report.units import duration, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = 8  # of the style sheet: --c1 to --c8
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
FORE, MUTED, GRID, PAPER = "#a20001", "#a20002", "#a20003", "#a20004"
_MEANT = {FORE: "currentColor", MUTED: "var(--muted)", GRID: "var(--line)", PAPER: "var(--paper)"}
WIDTH = 5.8  # inches of 72 points; the page scales it
STYLE: Any = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11, "text.parse_math": False,
    "axes.edgecolor": MUTED, "axes.labelcolor": FORE, "text.color": FORE, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelcolor": FORE, "ytick.labelcolor": FORE, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.7,
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "axes.facecolor": "none",
    "figure.facecolor": "none", "savefig.facecolor": "none", "axes.linewidth": 0.8,
}  # fmt: skip


def colour(number: int) -> str:
    """The stand-in for the `number`th colour of the page, from 0."""
    return f"#a1000{number % COLOURS + 1}"


def dash(number: int) -> Any:
    """How the `number`th line is dashed: lines of one colour are told apart by it."""
    return DASHES[number // COLOURS % len(DASHES)]


def marker(number: int) -> str:
    return MARKERS[number % len(MARKERS)]


def draw_trade(name: str, trade: Trade, families: Sequence[str]) -> str:
    """Accuracy with 95 % intervals against a cost; runs of a family are joined, the frontier is dotted."""
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    with _figure(3.7) as (axes, finish):
        for family in dict.fromkeys(point.family for point in trade.points):
            points = sorted((point for point in trade.points if point.family == family), key=lambda point: point.x)
            shade, kind = colour(families.index(family)), marker(families.index(family))
            axes.errorbar(
                [point.x for point in points],
                [point.y for point in points],
                yerr=[[p.y - p.low for p in points], [p.high - p.y for p in points]],
                color=shade, marker=kind, markersize=6, linewidth=1.3, elinewidth=0.9, capsize=2.5, alpha=0.95,
            )  # fmt: skip
        for (x, y), numbers in _places(trade).items():
            axes.annotate(", ".join(map(str, numbers)), (x, y), xytext=(6, 4), textcoords="offset points", fontsize=9.5)
        edge = trade.frontier
        axes.step([p.x for p in edge], [p.y for p in edge], where="post", color=FORE, linewidth=0.9, linestyle=":")
        for number, (_, share) in enumerate(trade.lines):
            axes.axhline(share, color=MUTED, linewidth=1, linestyle=DASHES[number % len(DASHES)])
        axes.set_xlim(left=0)
        axes.margins(x=0.1)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: _tokens(value) if trade.unit == "tokens" else _bytes(value))
        )
        axes.set_xlabel(f"{trade.cost}{', mean per film' if trade.unit == 'tokens' else ', peak'}")
        axes.set_ylabel("right")
        return finish(name)


def _places(trade: Trade) -> dict[tuple[float, float], list[int]]:
    """Where the numbers of runs are written: those of points that cover each other stand together."""
    widest = max(point.x for point in trade.points) or 1
    near: dict[tuple[int, int], tuple[float, float]] = {}
    found: dict[tuple[float, float], list[int]] = {}
    for point in trade.points:
        place = near.setdefault((round(40 * point.x / widest), round(30 * point.y)), (point.x, point.y))
        found.setdefault(place, []).append(point.run)
    return found


def draw_stages(name: str, bars: Sequence[Stages]) -> str:
    """One bar per run, its stages one after the other; the tick is the wall time of watching."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    with _figure(0.95 + 0.34 * len(bars)) as (axes, finish):
        for place, bar in enumerate(bars):
            left = 0.0
            for stage, seconds in bar.seconds.items():
                axes.barh(
                    place, seconds, left=left, height=0.62, color=colour(STAGES.index(stage)), edgecolor=PAPER, lw=0.4
                )
                left += seconds
            if bar.watch is not None:
                axes.plot([bar.watch, bar.watch], [place - 0.42, place + 0.42], color=FORE, linewidth=1.6)
        axes.set_yticks(range(len(bars)), [str(bar.run) for bar in bars])
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_ylabel("run")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _seconds(value)))
        return finish(name)


def draw_courses(name: str, courses: Sequence[Course], label: str) -> str:
    """Lines over video time, one per run; the allowance of each, where it has one, is dotted."""
    from matplotlib.ticker import FuncFormatter

    with _figure(3.2) as (axes, finish):
        end = max(course.x[-1] for course in courses)
        for course in courses:
            values = [float("nan") if value is None else value for value in course.y]
            shade = colour(course.run - 1)
            axes.plot(course.x, values, color=shade, linestyle=dash(course.run - 1), linewidth=1.6,
                      marker="o" if len(values) == 1 else None)  # fmt: skip
            if course.limit is not None:
                axes.axhline(course.limit, color=shade, linewidth=0.9, linestyle=":")
        axes.set_ylim(bottom=0)
        _time_axis(axes, end)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _bytes(value)))
        axes.set_ylabel(label)
        return finish(name)


def draw_timelines(name: str, lines: Sequence[Timeline]) -> str:
    """Per run, the share of tokens kept over video time; triangles above are moments that answers looked at."""
    from matplotlib.ticker import PercentFormatter

    with _figure(0.7 + 0.95 * len(lines), rows=len(lines)) as (several, finish):
        end = max(line.end for line in lines)
        for axes, line in zip(several, lines, strict=True):
            if line.shares:
                axes.stairs(line.shares, line.edges, color=colour(line.run - 1), fill=True, alpha=0.35, linewidth=0)
                axes.stairs(line.shares, line.edges, color=colour(line.run - 1), linewidth=1.3, baseline=None)
            for right, shade in ((False, colour(1)), (None, FORE), (True, FORE)):
                times = [moment.time for moment in line.moments if moment.right is right]
                axes.plot(times, [1.14] * len(times), "v", color=shade, markersize=5, alpha=0.75, linestyle="none")
            axes.set_ylim(0, 1.28)
            axes.set_yticks([0, 0.5, 1])
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.set_ylabel(f"run {line.run}")
            _time_axis(axes, end, named=axes is several[-1])
            axes.tick_params(labelbottom=axes is several[-1])
        return finish(name)


@contextmanager
def _figure(height: float, rows: int = 0) -> Iterator[tuple[Any, Callable[[str], str]]]:
    """Axes to draw on (a list of them with `rows`), and what makes SVG of them. Raises MachineError."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise missing("matplotlib") from None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]) if rows else figure.subplots()

        def finish(name: str) -> str:
            with matplotlib.rc_context({"svg.hashsalt": name}):
                raw = io.StringIO()
                nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
                figure.savefig(raw, format="svg", metadata=nothing)
            return inline(raw.getvalue(), name)

        yield axes, finish


def missing(library: str) -> MachineError:
    """The error of a machine without what draws."""
    return MachineError(f"drawing needs the library {library}", "pip install 'vtc-cli[report]'")


def inline(svg: str, name: str) -> str:
    """SVG to stand in an HTML page: without prolog and metadata, names its own, colours the page's."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(?:xmlns(?::\w+)?|version)="[^"]*"', "", svg)
    for length in ("width", "height"):
        svg = re.sub(rf'(<svg[^>]*?) {length}="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'url\(#([^)]+)\)|xlink:href="#([^"]+)"', lambda m: _reference(m, name), svg)
    svg = re.sub(r"font: (\S+) [^;\"]*sans-serif[^;\"]*", r"font: \1 var(--sans)", svg)
    svg = re.sub(r"#a1000([1-8])", r"var(--c\1)", svg)
    for stand_in, meant in _MEANT.items():
        svg = svg.replace(stand_in, meant)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip())


def _reference(match: re.Match[str], name: str) -> str:
    return f"url(#{name}-{match[1]})" if match[1] else f'href="#{name}-{match[2]}"'


def _time_axis(axes: Axes, end: float, named: bool = True) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(0, end if end > 0 else 1)
    # Minutes and hours are cut into whole parts.
    steps = [1, 1.5, 3, 6, 10] if end >= 120 else [1, 2, 5, 10]
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _clock(value)))
    if named:
        axes.set_xlabel("video time")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    if abs(seconds - whole) > 1e-6:
        return f"{seconds:.1f} s"
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def _bytes(value: float) -> str:
    return "0" if value == 0 else re.sub(r"\.0+(?= )", "", size(value))


def _seconds(value: float) -> str:
    return f"{value:g} s" if value < 100 else duration(value)


def _tokens(value: float) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:g}"
