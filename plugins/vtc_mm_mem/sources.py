"""Where the pictures of a search come from: the store, or the video decoded again."""

from __future__ import annotations

from collections.abc import Sequence

from vtc_cli import Frame
from vtc_cli.memory import ClipRow, FrameRow, MemoryView, Recall, decode_jpeg
from vtc_mm_mem.prototypes import evenly

LAST_FRAMES = 3
"""Of the clip that runs at the moment asked about, besides its first."""


class Pictures:
    """Frames of a view. `decoded` counts those for which the video was read again."""

    def __init__(self, view: MemoryView, using: Recall):
        self._view = view
        self._using = using
        self.decoded = 0

    def stored(self, rows: Sequence[FrameRow]) -> list[Frame]:
        """Key frames from the store; those without a picture are decoded again where the video is at hand."""
        found = {row.id: Frame(row.pts, decode_jpeg(row.jpeg)) for row in rows if row.jpeg is not None}
        missing = [row for row in rows if row.id not in found]
        if missing and self._using.again is not None:
            for row, frame in zip(missing, self._using.again([row.pts for row in missing]), strict=True):
                found[row.id] = Frame(row.pts, frame.image)
                self.decoded += 1
        return [found[row.id] for row in rows if row.id in found]

    def running(self) -> list[Frame]:
        """Of the clip that runs at the moment: its first frame and the last few shown, decoded again.

        Its key frames in the store may have been chosen by what came after the moment.
        """
        clip = self._view.open_clip()
        if clip is None or self._using.sampled is None:
            return []
        frames = list(self._using.sampled(clip.t0, clip.t1))
        self.decoded += len(frames)
        return frames if len(frames) <= LAST_FRAMES + 1 else [frames[0], *frames[-LAST_FRAMES:]]

    def closely(self, t0: float, t1: float, most: int) -> list[Frame]:
        """`most` frames spread over [t0, t1), decoded again; empty where the video is not at hand."""
        if self._using.again is None or most < 1:
            return []
        if self._view.at is not None:
            t1 = min(t1, self._view.at)
        times = [round(t0 + (place + 0.5) * (t1 - t0) / most, 3) for place in range(most)]
        frames = list(self._using.again(times))
        self.decoded += len(frames)
        return [Frame(time, frame.image) for time, frame in zip(times, frames, strict=True)]

    def of_clip(self, clip: ClipRow, most: int) -> list[Frame]:
        """A few frames of a clip: its key frames, or frames decoded again where none were worth keeping."""
        rows = self._view.frames_of([clip.id])
        frames = self.stored([rows[place] for place in evenly(len(rows), most)])
        return frames or self.closely(clip.t0, clip.t1, min(most, 2))
