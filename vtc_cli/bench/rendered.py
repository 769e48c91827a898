"""Films of the procedural world as clips, drawn and never encoded."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from vtc_cli.bench.clips import StoredClip
from vtc_cli.train.world import Film, frame_at
from vtc_cli.video.frame import Clip, ClipInfo, Frame


def rendered(film: Film, size: tuple[int, int], source: str, fps: float = 1.0) -> Clip:
    """The film's pictures, `fps` of them a second. size: (height, width). source: what it is called in records.

    Raises MachineError when there is no room for them.
    """
    info = ClipInfo(
        source=source,
        digest=None,
        duration=film.duration,
        size=(size[1], size[0]),
        codec="rendered",
        fps=None,
        reader="vtc world",
    )
    return StoredClip(info, _frames(film, size, fps))


def _frames(film: Film, size: tuple[int, int], fps: float) -> Iterator[Frame]:
    for index in range(max(1, math.ceil(film.duration * fps - 1e-6))):
        picture = frame_at(film, index / fps, size)
        yield Frame(index / fps, torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))))
