"""Where figures are drawn: SVG that takes its colours from the page, so that one picture suits light, dark and paper.

The library draws with stand-in colours, and they are exchanged for variables of the page's style sheet. Text stays
text. The same numbers give the same bytes: no date, no random names.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = 8  # of the style sheet: --c1 to --c8
FORE, MUTED, GRID, PAPER = "#a20001", "#a20002", "#a20003", "#a20004"
_ON_PAGE = {FORE: "currentColor", MUTED: "var(--muted)", GRID: "var(--line)", PAPER: "var(--paper)"}
_ON_PAPER = {FORE: "#1d2126", MUTED: "#5c646d", GRID: "#dcdfe3", PAPER: "#ffffff"}
_PRINTED = ("#0067a8", "#c4500a", "#00805b", "#a83e87", "#b27a00", "#2f9bc9", "#5d5f9e", "#6f6a61")  # the light style's
WIDTH = 5.8  # inches of 72 points; the page scales it
DPI = 200  # of what is a picture within a figure, and of figures on paper
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


@dataclass(frozen=True)
class Ink:
    """What to draw with: colours that tell things apart, of texts, of what stands back, and of what is beneath."""

    colours: tuple[str, ...]
    fore: str
    muted: str
    paper: str


ON_PAGE = Ink(tuple(colour(number) for number in range(COLOURS)), FORE, MUTED, PAPER)
ON_PAPER = Ink(_PRINTED, _ON_PAPER[FORE], _ON_PAPER[MUTED], _ON_PAPER[PAPER])


@contextmanager
def figure(height: float, rows: int = 0) -> Iterator[tuple[Any, Callable[[str], str]]]:
    """Axes to draw on (a list of them with `rows`), and what makes SVG for a page of them, given a unique name.

    height: inches. Raises MachineError without the library.
    """
    with _axes(STYLE, height, rows) as axes:

        def finish(name: str) -> str:
            import matplotlib

            raw = io.StringIO()
            with matplotlib.rc_context({"svg.hashsalt": name}):
                nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
                _of(axes).savefig(raw, format="svg", metadata=nothing, dpi=DPI)
            return inline(raw.getvalue(), name)

        yield axes, finish


@contextmanager
def sheet(height: float) -> Iterator[tuple[Any, Callable[[str], bytes]]]:
    """The same on white, and what makes a PNG of it."""
    style = {name: _ON_PAPER.get(value, value) for name, value in STYLE.items()}
    style |= {"figure.facecolor": "white", "savefig.facecolor": "white"}
    with _axes(style, height, 0) as axes:

        def finish(name: str) -> bytes:
            raw = io.BytesIO()
            _of(axes).savefig(raw, format="png", dpi=DPI, metadata={"Software": None})
            return raw.getvalue()

        yield axes, finish


@contextmanager
def _axes(style: Any, height: float, rows: int) -> Iterator[Any]:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise missing("matplotlib") from None
    with matplotlib.rc_context(style):
        whole = Figure(figsize=(WIDTH, height), layout="constrained")
        yield list(whole.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]) if rows else whole.subplots()


def _of(axes: Any) -> Any:
    return (axes[0] if isinstance(axes, list) else axes).figure


def check_libraries() -> None:
    """Raise MachineError where what draws is not installed: to be known before a video is watched for it."""
    for module, library in (("matplotlib", "matplotlib"), ("jinja2", "jinja2"), ("PIL", "pillow")):
        if find_spec(module) is None:
            raise missing(library)


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
    for stand_in, meant in _ON_PAGE.items():
        svg = svg.replace(stand_in, meant)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip())


def _reference(match: re.Match[str], name: str) -> str:
    return f"url(#{name}-{match[1]})" if match[1] else f'href="#{name}-{match[2]}"'


def time_axis(axes: Axes, end: float, named: bool = True, label: str = "video time") -> None:
    """Mark the x axis as times of video, from 0 to `end` seconds."""
    axes.set_xlim(0, end if end > 0 else 1)
    mark_times(axes.xaxis, end)
    if named:
        axes.set_xlabel(label)


def mark_times(axis: Any, end: float) -> None:
    """Ticks at round times. Minutes and hours are cut into whole parts."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    steps = [1, 1.5, 3, 6, 10] if end >= 120 else [1, 2, 5, 10]
    axis.set_major_locator(MaxNLocator(6, steps=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _clock(value)))


def _clock(seconds: float) -> str:
    whole = round(seconds)
    if abs(seconds - whole) > 1e-6:
        return f"{seconds:.1f} s"
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
