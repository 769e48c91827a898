"""The sensory buffer: which frames change, where clips begin, which of their frames are worth keeping.

Everything here is causal: what is decided about a frame rests on frames shown before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from vtc_cli.memory import Moment
from vtc_mm_mem.packing import pack, unpack

SIDE = 32
"""Of the thumbnails that are compared, pixels."""

CHANGE = 25.0
"""Of 255: a mean difference like this between frames a second apart is a cut in footage of any kind."""

STILL = 3.0
"""Of 255: less than this is noise of the camera or the codec."""

SPREAD = 2.5
"""Standard deviations above the scene's own motion that make a cut."""

RECENT = 30
"""Differences of a scene that tell its motion."""

LEARNT = 5
"""Differences it takes to know a scene's motion; with fewer, only `CHANGE` counts."""

SHORTEST, LONGEST = 2.0, 10.0
"""Seconds of a clip: no cut before, a split after."""

APART = 1.0
"""Seconds between key frames."""

MOST_KEYS = 4

DARK = 6.0
"""Standard deviation of luma, of 255: below it there is nothing to see."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LITTLE = 1e-6


@dataclass(frozen=True)
class Glimpse:
    """A watched frame in the buffer. diff: mean absolute difference of its thumbnail to the frame before, 0..255.
    spread: standard deviation of its luma."""

    moment: Moment
    diff: float
    spread: float

    @property
    def time(self) -> float:
        return self.moment.time


@dataclass(frozen=True)
class RawClip:
    """A clip that is over. [t0, t1) seconds. cut: it began with a change of scene."""

    t0: float
    t1: float
    cut: bool
    glimpses: tuple[Glimpse, ...]

    def key_frames(self) -> list[Glimpse]:
        """The key frames, in time order: the first; those that change more than the clip's others do; every cut.

        The paper's rule (mean + deviation) alone picks nothing in a still clip and a sixth of pure noise.
        """
        first, rest = self.glimpses[0], self.glimpses[1:]
        diffs = np.array([item.diff for item in rest], np.float64)
        bar = float(diffs.mean() + diffs.std()) if len(diffs) else 0.0
        wanted = [item for item in rest if (item.diff > bar and item.diff > STILL) or item.diff >= CHANGE]
        kept = [first]
        for item in sorted(wanted, key=lambda item: (-item.diff, item.time)):
            near = any(abs(item.time - other.time) < APART - _LITTLE for other in kept)
            if not near and len(kept) < MOST_KEYS:
                kept.append(item)
        return sorted(kept, key=lambda item: item.time)

    def vector(self) -> np.ndarray:
        """The unit vector [d] of the whole clip."""
        total = np.stack([item.moment.vector for item in self.glimpses]).sum(0, dtype=np.float64)
        length = float(np.linalg.norm(total))
        return np.asarray(total / length if length > 0 else total, np.float32)


@dataclass
class Cutter:
    """Deals frames into clips."""

    _before: np.ndarray | None = None
    _scene: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    _cut: bool = True
    _open: list[Glimpse] = field(default_factory=list)

    def push(self, moment: Moment) -> RawClip | None:
        """Take in a frame; the clip that is over because of it, if one is. The frame belongs to the next one."""
        thumb = thumbnail(moment.image)
        diff = 0.0 if self._before is None else float(np.abs(thumb.astype(np.int16) - self._before).mean())
        over = None
        if self._open:
            age = moment.time - self._open[0].time
            changed = diff >= self._bar() and age >= SHORTEST - _LITTLE
            if changed or age >= LONGEST - _LITTLE:
                over = self._close(moment.time)
                self._cut = changed
                if changed:
                    self._scene.clear()
                self.mark = self._state()
        if not (self._cut and not self._open):
            self._scene.append(diff)
        self._open.append(Glimpse(moment, diff, float((thumb @ _LUMA).std())))
        self._before = thumb
        return over

    def end(self, time: float) -> RawClip | None:
        """The clip that was running when the video ended at `time`."""
        return self._close(time) if self._open else None

    mark: dict[str, Any] = field(default_factory=dict)
    """Where the last finished clip left off, as plain values: what `at` goes on from."""

    @classmethod
    def at(cls, mark: dict[str, Any]) -> Cutter:
        """A cutter about to be given the first frame of the next clip."""
        before = unpack(mark["before"], np.uint8).reshape(SIDE, SIDE, 3)
        return cls(before, deque(mark["scene"], maxlen=RECENT), bool(mark["cut"]), [], mark)

    def _bar(self) -> float:
        if len(self._scene) < LEARNT:
            return CHANGE
        return max(CHANGE, float(np.mean(self._scene)) + SPREAD * float(np.std(self._scene)))

    def _close(self, time: float) -> RawClip:
        clip = RawClip(self._open[0].time, time, self._cut, tuple(self._open))
        self._open = []
        return clip

    def _state(self) -> dict[str, Any]:
        assert self._before is not None
        return {"before": pack(self._before), "scene": list(self._scene), "cut": self._cut}


def thumbnail(image: torch.Tensor) -> np.ndarray:
    """uint8 [32, 32, 3] of uint8 [3, h, w], each pixel the mean of an area."""
    small = torch.nn.functional.adaptive_avg_pool2d(image[None].float(), (SIDE, SIDE))[0]
    return small.round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def low_information(keys: Sequence[Glimpse]) -> bool:
    """Whether no key frame shows anything."""
    return all(item.spread < DARK for item in keys)
