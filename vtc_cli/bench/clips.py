"""Films that were made once and are watched by every method, and the same films with nothing to see."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b

import torch

from vtc_cli.errors import MachineError
from vtc_cli.video.frame import Clip, ClipInfo, Damage, Frame
from vtc_cli.video.sampling import Pacer


class StoredClip:
    """Frames written to a file without a name, so that an hour of them takes no memory and no method sees others.

    info: its digest becomes that of the frames. frames: all of one size, in time order.
    Raises MachineError when there is no room for them.
    """

    def __init__(self, info: ClipInfo, frames: Iterable[Frame]):
        self.damage: Damage | None = None
        digest = blake2b(digest_size=16)
        self._times: list[float] = []
        self._shape: tuple[int, ...] = ()
        try:
            self._file = tempfile.TemporaryFile(prefix="vtc-bench-")  # noqa: SIM115 (closed by `close`)
            for frame in frames:
                self._shape = tuple(frame.image.shape)
                self._times.append(frame.time)
                content = frame.image.contiguous().numpy().tobytes()
                digest.update(content)
                self._file.write(content)
        except OSError as error:
            raise MachineError(
                f"the frames of {info.source} cannot be kept: {error.strerror or error}",
                "make room in the folder for temporary files, or name another with TMPDIR",
            ) from None
        self.info = replace(info, digest=f"blake2b:{digest.hexdigest()}")

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`."""
        pacer = Pacer(fps, start, end)
        for index, time in enumerate(self._times):
            if pacer.over(time):
                return
            if pacer.wants(time):
                yield self._read(index)

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """See `Clip.at`: the last frame at or before each time."""
        for time in times:
            before = [index for index, shown in enumerate(self._times) if shown <= time]
            yield self._read(before[-1] if before else 0)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _read(self, index: int) -> Frame:
        size = torch.Size(self._shape).numel()
        self._file.seek(index * size)
        content = bytearray(self._file.read(size))
        return Frame(self._times[index], torch.frombuffer(content, dtype=torch.uint8).view(self._shape))


class NoiseClip:
    """The same moments of a clip with every picture replaced by noise: what can be guessed without looking.

    The noise depends on `seed` and the time only, so that every watching sees the same.
    """

    def __init__(self, clip: Clip, seed: int):
        self._clip, self._seed = clip, seed
        digest = None
        if clip.info.digest is not None:
            digest = f"blake2b:{blake2b(f'{clip.info.digest} noise {seed}'.encode(), digest_size=16).hexdigest()}"
        self.info = replace(clip.info, source=f"{clip.info.source} (noise)", digest=digest)
        self.damage: Damage | None = None

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`."""
        yield from map(self._noise, self._clip.frames(fps, start, end))
        self.damage = self._clip.damage

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """See `Clip.at`."""
        return map(self._noise, self._clip.at(times))

    def close(self) -> None:
        """The clip belongs to who opened it."""

    def _noise(self, frame: Frame) -> Frame:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + round(frame.time * 1000))
        return Frame(frame.time, torch.randint(0, 256, frame.image.shape, dtype=torch.uint8, generator=generator))
