"""Memory of this process while it watches: resident set, GPU, and how both went over the video.

The resident set is baselined once the model is loaded, because the weights are not the video's cost.
What a machine does not offer is None, never a guess.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One reading. time: seconds of video; rss, kv: bytes; seen, kept: visual tokens so far, before the pruner and
    after it. None where not measured."""

    time: float
    rss: int | None
    kv: int | None
    seen: int | None = None
    kept: int | None = None


@dataclass(frozen=True)
class MemoryUse:
    """Bytes. None: not measured.

    rss_after_load: resident set when the model had been loaded. rss_peak: the largest since `begin`; exact on Linux,
    and where the process reached a new lifetime peak, otherwise the largest reading. rss_lifetime_peak: as the system
    counts it, loading included. gpu_after_load, gpu_peak, gpu_reserved_peak: CUDA's allocator. mps_peak: the largest
    reading of the driver's allocation. timeline: readings over the video, evenly thinned.
    """

    rss_after_load: int | None = None
    rss_peak: int | None = None
    rss_lifetime_peak: int | None = None
    gpu_after_load: int | None = None
    gpu_peak: int | None = None
    gpu_reserved_peak: int | None = None
    mps_peak: int | None = None
    timeline: tuple[Sample, ...] = ()


class MemoryWatch:
    """Reads memory while a video is watched. Make it right after the model is loaded.

    device: the model's device, e.g. `cpu`, `cuda:0`, `mps`. samples: the most readings that are kept; when
    there are more, every second one is dropped and the reading interval doubles, so the number held is
    bounded for a stream without end.
    """

    def __init__(self, device: str = "cpu", samples: int = 64):
        if samples < 2:
            raise ValueError("a timeline needs at least two samples")
        self.device = device
        self.samples = samples
        self._rss_after_load = resident()
        self._gpu_after_load = _cuda_allocated(device)
        self.begin()

    def begin(self) -> None:
        """Start a video: forget earlier peaks and readings, keep the baseline."""
        self._rss_peak = resident()
        self._lifetime_before = lifetime_peak()
        self._exact = _restart_peak()
        self._mps_peak = _mps_allocated(self.device)
        self._timeline: list[Sample] = []
        self._stride = 1
        self._seen = 0
        self._last: Sample | None = None
        _reset_cuda_peak(self.device)

    def sample(self, time: float, kv: int | None = None, seen: int | None = None, kept: int | None = None) -> None:
        """Take a reading, once per unit. time: seconds of video; kv: bytes the cache holds now; seen, kept: visual
        tokens so far."""
        rss = resident()
        self._rss_peak = _largest(self._rss_peak, rss)
        self._mps_peak = _largest(self._mps_peak, _mps_allocated(self.device))
        self._last = Sample(time, rss, kv, seen, kept)
        if self._seen % self._stride == 0:
            if len(self._timeline) == self.samples - 1:  # one place is the last reading's
                self._timeline = self._timeline[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self._timeline.append(self._last)
        self._seen += 1

    def use(self) -> MemoryUse:
        """What was used since `begin`."""
        rss = _largest(self._rss_peak, resident())
        lifetime = lifetime_peak()
        before = self._lifetime_before
        if self._exact or (lifetime is not None and before is not None and lifetime > before):
            rss = _largest(rss, _counted_peak())  # counted from `begin`, or never larger before it
        timeline = list(self._timeline)
        if self._last is not None and (not timeline or timeline[-1] is not self._last):
            timeline.append(self._last)
        allocated, reserved = _cuda_peaks(self.device)
        return MemoryUse(
            rss_after_load=self._rss_after_load,
            rss_peak=rss,
            rss_lifetime_peak=_largest(lifetime, rss),
            gpu_after_load=self._gpu_after_load,
            gpu_peak=allocated,
            gpu_reserved_peak=reserved,
            mps_peak=_largest(self._mps_peak, _mps_allocated(self.device)),
            timeline=tuple(timeline),
        )


def resident() -> int | None:
    """Bytes of this process in physical memory now."""
    import psutil

    try:
        return int(psutil.Process().memory_info().rss)
    except psutil.Error:  # a sandbox that hides process tables
        return None


# The system's count is the process's own, so what a new count wipes from it has to be remembered for the process.
_wiped_peaks: list[int] = []


def lifetime_peak() -> int | None:
    """The largest resident set this process ever had, bytes; None where the system does not count it (Windows)."""
    return _largest(_counted_peak(), *_wiped_peaks)


def _restart_peak() -> bool:
    """Have the system count the peak anew; False where it cannot. So videos watched in one process do not share one."""
    if not sys.platform.startswith("linux"):
        return False
    before = _counted_peak()
    try:
        with open("/proc/self/clear_refs", "w") as control:
            control.write("5")
    except OSError:  # a sandbox without it
        return False
    _wiped_peaks[:] = [value for value in (_largest(before, *_wiped_peaks),) if value is not None]
    return True


def _counted_peak() -> int | None:
    """Since the process began, or since the count was begun anew."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kibibytes everywhere but on macOS


def _largest(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def _cuda_allocated(device: str) -> int | None:
    if not device.startswith("cuda"):
        return None
    import torch

    return int(torch.cuda.memory_allocated(device))


def _cuda_peaks(device: str) -> tuple[int | None, int | None]:
    if not device.startswith("cuda"):
        return None, None
    import torch

    return int(torch.cuda.max_memory_allocated(device)), int(torch.cuda.max_memory_reserved(device))


def _reset_cuda_peak(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def _mps_allocated(device: str) -> int | None:
    if not device.startswith("mps"):
        return None
    import torch

    return int(torch.mps.driver_allocated_memory())
