"""Making a video's memory: one pass of decoding and encoding, resumed where it was cut, one process at a time."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import default_chunk, frames_ahead
from vtc_cli.memory.contract import MemoryBuilder, Moment, Narrator
from vtc_cli.memory.leftover import found_at
from vtc_cli.memory.lock import writing
from vtc_cli.memory.place import lasting, path_of
from vtc_cli.memory.preparing import prepare
from vtc_cli.memory.snapshot import drop_snapshots, snapshot_bytes
from vtc_cli.memory.store import MemoryStore, differences
from vtc_cli.memory.subtitles import Subtitle, digest, find_subtitles
from vtc_cli.methods.registry import Chosen
from vtc_cli.methods.stages import VideoMemory
from vtc_cli.report.units import clock
from vtc_cli.video.frame import Clip, ClipInfo, Frame
from vtc_cli.video.sampling import SamplingPlan, plan_sampling

if TYPE_CHECKING:
    from vtc_cli.models.contract import Geometry, Unit, VideoLM

Watch = Callable[[Callable[[Sequence[Frame], Sequence["Unit"]], None]], None]
"""Watches the whole video, showing what it is given frames and their units, the tail included."""


@dataclass(frozen=True)
class Remembered:
    """A memory, open for reading. built: it was made, or finished, now. notes: for whoever reads an answer from it."""

    store: MemoryStore
    built: bool
    notes: tuple[str, ...] = ()


class Rememberer:
    """Makes memories with one method and one model.

    chosen: a method of the stage `memory`. settings: `fps`, `pixels`, `subs` and `chunk` count.
    """

    def __init__(self, chosen: Chosen, settings: Settings, events: Events | None = None):
        assert isinstance(chosen.method, VideoMemory)
        self.chosen = chosen
        self.method: VideoMemory = chosen.method
        self.settings = settings
        self.events = events or Events()

    def find(self, clip: Clip, model: VideoLM | None = None) -> Remembered | None:
        """The complete memory of a video, None where there is none. model: the one that will answer.

        Raises UsageError as `check` does.
        """
        store = found_at(path_of(clip.info))
        if store is None:
            return None
        try:
            if not store.complete:
                store.close()
                return None
            self.check(store, clip.info.source)
        except BaseException:
            store.close()
            raise
        notes = []
        from vtc_cli.memory.narrator import model_key

        made = store.get("settings", {}).get("model")
        if model is not None and made != model_key(model):
            notes.append(f"the memory was made by {made}; words were searched, and no vectors of meaning")
        if (damage := store.get("damage")) is not None:
            notes.append(f"pictures are missing from {clock(damage['time'])}: {damage['reason']}")
        return Remembered(store, built=False, notes=tuple(notes))

    def check(self, store: MemoryStore, source: str) -> None:
        """Raise UsageError when a memory was made with other settings or subtitles than those asked for, or the
        subtitles asked for cannot be read; what was not asked for is the memory's own affair."""
        kept = store.get("settings", {})
        hint = "ask for the same, or `vtc index --force` makes it anew"
        self.compare(source, kept, {**kept, **self._asked(source)}, hint)

    def remember(
        self, clip: Clip, model: VideoLM, narrator: Narrator, *, force: bool = False, watch: Watch | None = None
    ) -> Remembered:
        """The memory of a video, made, gone on with, or found complete.

        force: make it anew. watch: how the video is watched when it is watched from its beginning; None encodes it and
        does no more. Raises VtcError; what has been taken in stays, and the next call goes on from there.
        """
        path = path_of(clip.info)
        source = clip.info.source
        waiting = partial(self.events.warning, f"another process is remembering {source}; waiting for it")
        with writing(path.parent, waiting) as waited:
            subtitles, where = find_subtitles(source, self.settings.subs)
            wanted = self.content(clip.info, model, narrator, subtitles)
            store = found_at(path, write=True) if not force or waited else None
            if store is None:
                drop_snapshots(path.parent)
                facts = {"source": lasting(source), "created": datetime.now(UTC).isoformat(timespec="seconds")}
                store = MemoryStore.create(path, wanted, {**facts, "method": self.chosen.name})
            try:
                self.compare(source, store.get("settings", {}), wanted, "`vtc index --force` makes it anew")
                if store.complete:
                    store.close()
                    return Remembered(MemoryStore.open(path), built=False)
                if store.get("embedder") is None:
                    prepare(store, narrator, subtitles, where)
                self._build(clip, model, store, narrator, watch)
            except BaseException as error:
                empty = isinstance(error, VideoError) and store.one("SELECT 1 FROM clip") is None
                store.close()
                if empty:  # nothing was seen: no memory is left behind that would look like one
                    path.unlink(missing_ok=True)
                raise
            store.close()
        return Remembered(MemoryStore.open(path), built=True)

    def plan(self, clip: Clip) -> dict[str, Any]:
        """What `remember` would do, as plain values; reads the memory that is there, writes nothing, needs no model.

        state: `complete`, `unfinished`, `different` (of what is known without a model) or `new`. frames: to watch, None
        for a stream. most_clips, most_events: bounds that hold for any video. Raises UsageError as `remember` does.
        """
        path, settings = path_of(clip.info), self.settings
        subtitles, where = find_subtitles(clip.info.source, settings.subs)
        sampling = plan_sampling(clip.info, settings.fps)
        state, done, found, kept_bytes = "new", None, [], None
        if (there := found_at(path)) is not None:
            with there as store:
                kept = store.get("settings", {})
                wanted = {**kept, **self._own(), "subtitles": digest(subtitles)}
                found = differences(kept, wanted)
                done = store.get("progress_pts")
                kept_bytes = snapshot_bytes(store)
                state = "different" if found else "complete" if store.complete else "unfinished"
        seconds = clip.info.duration
        most = {} if seconds is None else self.method.most(seconds)
        existing = next(folder for folder in (path.parent, *path.parents) if folder.exists())
        return {
            "path": str(path),
            "state": state,
            "differences": found,
            "done": done if state == "unfinished" else None,
            "duration": seconds,
            "frames": sampling.frames,
            "most_clips": most.get("clips"),
            "most_events": most.get("events"),
            "snapshot_bytes": kept_bytes,
            "subtitles": len(subtitles),
            "subtitles_from": where,
            "free_bytes": shutil.disk_usage(existing).free,
        }

    def content(
        self, info: ClipInfo, model: VideoLM, narrator: Narrator, subtitles: Sequence[Subtitle]
    ) -> dict[str, Any]:
        """Everything that decides what is stored, as plain values."""
        from vtc_cli.memory.narrator import model_key

        geometry = model.geometry(info.size, self.settings.pixels)
        return {
            **self._own(),
            "subtitles": digest(subtitles),
            "model": model_key(model),
            "dtype": model.info.dtype,
            "embedder": narrator.embedder,
            "size": list(geometry.size),
        }

    def _own(self) -> dict[str, Any]:
        settings = self.settings
        plain = {"memory": self.chosen.name, "fps": settings.fps, "pixels": settings.pixels, "system": settings.system}
        return {**plain, **self.method.content()}

    def _asked(self, source: str) -> dict[str, Any]:
        """Of what decides the content, that which someone has set, or which is not as usual."""
        given = self.settings.given | self.chosen.given
        usual = {"fps": Settings.fps, "pixels": None, "system": None, **type(self.method)().content()}
        own = self._own()
        asked = {name: own[name] for name in own if name not in usual or name in given or own[name] != usual[name]}
        if self.settings.subs is not None:
            asked["subtitles"] = digest(find_subtitles(source, self.settings.subs)[0])
        return asked

    def compare(self, source: str, kept: Mapping[str, Any], wanted: Mapping[str, Any], hint: str) -> None:
        """Raise UsageError, naming them, where the settings of a memory differ from those wanted."""
        if found := differences(kept, wanted):
            raise UsageError(f"the memory of {source} was made differently: {'; '.join(found)}", hint)

    def _build(self, clip: Clip, model: VideoLM, store: MemoryStore, narrator: Narrator, watch: Watch | None) -> None:
        builder = self.method.build(store, narrator)
        taking = Taking(builder)
        plan = plan_sampling(clip.info, self.settings.fps)
        if builder.resume is None and watch is not None:
            watch(taking.units)
        elif builder.resume is None or math.isfinite(builder.resume.again):
            self.encode(clip, model, plan, taking)
        if clip.damage is not None:
            reason = f"{clip.info.source} is damaged at {clock(clip.damage.time)} ({clip.damage.reason})"
            self.events.warning(f"{reason}; what could be read is remembered")
            with store.transaction():
                store.set("damage", {"time": clip.damage.time, "reason": clip.damage.reason})
        if taking.last is None and builder.resume is None:
            raise VideoError(f"{clip.info.source}: no decodable frame", "`vtc probe` shows what is in the file")
        builder.finish(end_of(clip, taking.last, plan.fps))
        store.finish()

    def encode(self, clip: Clip, model: VideoLM, plan: SamplingPlan, taking: Taking) -> None:
        """Every frame through the vision tower, in the same groups as a session makes of them."""
        from vtc_cli.video import prefetch

        geometry = model.geometry(clip.info.size, self.settings.pixels)
        per_unit = model.info.frames_per_unit
        group = per_unit * (self.settings.chunk or default_chunk(model.info.device))
        self.events.watching(clip.info.source, clip.info, plan.frames)
        shrink = partial(model.shrink, geometry=geometry)
        waiting: list[Frame] = []
        with prefetch(_from(clip, plan, taking.again), frames_ahead(group, geometry.size), shrink) as ahead:
            for frame in ahead:
                waiting.append(frame)
                self.events.frame(frame.time)
                if len(waiting) == group:
                    taking.units(waiting, _encoded(model, geometry, waiting))
                    waiting = []
        whole = len(waiting) // per_unit * per_unit
        for part in (waiting[:whole], waiting[whole:]):
            if part:
                taking.units(part, _encoded(model, geometry, part))
        self.events.watched()


