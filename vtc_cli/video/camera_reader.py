"""The camera reader: `camera:0` through OpenCV, because PyAV wheels carry no capture devices."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator, Sequence
from typing import Any

from vtc_cli.errors import MachineError, VideoError
from vtc_cli.video.frame import ClipInfo, Damage, Frame
from vtc_cli.video.sampling import Pacer
from vtc_cli.video.source import Source


class CameraClip:
    """A live camera. Times are arrival times on this machine's clock, so they are flagged `assumed`.

    Raises MachineError when OpenCV is not installed, VideoError when the camera cannot be opened.
    """

    damage: Damage | None = None
    seekable = False

    def __init__(self, source: Source):
        try:
            import cv2
        except ImportError as error:
            raise MachineError(
                f"{source.name}: reading a camera needs OpenCV ({error})", "Install it: pip install 'vtc-cli[camera]'"
            ) from None
        self._cv2: Any = cv2
        self._name = source.name
        self._device = cv2.VideoCapture(int(source.target))
        if not self._device.isOpened():
            self._device.release()
            raise VideoError(f"{source.name}: the camera cannot be opened", "Is it connected, and not used elsewhere?")
        width, height = (int(self._device.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        rate = float(self._device.get(cv2.CAP_PROP_FPS))
        self.info = ClipInfo(
            source=source.name,
            digest=None,
            duration=None,
            size=(width, height),
            codec="camera",
            fps=rate if rate > 0 else None,
            reader=f"opencv {cv2.__version__}",
            times="assumed",
        )

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`; time zero is the first picture of this call. Pictures not wanted are not converted."""
        return self._watch(Pacer(fps, start, end))

    def _watch(self, pacer: Pacer) -> Iterator[Frame]:
        import torch

        self.damage = None
        began, time = None, 0.0
        while self._device.grab():
            now = clock.monotonic()
            began = now if began is None else began
            time = now - began
            if pacer.over(time):
                return
            if pacer.wants(time):
                found, picture = self._device.retrieve()
                if not found:
                    continue
                rgb = self._cv2.cvtColor(picture, self._cv2.COLOR_BGR2RGB)
                yield Frame(time, torch.from_numpy(rgb).permute(2, 0, 1).contiguous())
        if began is None:
            raise VideoError(f"{self._name}: the camera sends no picture", "Is it used by another program?")
        self.damage = Damage(time, "the camera stopped sending pictures")

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """A camera cannot go back. Raises VideoError."""
        raise VideoError(f"{self._name}: a camera cannot be read again", "Record it to a file first.")

    def close(self) -> None:
        """See `Clip.close`."""
        self._device.release()
