"""Small real video files, made on the spot."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def write_clip(
    path: Path, seconds: float = 4.0, rate: int = 8, size: tuple[int, int] = (96, 64), seed: int = 0
) -> Path:
    """An H.264 file with the index in front: a bar over noise that depends on `seed`. size: (width, height)."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 120, (size[1], size[0], 3), dtype=np.uint8)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"g": "8"})
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
        for index in range(round(seconds * rate)):
            picture = ground.copy()
            left = index * 5 % (size[0] - 12)
            picture[:, left : left + 12] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def cut_clip(whole: Path, path: Path, share: float = 0.6) -> Path:
    """The first `share` of the bytes of a file: damaged, but it starts well."""
    content = whole.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
