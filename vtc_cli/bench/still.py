"""A picture as a video of one frame."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from importlib.metadata import version
from io import BytesIO

from vtc_cli.bench.clips import StoredClip
from vtc_cli.errors import VideoError
from vtc_cli.video.frame import ClipInfo, Frame


class StillClip(StoredClip):
    """One picture, at time zero. repeats: how often `frames` shows it."""

    repeats = 1

    def fill(self, frames_per_unit: int) -> None:
        """Show it as often as a model wants frames for one unit, so that it is watched and counted as a whole one.

        Models that take frames in pairs are trained to see a picture as two equal frames.
        """
        self.repeats = frames_per_unit

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`."""
        for frame in super().frames(fps, start, end):
            for _ in range(self.repeats):
                yield frame


def still(content: bytes, name: str) -> StillClip:
    """The clip of an encoded picture (JPEG, PNG, ...): one frame, at time zero, upright.

    name: what records call it. Raises VideoError where the bytes are no picture.
    """
    from vtc_cli.video.container import open_container
    from vtc_cli.video.decoding import Trouble, pictures
    from vtc_cli.video.orientation import orientation_of, upright
    from vtc_cli.video.source import Source

    if not content:
        raise VideoError(f"{name}: the picture is empty")
    opened, trouble = open_container(Source(name, "file", name), BytesIO(content)), Trouble()
    try:
        picture = next(pictures(opened, trouble), None)
        if picture is None:
            raise VideoError(f"{name}: not a readable picture ({trouble.reason or 'nothing in it'})")
        codec = opened.track.codec_context.name
        image = upright(picture, orientation_of(picture))
    finally:
        opened.close()
    info = ClipInfo(
        source=name,
        digest=f"blake2b:{blake2b(content, digest_size=16).hexdigest()}",
        duration=1.0,
        size=(image.shape[2], image.shape[1]),
        codec=codec,
        fps=1.0,
        reader=f"pyav {version('av')}",
        times="assumed",
    )
    return StillClip(info, [Frame(0.0, image)])
