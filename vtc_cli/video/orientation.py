"""Decoded pictures to upright RGB tensors."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from av import VideoFrame
    from torch import Tensor


@dataclass(frozen=True)
class Orientation:
    """How stored pictures must be turned: swap rows and columns first, then flip left-right, then top-bottom.

    rotation: the same as degrees clockwise; of a mirrored picture, after its left and right are swapped.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False
    rotation: int = 0

    @property
    def mirrored(self) -> bool:
        """True when no rotation alone makes the picture upright."""
        return self.transpose ^ self.flip_x ^ self.flip_y

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) as shown."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, image: Tensor) -> Tensor:
        """uint8 [3, h, w] as stored -> contiguous uint8 [3, H, W] upright."""
        if self.transpose:
            image = image.transpose(1, 2)
        flips = [axis for axis, wanted in ((2, self.flip_x), (1, self.flip_y)) if wanted]
        return (torch.flip(image, flips) if flips else image).contiguous()


UPRIGHT = Orientation()


def orientation_of(picture: VideoFrame) -> Orientation:
    """Read the display matrix a container (or EXIF) attaches to a picture; upright where there is none.

    The matrix maps stored (x, y) to shown (a*x + c*y, b*x + d*y), y pointing down; it is rounded to the nearest
    of the eight ways to lay a picture on its side, its head or its mirror image.
    """
    attached: Iterable[Any] = picture.side_data  # PyAV's stubs take its items for text
    data = next((item for item in attached if item.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return UPRIGHT
    a, b, _, c, d = struct.unpack("=9i", bytes(data)[:36])[:5]
    if not (a or b) or not (c or d):
        return UPRIGHT  # a degenerate matrix shows nothing at all: some encoders write zeros
    side = 1 if a * d - b * c > 0 else -1  # negative: mirrored
    rotation = round(math.degrees(math.atan2(side * b, side * a)) / 90) * 90 % 360
    if abs(a) >= abs(b):
        return Orientation(False, a < 0, d < 0, rotation)
    return Orientation(True, c < 0, b < 0, rotation)


def upright(picture: VideoFrame, orientation: Orientation) -> Tensor:
    """Convert one decoded picture of any pixel format to uint8 [3, H, W], RGB, upright."""
    pixels = torch.from_numpy(picture.to_ndarray(format="rgb24"))
    return orientation.apply(pixels.permute(2, 0, 1))
