"""Films whose every picture carries its own number, so that a test knows which picture a reader returned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

WIDTH, HEIGHT = 64, 48
BLOCK = 8  # two rows of eight black or white blocks: 16 bits
RED, BLUE = (200, 30, 30), (30, 30, 200)  # the lower part, left and right


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8 [height, width, 3] with `number` in its upper two rows of blocks."""
    image = np.zeros((height, width, 3), np.uint8)
    image[2 * BLOCK :, : width // 2] = RED
    image[2 * BLOCK :, width // 2 :] = BLUE
    for bit in range(16):
        row, column = divmod(bit, 8)
        if number >> bit & 1:
            image[row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK] = 255
    return image


def number_of(image: torch.Tensor) -> int:
    """The number in an upright uint8 [3, H, W] picture."""
    assert image.dtype == torch.uint8
    assert image.shape[0] == 3
    assert image.is_contiguous()
    number = 0
    for bit in range(16):
        row, column = divmod(bit, 8)
        block = image[:, row * BLOCK + 2 : (row + 1) * BLOCK - 2, column * BLOCK + 2 : (column + 1) * BLOCK - 2]
        number |= int(block.float().mean() > 127) << bit
    return number


def write_film(
    path: Path,
    numbers: Iterable[int] = range(90),
    *,
    codec: str = "libx264",
    rate: int = 30,
    pixels: str = "yuv420p",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    ticks: Sequence[int] | None = None,
    tick: Fraction | None = None,
    first_tick: int = 0,
    format: str | None = None,
    codec_options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    rotation: tuple[float, bool] | None = None,
    sound: float = 0.0,
    mode: str = "w",
) -> Path:
    """Encode a film. ticks: time of each picture in units of `tick` (default: one per 1/rate).

    rotation: (degrees counterclockwise the player must turn it, mirrored). sound: seconds of silence beside it.
    The default codec makes a keyframe every 30 pictures and two B-frames between references.
    """
    options = dict(codec_options or ({"g": "30", "bf": "2", "crf": "20"} if codec == "libx264" else {}))
    with av.open(str(path), mode, format=format, options=dict(container_options or {})) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        base = tick or Fraction(1, rate)
        stream.codec_context.time_base = base
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        speech = container.add_stream("aac", rate=8000) if sound else None
        for place, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            frame.pts = first_tick + (ticks[place] if ticks is not None else place)
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if speech is not None:
            for begin in range(0, int(sound * 8000), 1024):
                quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                quiet.sample_rate, quiet.pts = 8000, begin
                container.mux(speech.encode(quiet))
            container.mux(speech.encode(None))
    return path


def write_sound(path: Path, seconds: float = 1.0, tracks: int = 1) -> Path:
    """A file with `tracks` tracks of silence and nothing else."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("aac", rate=8000) for _ in range(tracks)]
        for begin in range(0, int(seconds * 8000), 1024):
            for stream in streams:
                quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                quiet.sample_rate, quiet.pts = 8000, begin
                container.mux(stream.encode(quiet))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def has_encoder(name: str) -> bool:
    """Does this PyAV carry an encoder called `name`?"""
    try:
        av.codec.Codec(name, "w")
    except ValueError:
        return False
    return True
