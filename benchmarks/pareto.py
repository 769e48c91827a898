"""Accuracy against tokens, and against bytes of the cache: one picture each, as PNG and as SVG for light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Results, Row
from vtc_cli.report.page.canvas import FORE, MUTED, colour, figure, sheet
from vtc_cli.report.page.draw import MARKERS
from vtc_cli.report.units import size

HEIGHT = 5.2  # inches
LIGHT = ("#0067a8", "#c4500a", "#00805b", "#a83e87", "#b27a00", "#2f9bc9", "#5d5f9e", "#6f6a61")
DARK = ("#5db2ee", "#f28c4e", "#43c79b", "#e08cc6", "#e3b341", "#93d5f2", "#a8a9ea", "#b9b2a6")
SANS = "system-ui, 'Segoe UI', Roboto, 'Liberation Sans', 'DejaVu Sans', sans-serif"
LINES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)))


@dataclass(frozen=True)
class Curve:
    """A method at several sizes. points: (cost, share right, low, high), by rising cost.

    apart: asked other questions than `none`, so that it can be no part of the frontier.
    """

    name: str
    points: tuple[tuple[float, float, float, float], ...]
    apart: bool = False


@dataclass(frozen=True)
class Picture:
    """What is drawn. levels: (name, share) drawn across; `none` with its interval is a band."""

    name: str
    cost: str
    curves: tuple[Curve, ...]
    none: tuple[float, float, float, float]
    levels: tuple[tuple[str, float], ...]
    tick: Callable[[float], str]


def pictures(results: Results) -> list[Picture]:
    """Both pictures, as numbers."""
    pruners = results.rows("pruners")
    caches = [row for row in results.rows("caches") if len(row["methods"]) < 2]
    asked = [row for row in results.rows("caches-asked") if row["methods"]]
    blind = results.row("pruners", "blind")["score"]["accuracy"]
    levels = [("chance", value) for value in results.parts["caches"]["chance"].values() if value is not None][:1]
    bounded = (*_curves(caches, _bytes), *_curves(asked, _bytes, apart=True))
    return [
        Picture(
            "accuracy-tokens",
            "visual tokens in the language model's last layers",
            _curves(pruners, _tokens),
            _point(results.row("pruners", "none"), _tokens),
            (("over noise", blind),),
            lambda value: f"{100 * value:.0f} %",
        ),
        Picture(
            "accuracy-bytes",
            "bytes of the cache, peak",
            bounded,
            _point(results.row("caches", "none"), _bytes),
            tuple(levels),
            lambda value: size(value),
        ),
    ]


def draw(axes: Any, picture: Picture) -> None:
    """The picture on axes of matplotlib."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

    cost, share, low, high = picture.none
    axes.axhspan(low, high, color=MUTED, alpha=0.16, linewidth=0)
    axes.axhline(share, color=MUTED, linewidth=1)
    axes.plot([cost], [share], "o", color=FORE, markersize=6, label="none", zorder=5)
    for number, curve in enumerate(picture.curves):
        xs, ys, lows, highs = zip(*curve.points, strict=True)
        away = 1 + 0.018 * (number - len(picture.curves) / 2)  # so that intervals do not cover each other
        axes.errorbar(
            [x * away for x in xs], ys, yerr=[[y - w for y, w in zip(ys, lows, strict=True)],
                                              [w - y for y, w in zip(ys, highs, strict=True)]],
            color=colour(number), marker=MARKERS[number % len(MARKERS)], linestyle=LINES[number // 8 % len(LINES)],
            markersize=5.5, linewidth=1.4, elinewidth=0.8, capsize=2, alpha=0.95, label=curve.name,
        )  # fmt: skip
    costs, shares = zip(*frontier(picture), strict=True)
    axes.step(costs, shares, where="post", color=FORE, linewidth=1, linestyle=":", label="best so far")
    for place, (name, level) in enumerate(picture.levels):
        axes.axhline(level, color=MUTED, linewidth=1, linestyle=LINES[1 + place])
        axes.annotate(name, (0.995, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=9.5)
    axes.set_xscale("log", base=2)
    ticks = sorted({_round(x) for curve in picture.curves for x, *_ in curve.points} | {_round(cost)})
    axes.xaxis.set_major_locator(FixedLocator(_apart(ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: picture.tick(value)))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel(picture.cost)
    axes.set_ylabel("right, with 95 % interval")
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        ncols=4,
        frameon=False,
        fontsize=9.5,
        columnspacing=1.2,
        handlelength=1.8,
    )


def frontier(picture: Picture) -> list[tuple[float, float]]:
    """(cost, share right) of the points that no cheaper one equals, by rising cost; `none` among them."""
    same = {point[:2] for curve in picture.curves if not curve.apart for point in curve.points}
    points = sorted(same | {picture.none[:2]}, key=lambda point: (point[0], -point[1]))
    best: list[tuple[float, float]] = []
    for cost, share in points:
        if not best or share > best[-1][1]:
            best.append((cost, share))
    return best


def save(results: Results, folder: Path) -> list[Path]:
    """Draw both into a folder, each as PNG on white and as SVG. Raises MachineError without the extra `report`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for picture in pictures(results):
        with figure(HEIGHT) as (axes, finish):
            draw(axes, picture)
            body = finish(picture.name)
        made.append(folder / f"{picture.name}.svg")
        made[-1].write_text(alone(body), encoding="utf-8")
        with sheet(HEIGHT) as (axes, finish):
            draw(_Coloured(axes), picture)
            content = finish(picture.name)
        made.append(folder / f"{picture.name}.png")
        made[-1].write_bytes(content)
    return made


def alone(svg: str) -> str:
    """SVG for a page as a file of its own, which follows the reader's light or dark."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None, "the drawing has no size"
    width, height = box[1], box[2]
    light = _variables("#fcfcfb", "#1d2126", "#5c646d", "#dcdfe3", LIGHT)
    dark = _variables("#15181b", "#e4e6e8", "#9aa3ac", "#343a40", DARK)
    style = (
        "<style>svg{color-scheme:light dark;color:var(--ink);" + light
        + "}@media (prefers-color-scheme:dark){svg{" + dark + "}}text{fill:currentColor}</style>"
    )  # fmt: skip
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    svg = svg.replace("<svg", f'<svg {names} width="{width}" height="{height}"', 1)
    end = svg.index(">", svg.index("<svg")) + 1
    paper = '<rect width="100%" height="100%" style="fill:var(--paper)"/>'
    return f"{svg[:end]}\n{style}\n{paper}{svg[end:]}\n"


class _Coloured:
    """Axes on paper: stand-ins for the page's colours become the light ones."""

    def __init__(self, axes: Any):
        self._axes = axes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._axes, name)
        return (lambda *given, **options: found(*given, **_on_paper(options))) if callable(found) else found


def _on_paper(options: dict[str, Any]) -> dict[str, Any]:
    known = {colour(number): shade for number, shade in enumerate(LIGHT)} | {FORE: "#1d2126", MUTED: "#5c646d"}
    return {name: known.get(value, value) if isinstance(value, str) else value for name, value in options.items()}


def _curves(rows: Sequence[Row], cost: Callable[[Row], float], apart: bool = False) -> tuple[Curve, ...]:
    """One per method. apart: see `Curve`; how many questions it was asked then stands in its name."""
    families: dict[str, list[Row]] = {}
    for row in rows:
        if row["methods"]:
            families.setdefault(row["family"], []).append(row)
    curves = []
    for name, found in sorted(families.items()):
        called = f"{name} (n {found[0]['score']['n']})" if apart else name
        curves.append(Curve(called, tuple(sorted(_point(row, cost) for row in found)), apart))
    return tuple(curves)


def _point(row: Row, cost: Callable[[Row], float]) -> tuple[float, float, float, float]:
    score = row["score"]
    return cost(row), score["accuracy"], score["low"], score["high"]


def _tokens(row: Row) -> float:
    """The share of visual tokens that the last layers see: what entered, or what a layer policy left of it."""
    if any(name.partition(":")[0] == "fastv" for name in row["methods"]):
        above, _, below = str(row["size"]).partition("/")
        return float(above) / float(below or 1)
    return float(row["costs"]["retention"])


def _bytes(row: Row) -> float:
    return float(row["costs"]["kv_bytes_peak"])


def _round(value: float) -> float:
    return float(f"{value:.2g}")


def _apart(ticks: Sequence[float]) -> list[float]:
    """The ticks that leave room for their words on a logarithmic axis."""
    found: list[float] = []
    for tick in ticks:
        if not found or tick >= 1.35 * found[-1]:
            found.append(tick)
    return found


def _variables(paper: str, ink: str, muted: str, line: str, shades: Sequence[str]) -> str:
    named = {"paper": paper, "ink": ink, "muted": muted, "line": line, "sans": SANS}
    named |= {f"c{number}": shade for number, shade in enumerate(shades, 1)}
    return ";".join(f"--{name}:{value}" for name, value in named.items())
