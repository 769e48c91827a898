"""Training batches as a function of the step number, so that a run resumes exactly where it stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

# (height, width), all multiples of a token's 16 pixels, and how often. Units have from 36 to 100 tokens: a decoder that
# has met one number of tokens only tells times and counts wrongly when there are fewer, whichever they are.
SIZES = {
    (128, 128): 0.42,
    (96, 160): 0.2,
    (160, 96): 0.06,
    (96, 96): 0.14,
    (96, 128): 0.06,
    (128, 96): 0.04,
    (160, 160): 0.08,
}
WORN = 0.35  # share of the films that go through a lossy codec


def random_size(rng: np.random.Generator) -> tuple[int, int]:
    """The picture size of one batch, (height, width) pixels."""
    return list(SIZES)[int(rng.choice(len(SIZES), p=list(SIZES.values())))]


class Steps(IterableDataset):
    """Calls `make(step)` for step = first, first + 1, ... in a worker process."""

    def __init__(self, make: Callable[[int], Any], first: int, last: int):
        self.make, self.first, self.last = make, first, last

    def __iter__(self) -> Iterator[Any]:
        torch.set_num_threads(1)
        if get_worker_info() is not None:
            # Ctrl-C reaches every process of the terminal; the trainer ends this one when it has stopped.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        for step in range(self.first, self.last):
            yield self.make(step)


def batches(make: Callable[[int], Any], first: int, last: int, workers: int = 1) -> Iterator[Any]:
    """Batches rendered ahead in one process beside the trainer (workers=0: in this one)."""
    loader = DataLoader(
        Steps(make, first, last),
        batch_size=None,
        num_workers=min(workers, 1),
        prefetch_factor=4 if workers else None,
    )
    yield from loader


def compressed(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The same frames after a lossy codec, at a quality drawn from bad to good. frames: uint8 [n, H, W, 3]."""
    from PIL import Image

    quality, out = int(rng.integers(25, 90)), np.empty_like(frames)
    for index, frame in enumerate(frames):
        file = BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=quality)
        out[index] = np.asarray(Image.open(file))
    return out


def to_input(frames: Tensor, rng: np.random.Generator, dtype: torch.dtype) -> Tensor:
    """uint8 [B, 2, H, W, 3] to normalised [B, 2, 3, H, W], with the wear a real file has.

    Brightness and contrast drift per unit; half of the units lose colour resolution as 4:2:0 video does.
    """
    x = frames.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    batch = x.shape[0]
    gain = torch.from_numpy(rng.uniform(0.8, 1.12, (batch, 1, 1, 1, 1)).astype(np.float32))
    lift = torch.from_numpy(rng.uniform(-0.12, 0.12, (batch, 1, 1, 1, 1)).astype(np.float32))
    x = (x + 1) * gain - 1 + lift
    worn = torch.from_numpy(rng.random(batch) < 0.5)
    if worn.any():
        part = x[worn]
        grey = part.mean(2, keepdim=True)
        colour = (part - grey).flatten(0, 1)
        coarse = torch.nn.functional.avg_pool2d(colour, 2)
        smooth = torch.nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear")
        x[worn] = grey + smooth.view_as(part)
    return x.clamp(-1, 1).to(dtype)
