"""The cache over time: which moments each layer still holds, and how that came about while watching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vtc_cli.report.inspection.seen import CacheSeen
from vtc_cli.report.page.canvas import figure, mark_times, sheet, time_axis

MOST = 300  # columns of a picture; more units are averaged
Draw = Callable[[Any, CacheSeen], None]


def on_page(draw: Draw, name: str, cache: CacheSeen, height: float) -> str:
    """A picture as SVG for a page."""
    with figure(height) as (axes, finish):
        draw(axes, cache)
        return finish(name)


def on_paper(draw: Draw, name: str, cache: CacheSeen, height: float) -> bytes:
    """A picture as PNG on white."""
    with sheet(height) as (axes, finish):
        draw(axes, cache)
        return finish(name)


def height_of(cache: CacheSeen) -> float:
    """Inches that suit the layers of a time x layer picture."""
    return 1.1 + min(0.16 * max(cache.entries.shape[0], 5), 4.2)


def draw_layers(axes: Any, cache: CacheSeen) -> None:
    """Time x layer: the share of each moment's tokens that each layer holds when all was watched."""
    from matplotlib.ticker import MaxNLocator

    values = held_by_moment(cache)
    layers = values.shape[0]
    _heat(axes, values, edges_of(cache, values.shape[1]), np.arange(layers + 1) + 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.set_ylabel("decoder layer")


def draw_course(axes: Any, cache: CacheSeen) -> None:
    """Time x time watched: what the cache held of each moment while watching went on, the mean over layers."""
    values = held_by_course(cache)
    watched = [time for time, _ in cache.course]
    step = watched[1] - watched[0] if len(watched) > 1 else 1.0
    _heat(axes, values, edges_of(cache, values.shape[1]), np.asarray([*watched, watched[-1] + step]))
    mark_times(axes.yaxis, watched[-1] + step)
    axes.set_ylabel("watched until")


def held_by_moment(cache: CacheSeen) -> Any:
    """[layers, columns] shares of what was kept, nan where nothing was."""
    return binned(_shares(cache.entries, cache))


def held_by_course(cache: CacheSeen) -> Any:
    """[readings, columns] shares of what was kept, nan for moments that had not come in."""
    table = np.full((len(cache.course), len(cache.spans)), np.nan)
    for row, (_, entries) in enumerate(cache.course):
        table[row, : len(entries)] = _shares(entries, cache)
    return binned(table)


def binned(values: Any, most: int = MOST) -> Any:
    """[rows, units] with at most `most` columns, each the mean of as many units; nan where none is known."""
    rows, units = values.shape
    if units <= most:
        return values
    found = np.full((rows, most), np.nan)
    for place, group in enumerate(np.array_split(np.arange(units), most)):
        part = values[:, group]
        known = ~np.isnan(part)
        sums, total = np.where(known, part, 0).sum(1), known.sum(1)
        found[:, place] = np.divide(sums, total, out=np.full(rows, np.nan), where=total > 0)
    return found


def edges_of(cache: CacheSeen, columns: int) -> Any:
    """[columns + 1] seconds where the columns begin, and where the last one ends."""
    groups = np.array_split(np.arange(len(cache.spans)), columns)
    last = cache.spans[-1]
    step = last[0] - cache.spans[-2][0] if len(cache.spans) > 1 else max(last[1] - last[0], 1.0)
    return np.asarray([*(cache.spans[int(group[0])][0] for group in groups), last[0] + step])


def _shares(entries: Any, cache: CacheSeen) -> Any:
    kept = np.broadcast_to(np.asarray(cache.kept[: entries.shape[-1]], dtype=float), entries.shape)
    return np.divide(entries, kept, out=np.full(entries.shape, np.nan), where=kept > 0)


def _heat(axes: Any, values: Any, columns: Any, rows: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.grid(visible=False)
    masked = np.ma.masked_invalid(values)
    mesh = axes.pcolormesh(columns, rows, masked, vmin=0, vmax=1, cmap="viridis", rasterized=True)
    time_axis(axes, float(columns[-1]), label="moment of the video")
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02, aspect=18)
    bar.set_label("share held")
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
