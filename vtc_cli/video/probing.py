"""What `vtc probe` shows: what the readers see of a source, without a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from vtc_cli.video.frame import Clip


@dataclass(frozen=True)
class Probe:
    """Facts about a source.

    container: libav's name of the format. size: (width, height) as shown. rotation: degrees clockwise applied;
    mirrored: flipped as well. declared_fps: the average rate the container states. variable_rate: None where only
    reading the whole file could tell. duration, start_offset: seconds, the latter the container's time of the first
    picture. pixels: libav's name of the pixel format. pixel_shape: width / height of a stored pixel (frames are not
    stretched). times: `container` or `assumed`. audio, subtitles: one text per track. frames_reader, at_reader: which
    library serves what; at_reason: why that one, or why moments cannot be looked up.
    """

    source: str
    digest: str | None
    container: str
    codec: str
    size: tuple[int, int]
    rotation: int
    mirrored: bool
    declared_fps: float | None
    declared_frames: int | None
    variable_rate: bool | None
    duration: float | None
    start_offset: float
    pixels: str
    pixel_shape: float
    times: str
    audio: tuple[str, ...]
    subtitles: tuple[str, ...]
    frames_reader: str
    at_reader: str | None
    at_reason: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def probe(source: str, reader: str = "auto") -> Probe:
    """Open `source`, look, and close it again. Raises what `open_clip` raises."""
    from vtc_cli.video.open import open_clip

    clip = open_clip(source, reader)
    try:
        return probe_clip(clip)
    finally:
        clip.close()


def probe_clip(clip: Clip) -> Probe:
    """The same for a clip that is already open; it is neither read nor closed."""
    info, facts = clip.info, getattr(clip, "facts", None)
    at_reader, at_reason = _moments(clip)
    common: dict[str, Any] = {
        "source": info.source,
        "digest": info.digest,
        "codec": info.codec,
        "size": info.size,
        "rotation": info.rotation,
        "declared_fps": info.fps,
        "duration": info.duration,
        "times": info.times,
        "frames_reader": getattr(clip, "frames_reader", info.reader),
        "at_reader": at_reader,
        "at_reason": at_reason,
    }
    if facts is None:  # a folder of images or a camera: no container
        return Probe(
            **common,
            container="camera" if info.codec == "camera" else "images",
            mirrored=False,
            declared_frames=round(info.duration * info.fps) if info.duration and info.fps else None,
            variable_rate=None if info.duration is None else False,
            start_offset=0.0,
            pixels="rgb24",
            pixel_shape=1.0,
            audio=(),
            subtitles=(),
        )
    return Probe(
        **common,
        container=facts.container,
        mirrored=facts.orientation.mirrored,
        declared_frames=facts.declared_frames,
        variable_rate=facts.variable,
        start_offset=facts.start_offset,
        pixels=facts.pixels,
        pixel_shape=facts.pixel_shape,
        audio=facts.audio,
        subtitles=facts.subtitles,
    )


def _moments(clip: Clip) -> tuple[str | None, str]:
    if not getattr(clip, "seekable", True):
        return None, "a stream or camera cannot be read again"
    reader = getattr(clip, "at_reader", clip.info.reader)
    return reader, getattr(clip, "at_reason", "the reader in use serves both")
