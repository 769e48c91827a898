"""The torchcodec reader (an extra): decodes with the FFmpeg installed on the machine.

torchcodec 0.12 finds frames by number; on some containers the number leads to another picture. Times are therefore
read from the container's packets, and each picture that comes back must carry the time that was asked for.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from vtc_cli.errors import MachineError, VideoError
from vtc_cli.video.frame import Damage, Frame
from vtc_cli.video.pyav_reader import PyavClip
from vtc_cli.video.sampling import ON_TIME, Pacer

# torchcodec reports times in double precision of the same ticks; anything further off is another picture.
SAME_TIME = 1e-4


class TorchcodecClip:
    """A local file read by torchcodec; `base` supplies the facts and the container's clock.

    Raises MachineError when torchcodec or its FFmpeg cannot be loaded, VideoError when it cannot read this file.
    """

    def __init__(self, base: PyavClip):
        try:
            from torchcodec.decoders import VideoDecoder
        except (ImportError, OSError, RuntimeError) as error:
            raise _not_loadable(error) from None
        if not base.local:
            raise VideoError(f"{base.info.source}: torchcodec reads local files only here", "Use --reader pyav.")
        if base.clock.assumed:
            raise VideoError(f"{base.info.source}: the pictures carry no times", "Use --reader pyav.")
        self._base = base
        self.facts = base.facts
        self._decoder_class: Any = VideoDecoder
        self._times: list[float] | None = None
        self.damage: Damage | None = None
        self.info = replace(base.info, reader=f"torchcodec {version('torchcodec')}")
        self._open()  # fail here, not in the middle of a run

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`."""
        return self._watch(Pacer(fps, start, end, self._base.clock.slack))

    def _watch(self, pacer: Pacer) -> Iterator[Frame]:
        self.damage = None
        decoder, last = self._open(), None
        for number, time in enumerate(self._table()):
            if pacer.over(time):
                return
            if not pacer.wants(time):
                continue
            try:
                frame = self._read(decoder, number, time)
            except (RuntimeError, IndexError) as error:
                if last is None:
                    raise self._cannot(f"no picture at the start ({_words(error)})") from None
                self.damage = Damage(last, f"{_words(error)}; nothing could be read after it")
                return
            last = time
            yield frame
        facts = self._base.facts
        self.damage = self._base.cut_off(self._table()[-1]) if facts.proven else None

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """See `Clip.at`."""
        decoder, table = self._open(), self._table()
        for time in times:
            number = max(bisect.bisect_right(table, time + ON_TIME) - 1, 0)
            try:
                frame = self._read(decoder, number, table[number])
            except (RuntimeError, IndexError) as error:
                raise self._cannot(f"no picture at {time:g} s ({_words(error)})") from None
            yield frame

    def close(self) -> None:
        """See `Clip.close`."""
        self._base.close()

    def _open(self) -> Any:
        try:
            return self._decoder_class(self._base.path, seek_mode="exact")
        except (RuntimeError, ValueError, OSError) as error:
            raise self._cannot(f"the file cannot be opened ({_words(error)})") from None

    def _table(self) -> list[float]:
        if self._times is None:
            self._times = self._base.packet_times()
        return self._times

    def _read(self, decoder: Any, number: int, time: float) -> Frame:
        found = decoder.get_frame_at(number)
        there = found.pts_seconds - self._base.facts.start_offset
        if abs(there - time) > SAME_TIME:
            raise self._cannot(f"it returned the picture of {there:.3f} s for {time:.3f} s")
        return Frame(time, found.data.contiguous())

    def _cannot(self, why: str) -> VideoError:
        return VideoError(f"{self.info.source}: torchcodec cannot read this file: {why}", "Use --reader pyav.")


def _not_loadable(error: BaseException) -> MachineError:
    try:
        found = version("torchcodec")
    except PackageNotFoundError:
        return MachineError("torchcodec is not installed", "Install it: pip install 'vtc-cli[torchcodec]'")
    return MachineError(
        f"torchcodec {found} cannot be loaded ({_words(error)})",
        "It needs FFmpeg 4 to 8 as shared libraries (apt install ffmpeg) and a build that fits the installed torch.",
    )


def _words(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
