"""Frames to units: the one resolution of a video, and the vision tower, counted."""

from __future__ import annotations

from collections.abc import Sequence

from vtc_cli.engine.heap import memory
from vtc_cli.engine.meter import Meter
from vtc_cli.models.contract import Geometry, Prepared, Unit, VideoLM
from vtc_cli.video.frame import Frame


class Vision:
    """A model's vision tower looking at one video.

    geometry: the fixed resolution; None until the first frame fixes it, within `pixels`. capture: vision layers
    (1-based) whose received attention is read.
    """

    def __init__(
        self,
        model: VideoLM,
        meter: Meter,
        *,
        geometry: Geometry | None = None,
        pixels: int | None = None,
        capture: Sequence[int] = (),
    ):
        self.geometry = geometry
        self._model, self._meter = model, meter
        self._pixels, self._capture = pixels, capture

    def shrink(self, frame: Frame) -> Frame:
        """The frame at the model's size. Raises UsageError for a first frame that no resolution suits, MachineError
        when memory runs out."""
        if self.geometry is None:
            height, width = frame.image.shape[-2:]
            self.geometry = self._model.geometry((width, height), self._pixels)
        with memory(f"resizing a frame of {frame.image.nbytes:,} bytes"):
            return self._model.shrink(frame, self.geometry)

    def prepare(self, frames: Sequence[Frame]) -> Prepared:
        """Frames that were shrunk, as the tower takes them. Raises MachineError when memory runs out."""
        assert self.geometry is not None, "the first frame fixes it as it is shrunk"
        with memory(f"cutting {len(frames)} frames into {self.geometry.patches:,} patches per unit"):
            return self._model.prepare(frames, self.geometry)

    def encode(self, prepared: Prepared, first: int) -> list[Unit]:
        """Units, of which the first has index `first`; their forwards are counted. Raises MachineError when memory runs
        out."""
        assert self.geometry is not None
        with memory(f"encoding {len(prepared)} units of {self.geometry.patches:,} patches"):
            units = self._model.encode(prepared, self.geometry, first=first, capture=self._capture)
        self._meter.forward("vision", self.geometry.patches, 0, times=len(units))
        return units
