"""Looking at a video again, where what was remembered of it does not do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vtc_cli.memory.store import MemoryStore
from vtc_cli.video.frame import Clip, Frame
from vtc_cli.video.sampling import plan_sampling


class Looking:
    """The video, for a memory that looks again. decoded: frames that were read for it so far."""

    def __init__(self, clip: Clip, store: MemoryStore):
        self._clip = clip
        self._fps = float(store.get("settings")["fps"])
        self.decoded = 0

    def again(self, times: Sequence[float]) -> list[Frame]:
        """The frames at these moments. Raises VideoError."""
        frames = list(self._clip.at(times))
        self.decoded += len(frames)
        return frames

    def sampled(self, start: float, end: float) -> list[Frame]:
        """The frames that watching took from `start` until `end`. Raises VideoError."""
        plan = plan_sampling(self._clip.info, self._fps)
        slot = max(0.0, (start * plan.fps + 1e-3) // 1 - 1)
        found = []
        for frame in replace(plan, start=slot / plan.fps).frames_of(self._clip):
            if frame.time > end:
                break
            if frame.time >= start:
                found.append(frame)
        self.decoded += len(found)
        return found
