"""Pictures for MiniCPM-V: the overview of a frame, scaled to a number of pixels and rounded to whole tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.contract import Geometry
from vtc_cli.models.preprocess import Preprocessor


@dataclass(frozen=True)
class Overview(Preprocessor):
    """One checkpoint's way from pictures to strips of patches.

    merge: patches per token side, in two steps. side: of a square of as many pixels as a frame is scaled to.
    """

    patch: int = 14
    temporal: int = 1
    merge: int = 4
    side: int = 448

    def configured(self, config: Mapping[str, Any], source: Path) -> Overview:
        """These settings, with those of a folder over them. Raises MachineError as `Preprocessor.read`."""
        plain = super().configured({key: config[key] for key in config if key not in ("size", "merge_size")}, source)
        if (mode := config.get("downsample_mode") or "16x") != "16x":
            raise MachineError(
                f"{source} asks for downsample_mode={mode!r}, which is not supported.",
                "Use the checkpoint as published, which merges 16 patches into a token.",
            )
        return replace(
            self,
            patch=plain.patch,
            side=int(config.get("scale_resolution") or self.side),
            scale=plain.scale,
            mean=plain.mean,
            std=plain.std,
            resample=plain.resample,
        )

    @property
    def default_pixels(self) -> int:
        """Pixels per frame when the user names none."""
        return self.side**2

    def geometry(self, size: tuple[int, int], pixels: int | None = None) -> Geometry:
        """About `pixels` pixels in the shape of pictures of `size` (width, height), each side whole tokens.

        Sides are rounded to the nearest whole token, as in training, so that the frame may be a little above the
        budget. Raises UsageError when the budget is below one token, or a picture has no pixels.
        """
        budget = self.default_pixels if pixels is None else pixels
        if budget < self.factor**2:
            raise UsageError(
                f"a budget of {budget:,} pixels per frame is below one token ({self.factor} x {self.factor}).",
                f"Give at least --pixels {self.factor**2}; this checkpoint's default is {self.default_pixels:,}.",
            )
        if min(size) < 1:
            raise UsageError(f"pictures of {size[0]} x {size[1]} pixels cannot be looked at.", "Check the video.")
        shape = size[0] / size[1]
        height = int(sqrt(budget) / sqrt(shape))
        rows, columns = (max(round(side / self.factor), 1) for side in (height, int(height * shape)))
        return Geometry(
            size=(rows * self.factor, columns * self.factor),
            grid=(rows, columns),
            patches=rows * columns * self.merge**2,
        )

    def patches(self, images: Sequence[Tensor], geometry: Geometry, device: torch.device | str = "cpu") -> Tensor:
        """fp32 [units, 3, patch, geometry.patches * patch]: the patches of a frame side by side, row by row of it.

        images: uint8 [3, h, w] each, a frame a unit.
        """
        resized = torch.stack([self.resize(image, geometry) for image in images]).to(device).float()
        unit = 1.0 / self.scale
        mean, std = (torch.tensor(values, device=device) * unit for values in (self.mean, self.std))
        normal = resized.sub_(mean[:, None, None]).div_(std[:, None, None])
        side, (height, width) = self.patch, geometry.size
        cut = normal.view(-1, 3, height // side, side, width // side, side)
        return cut.permute(0, 1, 3, 2, 4, 5).reshape(len(images), 3, side, -1)
