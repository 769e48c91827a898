"""The default reader: PyAV streams; single moments come from decord where that is safe and useful."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from vtc_cli.errors import MachineError, VideoError
from vtc_cli.video.decord_reader import DecordClip, cannot_serve, decord_version
from vtc_cli.video.frame import ClipInfo, Damage, Frame
from vtc_cli.video.pyav_reader import PyavClip

# decord reads a whole file to open it and decodes from a keyframe for each moment, as PyAV does without that
# reading: it can only pay for itself over several moments of a file of moderate size.
FEW_MOMENTS = 8
LARGE_FILE = 2 * 2**30
SAME_COLOURS = frozenset({"yuv420p", "yuvj420p"})  # converted to the same RGB, byte for byte, by both readers


class AutoClip:
    """PyAV for `frames`, decord or PyAV for `at`. `at_reader` and `at_reason` say which serves `at` and why."""

    def __init__(self, base: PyavClip):
        self._base = base
        self.facts, self.seekable, self.frames_reader = base.facts, base.seekable, base.info.reader
        self._decord: DecordClip | None = None
        self.info: ClipInfo = base.info
        self.at_reader = base.info.reader
        refusal = self._refusal()
        if refusal is not None:
            self.at_reason = refusal
            return
        self._decord = DecordClip(base)
        self.at_reader = self._decord.info.reader
        self.at_reason = f"local file of constant rate, upright; PyAV for fewer than {FEW_MOMENTS} moments"
        self.info = replace(base.info, reader=f"{base.info.reader} (moments: {self.at_reader})")

    @property
    def damage(self) -> Damage | None:
        """See `Clip`."""
        return self._base.damage

    @damage.setter
    def damage(self, value: Damage | None) -> None:
        self._base.damage = value

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`."""
        return self._base.frames(fps, start, end)

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """See `Clip.at`. A moment decord fails on, and those after it, are looked up by PyAV."""
        if self._decord is None or len(times) < FEW_MOMENTS:
            return self._base.at(times)
        return self._look(self._decord, list(times))

    def _look(self, decord: DecordClip, times: list[float]) -> Iterator[Frame]:
        done = 0
        try:
            for frame in decord.at(times):
                done += 1
                yield frame
        except VideoError as error:
            self._decord, self.info, self.at_reader = None, self._base.info, self._base.info.reader
            self.at_reason = error.message
            yield from self._base.at(times[done:])

    def close(self) -> None:
        """See `Clip.close`."""
        self._base.close()

    def _refusal(self) -> str | None:
        """Why decord is not used for this file, None when it is."""
        problem = cannot_serve(self._base)
        if problem is not None:
            return problem
        facts = self._base.facts
        if facts.variable is not False:
            return "the rate varies" if facts.variable else "only a complete index proves a constant rate"
        if facts.pixels not in SAME_COLOURS:
            return f"decord converts {facts.pixels} to RGB differently"
        if os.path.getsize(self._base.path) > LARGE_FILE:
            return "the file is large and decord would read all of it first"
        try:
            decord_version()
        except MachineError as error:
            return error.message
        return None
