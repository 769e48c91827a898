"""Video in: sources, readers, sampling by time, decoding ahead of the model.

Names are loaded on first use, so that importing this package imports neither libav nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vtc_cli.lazy import lazy

if TYPE_CHECKING:
    from vtc_cli.video.frame import Clip, ClipInfo, Damage, Frame
    from vtc_cli.video.open import READERS, open_clip
    from vtc_cli.video.prefetching import Prefetch, prefetch
    from vtc_cli.video.probing import Probe, probe
    from vtc_cli.video.sampling import SamplingPlan, plan_sampling
    from vtc_cli.video.timecode import format_time, parse_time

_HOME = {
    "Clip": "frame",
    "ClipInfo": "frame",
    "Damage": "frame",
    "Frame": "frame",
    "READERS": "open",
    "open_clip": "open",
    "Prefetch": "prefetching",
    "prefetch": "prefetching",
    "Probe": "probing",
    "probe": "probing",
    "SamplingPlan": "sampling",
    "plan_sampling": "sampling",
    "format_time": "timecode",
    "parse_time": "timecode",
}

__all__ = [
    "READERS",
    "Clip",
    "ClipInfo",
    "Damage",
    "Frame",
    "Prefetch",
    "Probe",
    "SamplingPlan",
    "format_time",
    "open_clip",
    "parse_time",
    "plan_sampling",
    "prefetch",
    "probe",
]


__getattr__ = lazy(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__
