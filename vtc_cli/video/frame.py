"""What the rest of the tool knows about a video: frames with a time, and where they came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """One picture.

    time: seconds from the first picture, from the container clock (never index / fps).
    image: uint8 [3, H, W], RGB, upright.
    """

    time: float
    image: Tensor


@dataclass(frozen=True)
class ClipInfo:
    """Facts about a source, read without decoding it.

    source: what the user named. digest: `blake2b:<hex>` of the file (`blake2b-sampled:` above 64 MiB), None for
    streams.
    duration: seconds, None when live or unknown. size: (width, height) as shown upright, pixels.
    fps: the declared average rate, None if unknown; never used to compute times.
    reader: name and version of the library that decodes, e.g. `pyav 18.1.0`.
    times: `container` when frames carry their own clock, `assumed` when a rate had to be assumed.
    rotation: degrees clockwise that were applied to make frames upright (0, 90, 180, 270).
    """

    source: str
    digest: str | None
    duration: float | None
    size: tuple[int, int]
    codec: str
    fps: float | None
    reader: str
    times: Literal["container", "assumed"] = "container"
    rotation: int = 0
    audio_tracks: int = 0
    subtitle_tracks: int = 0


@dataclass(frozen=True)
class Damage:
    """Pictures are missing: decoding stopped before the end, or went on after a damaged stretch.

    time: seconds of the last good frame before the (first) damage. reason: the decoder's words and what became of
    the rest.
    """

    time: float
    reason: str


class Clip(Protocol):
    """A source that can be watched. One frame in flight; nothing is kept.

    damage: set while iterating `frames` when pictures are missing, else None.
    """

    info: ClipInfo
    damage: Damage | None

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """Frames at `fps` per second of video time: the first with time >= start, then one per 1/fps."""
        ...

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """The frame on screen at each time (random access), in the order asked.

        Raises VideoError where the source cannot be read again (a pipe, a camera).
        """
        ...

    def close(self) -> None:
        """Release the decoder; the clip cannot be used afterwards."""
        ...
