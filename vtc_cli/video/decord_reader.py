"""The decord reader, confined: random access on local files whose clock it reads as the container does.

What confines it, and why. decord decodes ahead of its consumer without a limit, so it is sent back to frame 0 after
every read. It ignores edit lists, returns pictures a keyframe late from MPEG-TS, garbles some rotated ones, and
cannot stop once it is asked for a frame that the metadata promises but the file does not hold; so its table of
times is compared with the container's, and frames from the last decodable one on are left to PyAV. A fork with the
same module name returns wrong frames on busy machines and is refused.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError, VideoError
from vtc_cli.video.facts import index_times
from vtc_cli.video.frame import ClipInfo, Damage, Frame
from vtc_cli.video.pyav_reader import PyavClip
from vtc_cli.video.sampling import ON_TIME, Pacer

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 8  # frames read between two resets of the decoder
THREADS = 2
LOOK_ALIKES = ("decord2", "eva-decord")

# Containers in which decord's frame numbers were seen to be right.
_CONTAINERS = ("mp4", "matroska")
_UNKNOWN_CODECS = frozenset({"av1", "vvc"})


def decord_version() -> str:
    """The installed decord, looked up without importing it. Raises MachineError unless it is 0.6.x and alone."""
    for name in LOOK_ALIKES:
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        raise MachineError(
            f"the module called decord belongs to {name} {found}, which is not decord and can return wrong frames",
            f"Run: pip uninstall {name} && pip install --force-reinstall decord==0.6.0. Or use --reader pyav.",
        )
    try:
        found = version("decord")
    except PackageNotFoundError:
        raise MachineError("decord is not installed", "Use --reader pyav, or: pip install decord==0.6.0") from None
    if not found.startswith("0.6."):
        raise MachineError(
            f"decord {found} is not supported, only 0.6",
            "Use --reader pyav, or: pip install decord==0.6.0",
        )
    return found


def cannot_serve(base: PyavClip) -> str | None:
    """Why decord must not be used for this clip at all; None when it may try. Nothing is imported or read."""
    facts = base.facts
    if not base.local:
        return "decord reads local files only"
    if not any(name in facts.container for name in _CONTAINERS):
        return f"decord misreads {facts.container} files"
    if facts.codec in _UNKNOWN_CODECS:
        return f"decord 0.6 has no {facts.codec} decoder"
    if facts.orientation.mirrored:
        return "decord does not mirror pictures"
    if facts.orientation.rotation:
        return "decord mixes up the bytes of pictures that are stored rotated"  # where rows are padded, it seems
    if base.clock.assumed:
        return "the pictures carry no times"
    return None


class DecordClip:
    """A local file read by decord, paced; the last frames come from PyAV (see the module's text).

    Raises MachineError without a usable decord, VideoError when decord cannot read this file faithfully.
    """

    def __init__(self, base: PyavClip):
        found = decord_version()
        problem = cannot_serve(base)
        if problem is not None:
            raise VideoError(f"{base.info.source}: {problem}", "Use --reader pyav.")
        self._base = base
        self.facts = base.facts
        self.damage: Damage | None = None
        self.info: ClipInfo = replace(base.info, reader=f"decord {found}")
        self._times: list[float] | None = None
        self._verified = 0

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`: chunks of at most 8 frames, the decoder reset after each."""
        return self._watch(Pacer(fps, start, end, self._base.clock.slack))

    def _watch(self, pacer: Pacer) -> Iterator[Frame]:
        self.damage = None
        reader = self._open()
        times = self._table(reader)
        wanted = (number for number, time in enumerate(times[: self._verified]) if pacer.wants(time))
        last: float | None = None
        while chunk := list(islice(wanted, CHUNK)):
            try:
                images = [self._picture(reader, number) for number in chunk]
                reader.seek(0)
            except self._failures() as error:
                if last is None:
                    raise self._cannot_read(chunk[0], error) from None
                self.damage = Damage(last, f"{_words(error)}; nothing could be read after it")
                return
            for number in chunk:
                last = times[number]
                yield Frame(last, images.pop(0))
        yield from self._rest(pacer)

    def _rest(self, pacer: Pacer) -> Iterator[Frame]:
        """What comes after the last frame decord may be asked for."""
        assert self._times is not None
        edge = self._times[self._verified] if self._verified < len(self._times) else self._times[-1] + 1
        if pacer.end is not None and edge >= pacer.end:
            return
        for frame in self._base.frames(1e6, max(edge - ON_TIME, 0.0), pacer.end):
            if pacer.wants(frame.time):
                yield frame
        self.damage = self._base.damage

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """See `Clip.at`: one frame at a time, the decoder reset after each."""
        reader = self._open()
        table = self._table(reader)
        for time in times:
            number = max(bisect.bisect_right(table, time + ON_TIME) - 1, 0)
            if number >= self._verified:
                yield from self._base.at([time])
                continue
            try:
                image = self._picture(reader, number)
                reader.seek(0)
            except self._failures() as error:
                raise self._cannot_read(number, error) from None
            yield Frame(table[number], image)

    def close(self) -> None:
        """See `Clip.close`."""
        self._base.close()

    def _open(self) -> Any:
        import decord

        decord.logging.set_level(decord.logging.QUIET)
        try:
            return decord.VideoReader(self._base.path, ctx=decord.cpu(0), num_threads=THREADS)
        except self._failures() as error:
            raise VideoError(
                f"{self.info.source}: decord cannot open this file ({_words(error)})", "Use --reader pyav."
            ) from None

    def _table(self, reader: Any) -> list[float]:
        """Seconds of every frame in showing order, checked against the container's clock; computed once."""
        if self._times is None:
            self._times = self._checked_times(reader)
            last = self._base.last_time()
            self._verified = bisect.bisect_left(self._times, last - ON_TIME)
        return self._times

    def _checked_times(self, reader: Any) -> list[float]:
        facts, clock = self._base.facts, self._base.clock
        count = len(reader)
        stamps = [float(pair[0]) for pair in reader.get_frame_timestamp(list(range(count)))] if count else []
        step = 1 / facts.fps if facts.fps else clock.step
        if not stamps or abs(stamps[0]) > step / 2 or sorted(stamps) != stamps:
            raise self._disagreement(f"its first frame is at {stamps[0]:.3f} s" if stamps else "it finds no frame")
        if facts.declared_frames is not None and facts.declared_frames != count:
            raise self._disagreement(f"it counts {count} frames, the container {facts.declared_frames}")
        exact = index_times(self._base.path) if facts.variable is False else None
        if exact is not None:
            # decord's times are single precision; the container's index has the exact ones.
            worst = max((abs(a - b) for a, b in zip(exact, stamps, strict=True)), default=0.0)
            if worst > step / 2:
                raise self._disagreement(f"its times are up to {worst:.3f} s off")
            return exact
        tick = float(clock.tick)
        return [round((stamp - stamps[0]) / tick) * tick for stamp in stamps]

    def _picture(self, reader: Any, number: int) -> Tensor:
        """One picture, uint8 [3, H, W]."""
        import torch

        image = reader[number].asnumpy()
        width, height = self.info.size
        if image.shape != (height, width, 3):
            raise RuntimeError(f"its picture has the shape {image.shape}")
        return torch.from_numpy(image).permute(2, 0, 1).contiguous()

    def _cannot_read(self, number: int, error: BaseException) -> VideoError:
        return VideoError(
            f"{self.info.source}: decord cannot read frame {number} ({_words(error)})", "Use --reader pyav."
        )

    def _disagreement(self, how: str) -> VideoError:
        return VideoError(
            f"{self.info.source}: decord reads this file's clock differently ({how})", "Use --reader pyav."
        )

    @staticmethod
    def _failures() -> tuple[type[BaseException], ...]:
        from decord._ffi.base import DECORDError

        return (DECORDError, RuntimeError, IndexError)


def _words(error: BaseException) -> str:
    """The last clause of a C++ message, without its time stamp, file name and stack."""
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return line.rsplit("Error: ", 1)[-1].rsplit("] ", 1)[-1][:160]
