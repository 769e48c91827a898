"""Which frames to watch: sampling by time, and the plan a user sees before anything is decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from vtc_cli.errors import UsageError
from vtc_cli.video.frame import Clip, ClipInfo, Frame
from vtc_cli.video.timecode import format_time

HIGHEST_FPS = 1e6  # of a request; more than any camera makes, and far from where doubles lose the grid
ON_TIME = 1e-6  # times are doubles: a frame this little before its due time is on time


@dataclass
class Pacer:
    """Picks frames by their own clock: the first with time >= start, then the first of every 1/fps that follows.

    Due times lie on the grid start + k/fps, computed from k so that nothing drifts. A gap in the video skips the
    due times inside it; it never causes a burst of catching up afterwards.
    slack: seconds by which a clock may round down; without it, 30 per second of a 30 fps Matroska file, whose
    second frame is at 0.033, would lose every third frame.
    """

    fps: float
    start: float = 0.0
    end: float | None = None
    slack: float = ON_TIME
    _slot: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        check_request(self.fps, None, self.start, self.end)

    def wants(self, time: float) -> bool:
        """Is the frame at `time` the next one to emit? Advances the grid when it is."""
        if self.over(time) or time < self.start + self._slot / self.fps - self.slack:
            return False
        self._slot = max(self._slot, math.floor((time - self.start + self.slack) * self.fps)) + 1
        return True

    def over(self, time: float) -> bool:
        """Is `time` at or after the end?"""
        return self.end is not None and time >= self.end - self.slack


@dataclass(frozen=True)
class SamplingPlan:
    """What will be watched.

    fps: effective frames per second of video. start, end: seconds; end is None where the video's own end decides.
    frames: how many to expect (an estimate for variable-rate files), None for a live or unknown length without
    a limit. max_frames: the limit to stop at. limit: why fewer frames than asked, None when nothing limits.
    """

    fps: float
    start: float
    end: float | None
    frames: int | None
    max_frames: int | None = None
    limit: str | None = None

    def frames_of(self, clip: Clip) -> Iterator[Frame]:
        """The frames of `clip` this plan selects, never more than `max_frames`."""
        frames = clip.frames(self.fps, self.start, self.end)
        return frames if self.max_frames is None else islice(frames, self.max_frames)


def plan_sampling(
    info: ClipInfo,
    fps: float = 1.0,
    max_frames: int | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> SamplingPlan:
    """Resolve the two independent limits `fps` and `max_frames` against what is known of the clip.

    A known length that would give more than `max_frames` is sampled more thinly, spread evenly over the span; an
    unknown length stops after `max_frames`. Short clips clamp: the first frame always counts.
    Raises UsageError for impossible values and for a start beyond a known end.
    """
    check_request(fps, max_frames, start, end)
    if info.duration is not None and start > 0 and start >= info.duration:
        raise UsageError(
            f"{info.source} is {format_time(info.duration)} long; it cannot be watched from {format_time(start)}",
            "Choose an earlier --start.",
        )
    if info.duration is not None and end is not None and end >= info.duration:
        end = None  # the video's own end decides: declared durations are often a few frames off
    stop = end if end is not None else info.duration
    if stop is None:
        reason = f"stops after {max_frames} frames: the length is unknown" if max_frames else None
        return SamplingPlan(fps, start, None, max_frames, max_frames, reason)

    span = max(stop - start, 0.0)
    limit = None
    wanted = _slots(span, fps)
    if info.fps is not None and info.fps < fps:
        there = max(1, math.ceil(span * info.fps - ON_TIME))
        if there < wanted:
            wanted, limit = there, f"the video has only {info.fps:g} frames per second"
    if max_frames is not None and wanted > max_frames:
        thinner = max_frames / span
        limit = f"at most {max_frames} frames: {thinner:.3g} per second instead of {fps:g}"
        fps, wanted = thinner, max_frames
    return SamplingPlan(fps, start, end, wanted, max_frames, limit)


def check_request(fps: float, max_frames: int | None, start: float, end: float | None) -> None:
    """Raises UsageError for values no clip could satisfy."""
    if not 0 < fps <= HIGHEST_FPS:
        raise UsageError(f"fps must be above 0 and at most {HIGHEST_FPS:,.0f}, not {fps:g}", "Try --fps 1.")
    if max_frames is not None and max_frames < 1:
        raise UsageError(f"max-frames must be at least 1, not {max_frames}", "Leave it out to watch everything.")
    if not (math.isfinite(start) and start >= 0):
        raise UsageError(
            f"start must be zero or a positive time, not {start:g} seconds", "Leave it out to begin there."
        )
    if end is not None and not (math.isfinite(end) and end > start):
        raise UsageError(f"end ({end:g} s) must come after start ({start:g} s)", "Choose a later --end.")


def _slots(span: float, fps: float) -> int:
    """Due times k/fps inside [0, span), at least one."""
    return max(1, math.ceil(span * fps - ON_TIME))
