"""What the figures of the page show, as plain numbers taken from the records; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vtc_cli.report.page.reading import Record
from vtc_cli.report.page.runs import Run, video_of

# Order of the stages as an answer goes through them; the first five are per watching, the others per question.
STAGES = ("decode", "preprocess", "vision", "method", "prefill", "first_token", "generate", "recall")


@dataclass(frozen=True)
class Point:
    """A run at its cost. x: tokens or bytes. y, low, high: share right and its 95 % interval."""

    run: int
    family: str
    x: float
    y: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Trade:
    """Accuracy against one cost, of the runs of one comparison.

    lines: (name, share) of rows that are a level to compare with, such as one that saw noise.
    frontier: runs that no other beats in both, by rising cost.
    """

    cost: str
    unit: str
    points: tuple[Point, ...]
    lines: tuple[tuple[str, float], ...] = ()

    @property
    def frontier(self) -> tuple[Point, ...]:
        best: list[Point] = []
        for point in sorted(self.points, key=lambda point: (point.x, -point.y)):
            if not best or point.y > best[-1].y:
                best.append(point)
        return tuple(best)


@dataclass(frozen=True)
class Stages:
    """Where a run's time went. seconds: by stage, means; what was not measured is not there. watch: wall time of
    watching, in which decoding and resizing ran beside the rest."""

    run: int
    name: str
    seconds: Mapping[str, float]
    watch: float | None


@dataclass(frozen=True)
class Course:
    """Something over video time. x: seconds; y: bytes, None where not measured. limit: the most that was
    allowed, where that was reached."""

    run: int
    name: str
    video: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    limit: float | None = None


@dataclass(frozen=True)
class Moment:
    """A moment an answer looked at. score: None if the method gives none. right: None where nobody knows."""

    time: float
    score: float | None
    question: str
    right: bool | None


@dataclass(frozen=True)
class Timeline:
    """What was kept of one video, and what its answers looked at.

    edges: seconds, one more than `shares`. shares: kept of the visual tokens seen between two edges; empty where the
    records were made before that was recorded. seen, kept: in all.
    """

    run: int
    name: str
    video: str
    end: float
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    seen: int | None
    kept: int | None
    moments: tuple[Moment, ...] = field(default=())


def trades(runs: Sequence[Run], comparison: int) -> list[Trade]:
    """Accuracy against tokens, and against bytes, of the rows of one comparison."""
    rows = [run for run in runs if run.comparison == comparison and run.score is not None]
    levels = tuple((run.name, run.score["accuracy"]) for run in rows if run.blind and run.score)
    found = []
    for cost, unit, title in (("visual_kept", "tokens", "visual tokens kept"), ("kv_bytes_peak", "B", "KV cache")):
        points = tuple(
            Point(
                run.number, run.family, run.costs[cost], run.score["accuracy"], run.score["low"], run.score["high"],
                run.score["n"],
            )
            for run in rows
            if not run.blind and run.score is not None and run.costs[cost] is not None
        )  # fmt: skip
        if points:
            found.append(Trade(title, unit, points, levels))
    return found


def stages(runs: Sequence[Run]) -> list[Stages]:
    """Where the time of each run went; runs without any time measured are left out."""
    found = []
    for run in runs:
        known = {**run.costs["seconds"], "recall": _recalling(run)}
        seconds = {name: known[name] for name in STAGES if known[name] is not None}
        if seconds:
            found.append(Stages(run.number, run.name, seconds, run.costs["seconds"]["watch"]))
    return found


def _recalling(run: Run) -> float | None:
    """Mean seconds of answering from a memory, None for a run that did not."""
    found = [record["seconds"]["recall"] for record in run.records if record["seconds"].get("recall") is not None]
    return sum(found) / len(found) if found else None


def courses(runs: Sequence[Run], column: str) -> list[Course]:
    """Memory over the longest video of each run. column: `rss` or `kv`, as in the records' `timeline`."""
    found = []
    for run in runs:
        watch = run.longest()
        values = watch["timeline"].get(column) if watch is not None else None
        if watch is None or not values or all(value is None for value in values):
            continue
        bounded = column == "kv" and watch.get("evicted")
        limit = (watch["cache"] or {}).get("budget_bytes") if bounded else None
        found.append(
            Course(run.number, run.name, watch["video"], tuple(watch["timeline"]["time"]), tuple(values), limit)
        )
    return found


def timelines(runs: Sequence[Run]) -> list[Timeline]:
    """Tokens and evidence over the longest video of each run."""
    found = []
    for run in runs:
        watch = run.longest()
        if watch is None:
            continue
        edges, shares = _shares(watch)
        moments = tuple(
            Moment(item["time"], item["score"], line["question"], line["right"])
            for line in run.lines
            if video_of(line["record"]) == video_of(watch)
            for item in line["record"]["evidence"] or ()
        )
        tokens = watch["tokens"] or {}
        end = max([watch["timeline"]["time"][-1], *edges, *(moment.time for moment in moments)])
        known = (tokens.get("visual_in"), tokens.get("visual_kept"))
        found.append(Timeline(run.number, run.name, watch["video"], end, edges, shares, *known, moments))
    return found


def _shares(watch: Record) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(edges, shares) from the running counts of a timeline; the record's totals close it, as the last step of a
    video comes after the last reading. A frame is on screen until the next one."""
    timeline: Mapping[str, Sequence[Any]] = watch["timeline"]
    seen, kept = timeline.get("visual_in"), timeline.get("visual_kept")
    if not seen or not kept or any(value is None for value in (*seen, *kept)):
        return (), ()
    tokens, sampling = watch["tokens"] or {}, watch["sampling"] or {}
    counts = {time: (had, held) for time, had, held in zip(timeline["time"], seen, kept, strict=True)}
    if tokens.get("visual_in") is not None:
        counts[timeline["time"][-1]] = (tokens["visual_in"], tokens["visual_kept"])
    step = 1 / sampling["fps"] if sampling.get("fps") else 0.0
    edges, shares, before = [min(sampling.get("start") or 0.0, timeline["time"][0])], [], (0, 0)
    for time, (had, held) in counts.items():
        if had > before[0] and time + step > edges[-1]:  # units are taken in several at a time
            shares.append((held - before[1]) / (had - before[0]))
            edges.append(time + step)
            before = (had, held)
    return (tuple(edges), tuple(shares)) if shares else ((), ())
