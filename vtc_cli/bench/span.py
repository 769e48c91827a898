"""A part of a clip as a clip: what was shown from one moment on, or what had been shown until then."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b

from vtc_cli.errors import VideoError
from vtc_cli.video.frame import Clip, Damage, Frame

_SECONDS = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_PART = re.compile(rf"(?P<whole>.+)#t=(?P<start>{_SECONDS})(?:,(?P<end>{_SECONDS}))?", re.DOTALL)


def part_of(source: str) -> tuple[str, float, float | None] | None:
    """(the clip, start, end) of the name that a `ClipSpan` has in records; None for any other name."""
    found = _PART.fullmatch(source)
    if found is None:
        return None
    return found["whole"], float(found["start"]), None if found["end"] is None else float(found["end"])


class ClipSpan:
    """The frames with start <= time < end of a clip, their times counted from `start`. Closing it closes the clip.

    start, end: seconds; an end of None is the clip's own. Its name says which part it is, as media fragments do
    (`film.mp4#t=1.0,2.5`). Raises VideoError, and closes the clip, where it is over before `start`.
    """

    def __init__(self, clip: Clip, start: float = 0.0, end: float | None = None):
        self._clip, self._start, self._end = clip, start, end
        self.damage: Damage | None = None
        whole, digest = clip.info.duration, clip.info.digest
        if whole is not None and 0 < whole <= start:
            clip.close()
            raise VideoError(f"{clip.info.source} is {whole:g} s long; nothing of it is left from {start:g} s on")
        stop = end if whole is None else min(whole, end if end is not None else whole)
        told = ",".join(repr(float(edge)) for edge in (start, end) if edge is not None)
        if digest is not None:
            digest = f"blake2b:{blake2b(f'{digest} {told}'.encode(), digest_size=16).hexdigest()}"
        name = f"{clip.info.source}#t={told}"
        self.info = replace(clip.info, source=name, digest=digest, duration=None if stop is None else stop - start)

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`."""
        for frame in self._clip.frames(fps, self._start + start, self._inside(end)):
            yield Frame(frame.time - self._start, frame.image)
        damage = self._clip.damage
        self.damage = None if damage is None else Damage(max(0.0, damage.time - self._start), damage.reason)

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """See `Clip.at`."""
        for frame in self._clip.at([self._start + time for time in times]):
            yield Frame(frame.time - self._start, frame.image)

    def close(self) -> None:
        """See `Clip.close`."""
        self._clip.close()

    def _inside(self, end: float | None) -> float | None:
        """The end on the clip's own clock."""
        if end is None:
            return self._end
        return self._start + end if self._end is None else min(self._start + end, self._end)
