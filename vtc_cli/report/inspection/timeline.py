"""A memory over time: which stretches it took in, what became one event, and who and what occurs when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from vtc_cli.memory.timeline import ConceptSpans, EventSpan, Timeline
from vtc_cli.report.page.canvas import ON_PAGE, ON_PAPER, Ink, figure, sheet, time_axis
from vtc_cli.report.units import clock

MOST_LANES = 30  # concepts drawn; those with most mentions are
MOST_ARCS = 40  # revisits drawn
NUMBER = 0.02  # of the width that a digit of an event's number needs
NAME = 24  # letters of a concept's name in front of its lane
LANE = 0.21  # inches
TALL = 0.72  # of a lane that a bar fills
LEAST = 0.002  # of the video that a bar fills, however short what it stands for
Span = tuple[float, float]


def timeline_on_page(name: str, seen: Timeline) -> str:
    """The picture as SVG for a page."""
    with figure(height_of(seen)) as (axes, finish):
        draw_timeline(axes, seen, ON_PAGE)
        return finish(name)


def timeline_on_paper(name: str, seen: Timeline) -> bytes:
    """The picture as PNG on white."""
    with sheet(height_of(seen)) as (axes, finish):
        draw_timeline(axes, seen, ON_PAPER)
        return finish(name)


def lanes_of(seen: Timeline) -> list[ConceptSpans]:
    """The concepts that are drawn: at most `MOST_LANES`, those mentioned most, in the order of their first mention."""
    known = [concept for concept in seen.concepts if concept.mentions]
    often = sorted(known, key=lambda concept: -len(concept.mentions))[:MOST_LANES]
    return [concept for concept in known if concept in often]


def arcs_of(seen: Timeline) -> list[tuple[EventSpan, EventSpan]]:
    """Events that show again what an earlier one showed, each with the last one before; none if they are too many."""
    by_id = {event.id: event for event in seen.events}
    found = [(event, by_id[max(event.earlier)]) for event in seen.events if event.earlier]
    return found if len(found) <= MOST_ARCS else []


def height_of(seen: Timeline) -> float:
    """Inches."""
    return 1.7 + LANE * (2 + bool(seen.subtitles) + len(lanes_of(seen)))


def timeline_caption(seen: Timeline) -> str:
    """What the picture shows, and what it leaves out."""
    lanes, known = lanes_of(seen), [concept for concept in seen.concepts if concept.mentions]
    told = "Ticks under the clips are key frames; numbers are those of events."
    if len(lanes) < len(known):
        told += f" Of {len(known)} concepts the {len(lanes)} mentioned most are drawn."
    again = sum(bool(event.earlier) for event in seen.events)
    if again:
        drawn = "an arrow leads back to it" if arcs_of(seen) else "too many to be drawn"
        told += f" {again} events show again what an earlier one showed: {drawn}."
    return told if seen.complete else f"{told} The memory is not complete: it reaches {clock(seen.end)}."


def draw_timeline(axes: Any, seen: Timeline, ink: Ink) -> None:
    """Video time across; clips, events, subtitles and a lane per concept, from the top down."""
    from matplotlib.patches import Patch

    bars = partial(_bars, axes, LEAST * seen.end)
    lanes = lanes_of(seen)
    rows: list[tuple[str, Callable[[int], None]]] = [
        ("clips", partial(_clips, axes, bars, seen, ink)),
        ("events", partial(_events, axes, bars, seen, ink)),
    ]
    if seen.subtitles:
        rows.append(("subtitles", partial(bars, seen.subtitles, ink.muted)))
    kinds = sorted({concept.kind for concept in lanes})
    hues = {kind: ink.colours[(3 + number) % len(ink.colours)] for number, kind in enumerate(kinds)}
    rows += [(_short(concept.name), partial(bars, concept.mentions, hues[concept.kind])) for concept in lanes]
    for place, (_, draw) in enumerate(rows):
        draw(place)
    axes.grid(visible=False)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    time_axis(axes, seen.end)
    done = {clip.action for clip in seen.clips}
    shown = {f"clip {does}": hue for action, does, hue in _actions(ink) if action in done} | hues
    handles = [Patch(color=hue, label=name) for name, hue in shown.items()]
    if handles:
        axes.figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False, fontsize=8.5)


def _clips(axes: Any, bars: Callable[..., None], seen: Timeline, ink: Ink, place: int) -> None:
    for action, _, hue in _actions(ink):
        bars([(clip.t0, clip.t1) for clip in seen.clips if clip.action == action], hue, place, edge=ink.paper)
    frames = [time for clip in seen.clips for time in clip.frames]
    axes.plot(frames, [place + TALL / 2 + 0.08] * len(frames), "|", color=ink.muted, markersize=3)


def _actions(ink: Ink) -> list[tuple[str, str, str]]:
    """What the manager decides about a clip, what that means, and its colour."""
    return [
        ("ADD_NEW", "begins an event", ink.colours[0]),
        ("MERGE", "goes on with it", ink.colours[5]),
        ("DISCARD", "shows nothing new", ink.muted),
    ]


def _events(axes: Any, bars: Callable[..., None], seen: Timeline, ink: Ink, place: int) -> None:
    for number, event in enumerate(seen.events):
        hue = ink.muted if event.low_info else ink.colours[2]
        bars([(event.t0, event.t1)], hue, place, alpha=(0.4, 0.7)[number % 2])
        middle = (event.t0 + event.t1) / 2
        if event.t1 - event.t0 > NUMBER * seen.end * len(str(event.id)):
            axes.text(middle, place, str(event.id), color=ink.fore, fontsize=8, ha="center", va="center_baseline")
    for event, before in arcs_of(seen):
        ends = [((one.t0 + one.t1) / 2, place + TALL / 2) for one in (before, event)]
        style = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=0.1", "color": ink.fore, "linewidth": 0.7}
        axes.annotate("", ends[0], ends[1], arrowprops=style)


def _bars(
    axes: Any, least: float, spans: Sequence[Span], hue: str, place: int, alpha: float = 0.85, edge: str = "none"
) -> None:
    """Bars from t0 to t1, seconds, of `least` seconds at least."""
    wide = [(t0, max(t1 - t0, least)) for t0, t1 in spans]
    axes.broken_barh(wide, (place - TALL / 2, TALL), facecolors=hue, alpha=alpha, edgecolor=edge, linewidth=0.4)


def _short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1].rstrip()}…"
