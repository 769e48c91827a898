"""Films to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vtc_cli.train.world.film import Film
from vtc_cli.train.world.render import frame_at


def write_mp4(
    film: Film,
    path: str | Path,
    fps: int = 15,
    height: int = 384,
    crf: int = 20,
    drawn: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Render a film to an H.264 mp4. height: pixels; the width follows the film's aspect, both even.

    drawn: called after every picture with (pictures done, of how many).
    """
    import av

    size = (height // 2 * 2, round(height * film.aspect / 2) * 2)
    total = max(1, round(film.duration * fps))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "yuv420p"
        for index in range(total):
            picture = av.VideoFrame.from_ndarray(frame_at(film, index / fps, size), format="rgb24")
            container.mux(stream.encode(picture))
            drawn(index + 1, total)
        container.mux(stream.encode())
