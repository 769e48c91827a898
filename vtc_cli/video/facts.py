"""What a container says about its picture track, and what its first picture adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vtc_cli.video.container import Opened, open_container
from vtc_cli.video.decoding import Clock
from vtc_cli.video.orientation import Orientation
from vtc_cli.video.source import Source

if TYPE_CHECKING:
    from av import VideoFrame


@dataclass(frozen=True)
class Facts:
    """Everything known after opening a file and decoding one picture.

    duration: seconds of the picture track, None when live or not declared. proven: the duration is the picture
    track's own, so pictures missing at the end are missing indeed (else the sound may simply be longer).
    variable: True or False when the container's index settles whether the rate varies, else None.
    start_offset: container seconds of the first picture. pixels: libav's name of the pixel format. pixel_shape:
    width / height of a stored pixel.
    """

    container: str
    codec: str
    size: tuple[int, int]
    orientation: Orientation
    fps: float | None
    duration: float | None
    proven: bool
    variable: bool | None
    start_offset: float
    declared_frames: int | None
    pixels: str
    pixel_shape: float
    audio: tuple[str, ...]
    subtitles: tuple[str, ...]


def facts_of(opened: Opened, clock: Clock, first: VideoFrame, orientation: Orientation) -> Facts:
    """Read the facts; nothing is decoded beyond `first`."""
    container, track = opened.container, opened.track
    rate = track.average_rate or track.guessed_rate
    if clock.assumed:
        rate = track.codec_context.framerate or track.guessed_rate or rate
    duration, proven = _duration(opened, clock)
    shape = track.sample_aspect_ratio
    return Facts(
        container=container.format.name,
        codec=track.codec_context.codec.canonical_name,
        size=orientation.size(first.width, first.height),
        orientation=orientation,
        fps=float(rate) if rate else None,
        duration=duration,
        proven=proven,
        variable=_variable(opened),
        start_offset=float(clock.origin * clock.tick) if clock.origin is not None else 0.0,
        declared_frames=track.frames or None,
        pixels=first.format.name,
        pixel_shape=float(shape) if shape else 1.0,
        audio=tuple(_describe(stream) for stream in container.streams.audio),
        subtitles=tuple(_describe(stream) for stream in container.streams.subtitles),
    )


def _duration(opened: Opened, clock: Clock) -> tuple[float | None, bool]:
    """Seconds from the first picture to the end of the last one, and whether the picture track itself says so."""
    container, track = opened.container, opened.track
    origin = float(clock.origin * clock.tick) if clock.origin is not None else 0.0
    if track.duration is not None and track.time_base is not None:
        begin = track.start_time if track.start_time is not None else 0
        return max(float((begin + track.duration) * track.time_base) - origin, 0.0), True
    written = track.metadata.get("DURATION")  # Matroska: `00:00:10.033000000`, counted from container time zero
    if written is not None:
        try:
            hours, minutes, seconds = written.split(":")
            end = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except ValueError:
            pass
        else:
            return max(end - origin, 0.0), True
    if container.duration is None or container.duration <= 0:
        return None, False
    end = ((container.start_time or 0) + container.duration) / 1e6
    alone = len(container.streams) == 1
    return max(end - origin, 0.0), alone


def _variable(opened: Opened) -> bool | None:
    """Does the rate vary? Only an index with every picture (MP4, QuickTime) can tell without reading the file."""
    entries = opened.track.index_entries
    if "mp4" not in opened.container.format.name or not opened.track.frames or len(entries) != opened.track.frames:
        return None
    step, before = None, None
    for entry in entries:  # decoding times: those of a constant rate are evenly spaced whatever the showing order
        if before is not None:
            gap = entry.timestamp - before
            if step is not None and abs(gap - step) > 1:
                return True
            step = gap if step is None else step
        before = entry.timestamp
    return False


def _describe(stream: Any) -> str:
    name = stream.codec_context.codec.canonical_name if getattr(stream, "codec_context", None) else "unknown"
    language = getattr(stream, "language", None)
    return f"{name} ({language})" if language and language != "und" else name


def index_times(path: str) -> list[float]:
    """Seconds from the first picture of every picture of a constant-rate MP4, from its index, exact to the tick."""
    opened = open_container(Source(path, "file", path))
    try:
        tick = opened.track.time_base
        stamps = sorted(entry.timestamp for entry in opened.track.index_entries)
    finally:
        opened.close()
    assert tick is not None
    return [(stamp - stamps[0]) * tick.numerator / tick.denominator for stamp in stamps]