def end_of(clip: Clip, last: float | None, fps: float) -> float:
    """When a watched video was over, seconds: as its file says, else a frame after the last one that was watched."""
    known = clip.info.duration if clip.damage is None else None
    return max(known, last or 0.0) if known is not None else (last or 0.0) + 1 / fps


class Taking:
    """Hands a builder its moments: each frame with the mean of its unit's tokens, those it has seen left out."""

    def __init__(self, builder: MemoryBuilder):
        self._builder = builder
        self.again = builder.resume.again if builder.resume is not None else None
        self.last: float | None = builder.resume.done if builder.resume is not None else None

    def units(self, frames: Sequence[Frame], units: Sequence[Unit]) -> None:
        import torch

        vectors = []
        for unit in units:
            mean = unit.tokens.float().mean(0)
            vectors.append(torch.nn.functional.normalize(mean, dim=0).cpu().numpy())
        per_unit = -(-len(frames) // len(units))
        for place, frame in enumerate(frames):
            if self.last is not None and frame.time <= self.last:
                continue
            self._builder.take(Moment(frame.time, frame.image, vectors[place // per_unit], frames[0].time))
            self.last = frame.time


def _encoded(model: VideoLM, geometry: Geometry, frames: Sequence[Frame]) -> list[Unit]:
    return model.encode(model.prepare(frames, geometry), geometry)


def _from(clip: Clip, plan: SamplingPlan, again: float | None) -> Iterator[Frame]:
    """The frames of a plan from the one at `again` on: the same as if they had been watched from the beginning.

    Frames lie on a grid of due times, so watching begins on that grid, a step early. Where a seek lands elsewhere
    than watching did, everything is decoded once more.
    """
    if again is None:
        yield from plan.frames_of(clip)
        return
    slot = max(0, math.floor(again * plan.fps + 1e-3) - 1)
    for start in dict.fromkeys((slot / plan.fps, 0.0)):
        frames = (frame for frame in replace(plan, start=start).frames_of(clip) if frame.time >= again)
        first = next(frames, None)
        if first is None or first.time == again or start == 0.0:
            if first is not None:
                yield first
                yield from frames
            return
        frames.close()
