"""The figures of the page of results, drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from vtc_cli.report.page.canvas import COLOURS, FORE, MUTED, PAPER, colour, figure, time_axis
from vtc_cli.report.page.figures import STAGES, Course, Stages, Timeline, Trade
from vtc_cli.report.units import duration, size

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p", "h", "<", ">")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


def dash(number: int) -> Any:
    """How the `number`th line is dashed: lines of one colour are told apart by it."""
    return DASHES[number // COLOURS % len(DASHES)]


def marker(number: int) -> str:
    return MARKERS[number % len(MARKERS)]


def draw_trade(name: str, trade: Trade, families: Sequence[str]) -> str:
    """Accuracy with 95 % intervals against a cost; runs of a family are joined, the frontier is dotted."""
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    with figure(3.7) as (axes, finish):
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

    with figure(0.95 + 0.34 * len(bars)) as (axes, finish):
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

    with figure(3.2) as (axes, finish):
        end = max(course.x[-1] for course in courses)
        for course in courses:
            values = [float("nan") if value is None else value for value in course.y]
            shade = colour(course.run - 1)
            axes.plot(course.x, values, color=shade, linestyle=dash(course.run - 1), linewidth=1.6,
                      marker="o" if len(values) == 1 else None)  # fmt: skip
            if course.limit is not None:
                axes.axhline(course.limit, color=shade, linewidth=0.9, linestyle=":")
        axes.set_ylim(bottom=0)
        time_axis(axes, end)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _bytes(value)))
        axes.set_ylabel(label)
        return finish(name)


def draw_timelines(name: str, lines: Sequence[Timeline]) -> str:
    """Per run, the share of tokens kept over video time; triangles above are moments that answers looked at."""
    from matplotlib.ticker import PercentFormatter

    with figure(0.7 + 0.95 * len(lines), rows=len(lines)) as (several, finish):
        end = max(line.end for line in lines)
        for axes, line in zip(several, lines, strict=True):
            if line.shares:
                axes.stairs(line.shares, line.edges, color=colour(line.run - 1), fill=True, alpha=0.35, linewidth=0)
                axes.stairs(line.shares, line.edges, color=colour(line.run - 1), linewidth=1.3, baseline=None)
            for right, shade in ((True, FORE), (None, FORE), (False, colour(1))):
                times = [moment.time for moment in line.moments if moment.right is right]
                axes.plot(times, [1.14] * len(times), "v", color=shade, markersize=5, alpha=0.85, linestyle="none")
            axes.set_ylim(0, 1.28)
            axes.set_yticks([0, 0.5, 1])
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.set_ylabel(f"run {line.run}")
            time_axis(axes, end, named=axes is several[-1])
            axes.tick_params(labelbottom=axes is several[-1])
        return finish(name)


def _bytes(value: float) -> str:
    return "0" if value == 0 else re.sub(r"\.0+(?= )", "", size(value))


def _seconds(value: float) -> str:
    return f"{value:g} s" if value < 100 else duration(value)


def _tokens(value: float) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:g}"
