"""Watching a video to see what methods keep of it: chosen frames, and the cache over time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.inspect_memory import memory_seen
from vtc_cli.jobs.run import Runner
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import from_memory, methods_of, split_memory
from vtc_cli.jobs.sources import is_live
from vtc_cli.jobs.watched import Watched, method_facts
from vtc_cli.report.inspection.seen import CacheSeen, FrameSeen, Inspected
from vtc_cli.report.units import count, method_text
from vtc_cli.report.versions import machine, versions
from vtc_cli.video.timecode import format_time, parse_time

if TYPE_CHECKING:
    import numpy as np

    from vtc_cli.engine.prune import Pruned
    from vtc_cli.engine.session import Session
    from vtc_cli.video.frame import Clip, ClipInfo

FRAMES = 6  # looked at where no times are given
MOMENTS = 48  # of watching at which the cache is looked at, at most


def inspect_video(
    source: str,
    settings: Settings,
    output: Path,
    *,
    at: Sequence[float] = (),
    question: str | None = None,
    events: Events | None = None,
) -> tuple[Path, ...]:
    """Watch a video and write its pictures into the folder `output`; the page comes first.

    at: seconds whose frames are drawn; without any, `FRAMES` spread over what is watched. question: for methods that
    look at it. With a memory chosen its timeline is drawn, and nothing else where nothing else was asked for.
    Raises UsageError for a source that cannot be read twice or a folder with other things in it, MachineError without
    the libraries of the extra `report`, VtcError.
    """
    from vtc_cli.report.inspection.folder import check_folder, write_folder
    from vtc_cli.report.page.canvas import check_libraries

    if source == "-" or is_live(source):
        raise UsageError(
            f"{source} cannot be looked at again after it was watched", "give a file or a folder of frames"
        )
    check_folder(output)
    check_libraries()
    events = events or Events()
    memory, beside = split_memory(settings)
    chosen = methods_of(beside).values()
    if question is None and (asking := [one for one in chosen if one.method.by_question()]):
        raise UsageError(f"method `{asking[0].name}` looks at the question", 'give one: --question "..."')
    if not from_memory(settings):
        return write_folder(output, _watched(source, settings, events, at, question))
    alone = tuple(spec for spec in settings.method if spec not in beside.method)  # others thin what is watched now
    timeline, facts = memory_seen(source, replace(settings, method=alone, budget=None), events)
    text = method_text(memory.stage, memory.name, memory.options)
    if beside.method or beside.budget is not None or at or question is not None:
        seen = _watched(source, beside, events, at, question)
        seen = replace(seen, methods=[*seen.methods, text], facts={**seen.facts, **facts}, memory=timeline)
    else:
        seen = Inspected(source, [text], None, [], None, facts, timeline)
    return write_folder(output, seen)


def _watched(source: str, settings: Settings, events: Events, at: Sequence[float], question: str | None) -> Inspected:
    """What the methods keep of a video that is watched now."""
    watcher = Watcher(events)
    runner = Runner(settings, watcher)
    with closing(runner.open(source)) as clip:
        watcher.times = _times(clip.info, settings, at)
        watched = runner.watch(clip, question)
        return _seen(watcher, watched, clip, runner, question)


def parse_times(text: str | None) -> list[float]:
    """Seconds of `12,1:30,00:02:10.5`; none for None. Raises UsageError."""
    if text is None:
        return []
    items = [item for item in text.split(",") if item.strip()]
    if not items:
        raise UsageError("--at names no moment", "like --at 12,1:30")
    return [parse_time(item) for item in items]


@dataclass(frozen=True)
class Noted:
    """A unit whose frame is to be drawn, as it was when it was pruned."""

    unit: int
    span: tuple[float, float]
    grid: tuple[int, int]
    kinds: dict[str, tuple[int, ...]]
    attention: dict[int, np.ndarray]


@dataclass
class Watcher(Events):
    """Passes events on and notes what pictures need: the units nearest to `times`, and the cache now and then.

    What is held is bounded but for a few numbers per unit.
    """

    events: Events
    times: Sequence[float] = ()
    nearest: dict[float, Noted] = field(default_factory=dict)
    spans: list[tuple[float, float]] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    course: list[tuple[float, int, dict[int, float]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._session: Session | None = None
        self._stride, self._readings = 1, 0

    def started(self, session: Session) -> None:
        self._session = session
        session.on_unit = self._unit
        self.events.started(session)

    def frame(self, time: float) -> None:
        if self._readings % self._stride == 0:
            if len(self.course) == MOMENTS:
                self.course = self.course[::2]
                self._stride *= 2
            if self._readings % self._stride == 0:
                self.course.append((time, *self._held()))
        self._readings += 1
        self.events.frame(time)

    def _held(self) -> tuple[int, dict[int, float]]:
        """How many units have come in, and unit -> entries in the cache now, the mean over layers."""
        assert self._session is not None, "started() comes first"
        held = self._session.held_by_layer(waiting=False)
        return self._session.units, dict(zip(held.units, held.entries.mean(0).tolist(), strict=True))

    def loading(self, model: str) -> None:
        self.events.loading(model)

    def watching(self, source: str, info: ClipInfo, frames: int | None) -> None:
        self.events.watching(source, info, frames)

    def watched(self) -> None:
        self.events.watched()

    def warning(self, text: str) -> None:
        self.events.warning(text)

    def _unit(self, pruned: Pruned) -> None:
        unit = pruned.unit
        kept = len(unit.tokens) if pruned.kept is None else len(pruned.kept.indices)
        del self.spans[unit.index :], self.kept[unit.index :]  # a cut unit may be completed again
        self.spans.append(unit.span)
        self.kept.append(kept)
        wanted = [time for time in self.times if self._nearer(time, unit.span)]
        if wanted:
            noted = Noted(
                unit.index,
                unit.span,
                unit.grid,
                {name: tuple(indices.tolist()) for name, indices in pruned.kinds().items()},
                {layer: scores.float().cpu().numpy() for layer, scores in unit.scores.items()},
            )
            self.nearest |= dict.fromkeys(wanted, noted)

    def _nearer(self, time: float, span: tuple[float, float]) -> bool:
        if time not in self.nearest:
            return True
        return _distance(time, span) < _distance(time, self.nearest[time].span)


def _distance(time: float, span: tuple[float, float]) -> float:
    return max(span[0] - time, time - span[1], 0.0)


def _times(info: ClipInfo, settings: Settings, at: Sequence[float]) -> list[float]:
    """Times to draw, ascending. Raises UsageError for those that are not watched."""
    end = min(value for value in (settings.end, info.duration, float("inf")) if value is not None)
    for time in at:
        if not settings.start <= time <= end:
            until = "" if end == float("inf") else f" to {format_time(end)}"
            raise UsageError(
                f"--at {format_time(time)} is not watched: that is from {format_time(settings.start)}{until}",
                "name other times, or change --start and --end",
            )
    if at:
        return sorted(set(at))
    if end == float("inf"):
        raise UsageError(f"how long {info.source} is cannot be told", "name the times to look at: --at 10,20,30")
    long = end - settings.start
    return [settings.start + long * (place + 0.5) / FRAMES for place in range(FRAMES)]


def _seen(watcher: Watcher, watched: Watched, clip: Clip, runner: Runner, question: str | None) -> Inspected:
    import numpy as np

    session, model = watched.session, runner.prepare()
    held = session.held_by_layer()  # completes a cut unit, which is shown with the others
    entries = np.zeros((held.entries.shape[0], len(watcher.spans)))
    entries[:, list(held.units)] = held.entries.numpy()
    course = [(time, _column(means, units)) for time, units, means in watcher.course]
    cache = CacheSeen(watched.methods["cache"].name, watcher.spans, watcher.kept, entries, course, session.evicted)
    noted = {item.unit: (time, item) for time, item in sorted(watcher.nearest.items(), reverse=True)}
    frames = []
    for unit, (time, item) in sorted(noted.items()):
        # Of the frames of the unit, the one that is nearest; a picture between them would show what was not watched.
        moment = min(item.span, key=lambda end: abs(end - time))
        picture = next(iter(clip.at([moment])), None)
        if picture is None:
            raise VideoError(f"{clip.info.source}: the frame at {format_time(moment)} cannot be read again")
        image = model.shrink(picture, watched.geometry).image.permute(1, 2, 0).contiguous().numpy()
        places = session.held_places(unit, item.grid[0] * item.grid[1]).numpy() if unit < session.units else None
        frames.append(FrameSeen(moment, unit, item.span, item.grid, image, item.kinds, item.attention, places))
    facts = method_facts(watched.methods, model.info)
    return Inspected(
        clip.info.source,
        [method_text(one.stage, one.name, one.options) for one in facts],
        question,
        frames,
        cache,
        _facts(watched, clip, runner),
    )


def _column(means: dict[int, float], units: int) -> np.ndarray:
    import numpy as np

    found = np.zeros(units)
    found[list(means)] = list(means.values())
    return found


def _facts(watched: Watched, clip: Clip, runner: Runner) -> dict[str, str]:
    """What the reader of the pictures should know about how they came about."""
    info, session = runner.prepare().info, watched.session
    counts, allowance = session.meter.counts, session.allowance
    seen, kept = counts["visual_in"], counts["visual_kept"]
    tokens = f"{count(kept)} of {count(seen)} kept" + (f" ({kept / seen:.1%})" if seen else "")
    held = f"{count(session.entries)} entries in the fullest layer"
    if allowance is not None:
        held += f", {count(allowance.entries)} allowed ({allowance.reason})"
    told = {
        "model": f"{info.name} {info.revision or ''}".strip(),
        "frames": f"{count(counts['frames'])} at {watched.plan.fps:g} per second, resized to "
        f"{watched.geometry.size[1]}×{watched.geometry.size[0]}",
        "visual tokens": tokens,
        "cache": f"{held}; {count(session.evicted)} dropped",
        "file": clip.info.digest or "no digest",
    }
    if clip.damage is not None:
        told["damaged"] = f"at {format_time(clip.damage.time)}: {clip.damage.reason}"
    software, hardware = versions(method_facts(watched.methods, info)), machine(info.device)
    told["versions"] = ", ".join(f"{name} {software[name]}" for name in ("vtc", "torch", "transformers", "python"))
    told["machine"] = ", ".join(str(value) for value in hardware.values() if value is not None)
    return told
