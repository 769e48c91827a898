"""Pictures for towers that look at one size only: every frame becomes the same square, whatever its own shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.contract import Geometry
from vtc_cli.models.preprocess import Preprocessor, check_picture, check_size

_RESAMPLE = {1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's codes, as the configs write them
Fit = Literal["stretch", "crop", "twice"]
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class FixedSize(Preprocessor):
    """One checkpoint's way from pictures to squares of `side` pixels.

    side: pixels. grid: language-model tokens per side. patch: pixels per patch side; temporal is 1.
    fit: how a picture becomes a square. `stretch` changes its shape; `crop` scales its short side and cuts the middle;
    `twice` scales its long side to `long` first, then stretches.
    long: pixels of the long side in between.
    """

    temporal: int = 1
    side: int = 336
    grid: int = 24
    fit: Fit = "stretch"
    long: int = 0
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD

    def configured(self, config: Mapping[str, Any], source: Path) -> FixedSize:
        """With a folder's settings. Raises MachineError when they contradict the tower's size."""
        code = config.get("resample")
        code = {name: code for code, name in _RESAMPLE.items()}[self.resample] if code is None else int(code)
        refused = [key for key in ("do_resize", "do_rescale", "do_normalize") if config.get(key) is False]
        if self.fit == "crop" and config.get("do_center_crop") is False:
            refused.append("do_center_crop")
        if refused or code not in _RESAMPLE:
            what = f"{refused[0]}=false" if refused else f"resample={code}"
            raise MachineError(f"{source} asks for {what}, which is not supported.", "Use the checkpoint as published.")
        # Where pictures are cut into tiles, it is those that are padded.
        if self.fit == "crop" and config.get("do_pad") and not config.get("image_grid_pinpoints"):
            raise MachineError(f"{source} asks for do_pad, which is not supported.", "Use the checkpoint as published.")
        sides = self._sides(config)
        if sides - {self.side}:
            raise MachineError(
                f"{source} makes pictures of {max(sides - {self.side})} pixels, and the tower in config.json looks at "
                f"{self.side}.",
                "Download the checkpoint again.",
            )
        # As in the library, a plain `size` beside `video_sampling` wins.
        size = config.get("size") or (config.get("video_sampling") or {}).get("video_size") or {}
        return FixedSize(
            patch=self.patch,
            merge=self.merge,
            side=self.side,
            grid=self.grid,
            fit=self.fit,
            long=int(size.get("longest_edge", self.long)) if self.fit == "twice" else 0,
            scale=float(config.get("rescale_factor", self.scale)),
            mean=tuple(map(float, config.get("image_mean") or self.mean)),
            std=tuple(map(float, config.get("image_std") or self.std)),
            resample=_RESAMPLE[code],
        )

    def _sides(self, config: Mapping[str, Any]) -> set[int]:
        """Every side a config says its squares have."""
        if self.fit == "twice":
            largest = config.get("max_image_size") or {}
            return {int(value) for value in largest.values()}
        size = config.get("size") or {}
        if isinstance(size, int):
            size = {"shortest_edge": size}
        found = {int(value) for value in size.values() if value}
        if self.fit == "crop":
            crop = config.get("crop_size") or {}
            found |= {crop} if isinstance(crop, int) else {int(value) for value in crop.values() if value}
        return found

    @property
    def default_pixels(self) -> int:
        """The one size there is."""
        return self.side**2

    def geometry(self, size: tuple[int, int], pixels: int | None = None) -> Geometry:
        """Always the tower's own size. Raises UsageError when `pixels` is below that, or a picture has no pixels."""
        if pixels is not None and pixels < self.side**2:
            raise UsageError(
                f"this model looks at pictures of {self.side} x {self.side} pixels only, and a budget of {pixels:,} "
                "pixels per frame is below that.",
                f"Leave --pixels out, or give at least --pixels {self.side**2}; a pruner saves tokens instead.",
            )
        check_size(size)
        return Geometry(
            size=(self.side, self.side), grid=(self.grid, self.grid), patches=(self.side // self.patch) ** 2
        )

    def resize(self, image: Tensor, geometry: Geometry) -> Tensor:
        """uint8 [3, h, w] to uint8 [3, side, side], antialiased, on the CPU; one of that size comes back as it is."""
        check_picture(image)
        image, side = image.cpu(), self.side
        height, width = image.shape[-2:]
        if (height, width) == (side, side):
            return image
        if self.fit == "crop":
            tall, wide = (int(side * height / width), side) if width <= height else (side, int(side * width / height))
            whole = self._scaled(image, tall, wide)
            top, left = int((tall - side) / 2), int((wide - side) / 2)
            return whole[:, top : top + side, left : left + side]
        if self.fit == "twice":
            image = self._scaled(image, *self._long_side(height, width))
        return self._scaled(image, side, side)

    def _long_side(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) with the long side at `long`, the other one even."""
        if width >= height:
            other = int(self.long / (width / height))
            return max(other + other % 2, 1), self.long
        other = int(self.long * (width / height))
        return self.long, max(other + other % 2, 1)

    def _scaled(self, image: Tensor, height: int, width: int) -> Tensor:
        if tuple(image.shape[-2:]) == (height, width):
            return image
        return F.interpolate(
            image[None],
            size=(height, width),
            mode=self.resample,
            align_corners=False if self.resample != "lanczos" else None,
            antialias=True,
        )[0]

    def patches(self, images: Sequence[Tensor], geometry: Geometry, device: torch.device | str = "cpu") -> Tensor:
        """uint8 [3, h, w] each to fp32 [len(images), 3, side, side] on `device`, normalised."""
        return self.normalised(images, geometry, device)
