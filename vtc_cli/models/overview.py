"""Pictures for MiniCPM-V: the overview of a frame, scaled to a number of pixels and rounded to whole tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vtc_cli.errors import MachineError
from vtc_cli.models.contract import Geometry
from vtc_cli.models.preprocess import Preprocessor, check_size


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
        budget = self.budget(pixels)
        check_size(size)
        shape = size[0] / size[1]
        height = int(sqrt(budget) / sqrt(shape))
        rows, columns = (max(round(side / self.factor), 1) for side in (height, int(height * shape)))
        return self.of_tokens(rows, columns)

    def patches(self, images: Sequence[Tensor], geometry: Geometry, device: torch.device | str = "cpu") -> Tensor:
        """fp32 [units, 3, patch, geometry.patches * patch]: the patches of a frame side by side, row by row of it.

        images: uint8 [3, h, w] each, a frame a unit.
        """
        normal = self.normalised(images, geometry, device)
        side, (height, width) = self.patch, geometry.size
        cut = normal.view(-1, 3, height // side, side, width // side, side)
        return cut.permute(0, 1, 3, 2, 4, 5).reshape(len(images), 3, side, -1)
