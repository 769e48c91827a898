"""Pictures for Nemotron Omni: frames of any shape near a number of patches, pairs of them stacked as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vtc_cli.errors import MachineError
from vtc_cli.models.contract import Geometry
from vtc_cli.models.preprocess import Preprocessor, check_picture, check_size


@dataclass(frozen=True)
class Tubelets(Preprocessor):
    """One checkpoint's way from pictures to stacks of frames.

    target: patches of a frame, which its shape is fitted to. keep_shape: else every frame becomes a square.
    """

    target: int = 1024
    keep_shape: bool = True
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)

    def configured(self, config: Mapping[str, Any], source: Path) -> Tubelets:
        """These settings, with those of a folder over them. Raises MachineError as `Preprocessor.read`."""
        merge = round(1 / float(config.get("downsample_ratio") or 1 / self.merge))
        if merge < 1:
            raise MachineError(f"{source} asks for downsample_ratio above 1.", "Use the checkpoint as published.")
        return replace(
            self,
            patch=int(config.get("patch_size") or self.patch),
            merge=merge,
            target=int(config.get("video_target_num_patches") or self.target),
            keep_shape=config.get("video_maintain_aspect_ratio") is not False,
            mean=tuple(map(float, config.get("norm_mean") or self.mean)),
            std=tuple(map(float, config.get("norm_std") or self.std)),
        )

    @property
    def default_pixels(self) -> int:
        """Pixels per frame when the user names none."""
        return self.target * self.patch**2

    def geometry(self, size: tuple[int, int], pixels: int | None = None) -> Geometry:
        """About `pixels` pixels in the shape of pictures of `size` (width, height), each side whole tokens.

        Raises UsageError when the budget is below one token, or a picture has no pixels.
        """
        budget = self.budget(pixels)
        check_size(size)
        target = budget // self.patch**2
        shape = size[0] / size[1] if self.keep_shape else 1.0
        high, wide = (max(round(sqrt(target * ratio)), 1) for ratio in (1 / shape, shape))
        if not self.keep_shape:
            high = wide = int(sqrt(target))
        # Up to whole tokens where both sides together stay within the target, else down.
        up = [-(-side // self.merge) for side in (high, wide)]
        down = [max(1, side // self.merge) for side in (high, wide)]
        rows, columns = up if self.keep_shape and up[0] * up[1] * self.merge**2 <= target else down
        return self.of_tokens(rows, columns)

    def resize(self, image: Tensor, geometry: Geometry) -> Tensor:
        """uint8 [3, h, w] to uint8 [3, *geometry.size], computed in fp32 and rounded once."""
        check_picture(image)
        image = image.cpu()
        if tuple(image.shape[-2:]) == geometry.size:
            return image
        wide = F.interpolate(
            image[None].float(), size=geometry.size, mode=self.resample, align_corners=False, antialias=True
        )[0]
        return wide.round_().clamp_(0, 255).to(torch.uint8)

    def patches(self, images: Sequence[Tensor], geometry: Geometry, device: torch.device | str = "cpu") -> Tensor:
        """fp32 [units, temporal * 3, height, width]: the frames of a unit one after the other.

        images: uint8 [3, h, w] each, whole units.
        """
        resized = torch.stack([self.resize(image, geometry) for image in images]).to(device).float()
        mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (self.mean, self.std))
        normal = (resized / 255.0 - mean) / std
        return normal.view(-1, self.temporal * 3, *geometry.size)
