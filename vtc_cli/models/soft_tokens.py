"""Pictures for the tower of Gemma 4: any shape, as large as a number of tokens allows, in patches row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor, sqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vtc_cli.errors import MachineError
from vtc_cli.models.contract import Geometry
from vtc_cli.models.preprocess import Preprocessor, check_size


@dataclass(frozen=True)
class SoftTokens(Preprocessor):
    """One checkpoint's way from pictures to patches.

    merge: patches per token side, which the tower averages. tokens: most of a frame. temporal is 1.
    normalise: whether mean and std are applied; published configurations leave that to the model.
    """

    temporal: int = 1
    merge: int = 3
    tokens: int = 70
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    normalise: bool = True

    def configured(self, config: Mapping[str, Any], source: Path) -> SoftTokens:
        """These settings, with those of a folder over them. Raises MachineError as `Preprocessor.read`."""
        refused = [key for key in ("do_resize", "do_rescale") if config.get(key) is False]
        code = config.get("resample")
        if refused or code not in (None, 3):
            what = f"{refused[0]}=false" if refused else f"resample={code}"
            raise MachineError(f"{source} asks for {what}, which is not supported.", "Use the checkpoint as published.")
        # A folder may hold the settings for pictures only; a frame of a video has tokens of its own.
        for_videos = "image_processor_type" not in config
        return replace(
            self,
            patch=int(config.get("patch_size") or self.patch),
            merge=int(config.get("pooling_kernel_size") or self.merge),
            tokens=int(config.get("max_soft_tokens") or self.tokens) if for_videos else self.tokens,
            scale=float(config.get("rescale_factor") or self.scale),
            mean=tuple(map(float, config.get("image_mean") or self.mean)),
            std=tuple(map(float, config.get("image_std") or self.std)),
            normalise=config.get("do_normalize") is not False,
        )

    @property
    def default_pixels(self) -> int:
        """Pixels per frame when the user names none."""
        return self.tokens * self.factor**2

    def geometry(self, size: tuple[int, int], pixels: int | None = None) -> Geometry:
        """The largest grid of whole tokens within `pixels` that keeps the shape of pictures of `size` (width, height).

        Small pictures are enlarged, as in training. Raises UsageError when not one token fits, or the picture is so
        long that both sides round to nothing.
        """
        width, height = size
        most = self.budget(pixels) // self.factor**2
        check_size(size)
        grow = sqrt(most * self.factor**2 / (height * width))
        rows, columns = floor(grow * height / self.factor), floor(grow * width / self.factor)
        if not rows and not columns:
            rows = columns = 1
        elif not rows:
            rows, columns = 1, min(width // height, most)
        elif not columns:
            rows, columns = min(height // width, most), 1
        return self.of_tokens(rows, columns)

    def patches(self, images: Sequence[Tensor], geometry: Geometry, device: torch.device | str = "cpu") -> Tensor:
        """fp32 [units, geometry.patches, patch * patch * 3]: patches row by row, in each its pixels row by row.

        images: uint8 [3, h, w] each, a frame a unit.
        """
        if self.normalise:
            values = self.normalised(images, geometry, device)
        else:
            values = torch.stack([self.resize(image, geometry) for image in images]).to(device).float() * self.scale
        side, (height, width) = self.patch, geometry.size
        cut = values.view(-1, 3, height // side, side, width // side, side)
        return cut.permute(0, 2, 4, 3, 5, 1).reshape(len(images), geometry.patches, -1)
