"""Make the long test video: H.264, 1280x720, 30 fps, of any length, from the procedural world.

    python -m benchmarks.make_hour hour.mp4 --seconds 3600

Every frame is encoded at 30 fps, as a camera would; the picture changes twice a second, because rendering
108,000 full pictures would take longer than everything measured on them. Each frame differs by its number,
written as 24 blocks along the top edge, so a reader can be checked.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from vtc_cli.train.world import frame_at, make_film

SIZE = (720, 1280)
FPS = 30
BLOCK = 32


def number(picture: np.ndarray, index: int) -> np.ndarray:
    """The picture with `index` burned in as 24 black or white blocks."""
    marked = picture.copy()
    for bit in range(24):
        marked[:BLOCK, BLOCK * bit : BLOCK * (bit + 1)] = 255 if index >> bit & 1 else 0
    return marked


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    scenes = max(1, options.seconds // 8)
    film = make_film(options.seed, "test", options.seconds, scenes, aspect=SIZE[1] / SIZE[0])
    film = replace(film, grain=0.0)  # sensor noise would make it 10 Mbit/s of nothing
    partial = options.output.with_suffix(".partial.mp4")
    with av.open(str(partial), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.options = {"preset": "ultrafast", "crf": "26", "g": "250", "threads": "1"}
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        picture = frame_at(film, 0.0, SIZE)
        for index in range(options.seconds * FPS):
            if index % (FPS // 2) == 0:
                picture = frame_at(film, index / FPS, SIZE)
            frame = av.VideoFrame.from_ndarray(number(picture, index), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    partial.rename(options.output)


if __name__ == "__main__":
    main()
