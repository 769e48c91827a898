"""Frames to vision patches, as the checkpoint's own preprocessor config says: resize, rescale, normalise, patchify.

Nothing here needs torchvision. Resizing runs on the uint8 picture on the CPU with antialiasing, which is what the
library's own processor does there, so the same frame gives the same patches on every device.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.contract import Geometry

# The reference implementation never gives a video frame fewer than this, however long the video is: on long videos,
# which are this tool's business, it is what every frame gets.
DEFAULT_TOKENS = 128
_LONGEST_ASPECT = 200
_RESAMPLE = {2: "bilinear", 3: "bicubic"}  # Pillow's codes, as the configs write them


@dataclass(frozen=True)
class Preprocessor:
    """One checkpoint's way from pictures to patches.

    patch, temporal, merge: pixels per patch side, frames per patch, patches per token side.
    least, most: pixels x frames of a whole video, as the family's config counts (`size`); with per_frame, of a frame.
    ceiling: most tokens for one frame's pixels (`max_video_tokens`). scale, mean, std: of the normalisation.
    """

    patch: int = 16
    temporal: int = 2
    merge: int = 2
    least: int = 128 * 32 * 32
    most: int = 768 * 32 * 32
    ceiling: int = 768
    per_frame: bool = False
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    resample: str = "bicubic"

    @staticmethod
    def read(folder: Path, defaults: Preprocessor | None = None) -> Preprocessor:
        """From a checkpoint folder. defaults: the family's, for what the config does not say.

        Raises MachineError when there is no preprocessor config or it asks for something this tool does not do."""
        source, config = _config(folder)
        return (defaults or Preprocessor()).configured(config, source)

    def configured(self, config: Mapping[str, Any], source: Path) -> Preprocessor:
        """These settings, with those of `config`, which stands in `source`, over them. Raises as `read`."""
        defaults, size = self, config.get("size") or {}
        resample = int(config.get("resample", 3))
        refused = [key for key in ("do_resize", "do_rescale", "do_normalize") if config.get(key) is False]
        if refused or resample not in _RESAMPLE:
            what = f"{refused[0]}=false" if refused else f"resample={resample}"
            raise MachineError(f"{source} asks for {what}, which is not supported.", "Use the checkpoint as published.")
        return Preprocessor(
            patch=int(config.get("patch_size", defaults.patch)),
            temporal=int(config.get("temporal_patch_size", defaults.temporal)),
            merge=int(config.get("merge_size", defaults.merge)),
            # The older names come first, as the library has them override the newer.
            least=int(config.get("min_pixels") or size.get("shortest_edge") or defaults.least),
            most=int(config.get("max_pixels") or size.get("longest_edge") or defaults.most),
            ceiling=int(config.get("max_video_tokens", defaults.ceiling)),
            per_frame=defaults.per_frame,
            scale=float(config.get("rescale_factor", defaults.scale)),
            mean=tuple(map(float, config.get("image_mean", defaults.mean))),
            std=tuple(map(float, config.get("image_std", defaults.std))),
            resample=_RESAMPLE[resample],
        )

    @property
    def factor(self) -> int:
        """Pixels per language-model token side."""
        return self.patch * self.merge

    @property
    def default_pixels(self) -> int:
        """Pixels per frame when the user names none: `DEFAULT_TOKENS`, or less where the checkpoint caps it."""
        return min(min(DEFAULT_TOKENS, self.ceiling) * self.factor**2, self._of_a_frame(self.most))

    def _of_a_frame(self, pixels: int) -> int:
        """What a limit comes to for each frame of a video of one unit."""
        return pixels if self.per_frame else pixels // self.temporal

    def geometry(self, size: tuple[int, int], pixels: int | None = None) -> Geometry:
        """The resolution every frame of a video gets. size: (width, height). pixels: budget per frame.

        The family's rule (sides rounded to whole tokens, aspect kept, scaled into a least and a most) counts pixels
        x frames of the whole video, so that its resolution depends on how many frames one call happens to hold. A
        stream has no such number. Here the budget is per frame, which gives the size the family's rule gives a video
        of N frames under `longest_edge = pixels * N`; the least is what it asks of a video of one unit,
        `shortest_edge / temporal`. The budget is a bound: where the rule would exceed it (a picture so long that one
        side is held at a single token), the long side is cut.

        Raises UsageError when the budget is below one token or the picture is longer than 200 times its width.
        """
        width, height = size
        budget = self.budget(pixels)
        if min(width, height) < 1 or max(width, height) / min(width, height) > _LONGEST_ASPECT:
            raise UsageError(
                f"pictures of {width} x {height} pixels are too long and thin (limit {_LONGEST_ASPECT}:1).",
                "Crop the video first.",
            )
        if not self.per_frame and min(height, width) < self.factor:  # only the rule for whole videos does this first
            scale = max(self.factor / height, self.factor / width)
            height, width = int(height * scale), int(width * scale)
        rows, columns = _fit(height, width, self.factor, min(self._of_a_frame(self.least), budget), budget)
        return self.of_tokens(rows, columns)

    def budget(self, pixels: int | None) -> int:
        """Pixels that a frame may have: `pixels`, or the checkpoint's default. Raises UsageError below one token."""
        token = self.factor**2
        budget = self.default_pixels if pixels is None else pixels
        if budget < token:
            raise UsageError(
                f"a budget of {budget:,} pixels per frame is below one token "
                f"({self.factor} x {self.factor} = {token:,} pixels).",
                f"Give at least --pixels {token}; this checkpoint's default is {self.default_pixels:,}.",
            )
        return budget

    def of_tokens(self, rows: int, columns: int) -> Geometry:
        """The resolution of so many tokens."""
        return Geometry(
            size=(rows * self.factor, columns * self.factor),
            grid=(rows, columns),
            patches=rows * columns * self.merge**2,
        )

    def resize(self, image: Tensor, geometry: Geometry) -> Tensor:
        """uint8 [3, h, w] to uint8 [3, *geometry.size], antialiased, on the CPU; one of that size comes back as it is.

        Raises ValueError when it is not a picture.
        """
        check_picture(image)
        image = image.cpu()
        if tuple(image.shape[-2:]) == geometry.size:
            return image
        # Pictures in interleaved memory, as decoders make them, take the fast kernel; the values are the same.
        size, mode = geometry.size, self.resample
        return F.interpolate(image[None], size=size, mode=mode, align_corners=False, antialias=True)[0]

    def patches(self, images: Sequence[Tensor], geometry: Geometry, device: torch.device | str = "cpu") -> Tensor:
        """Whole units of pictures to patches.

        images: uint8 [3, h, w] each, a multiple of `temporal` of them. Returns fp32 [units * geometry.patches,
        3 * temporal * patch * patch] on `device`, unit by unit, in merge-block order (the patches of one token are
        neighbours).
        """
        normal = self.normalised(images, geometry, device)
        rows, columns = geometry.grid
        side, merge = self.patch, self.merge
        blocks = normal.view(-1, self.temporal, 3, rows, merge, side, columns, merge, side)
        # unit, frame, colour, row, patch row, y, column, patch column, x
        blocks = blocks.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
        return blocks.reshape(-1, 3 * self.temporal * side * side)

    def normalised(self, images: Sequence[Tensor], geometry: Geometry, device: torch.device | str = "cpu") -> Tensor:
        """uint8 [3, h, w] each to fp32 [len(images), 3, *geometry.size] on `device`."""
        resized = torch.stack([self.resize(image, geometry) for image in images])
        # One fused step in fp32, with the constants folded as the library folds them.
        unit = 1.0 / self.scale
        mean = torch.tensor(self.mean, device=device) * unit
        std = torch.tensor(self.std, device=device) * unit
        return resized.to(device).float().sub_(mean[:, None, None]).div_(std[:, None, None])


def check_picture(image: Tensor) -> None:
    """Raise ValueError for what is not uint8 [3, h, w]."""
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"a frame is uint8 [3, h, w], not {image.dtype} {tuple(image.shape)}")


def check_size(size: tuple[int, int]) -> None:
    """Raise UsageError for pictures of `size` (width, height) that have no pixels."""
    if min(size) < 1:
        raise UsageError(f"pictures of {size[0]} x {size[1]} pixels cannot be looked at.", "Check the video.")


def _fit(height: int, width: int, factor: int, least: int, most: int) -> tuple[int, int]:
    """Rows and columns of tokens, with `least` and `most` pixels per frame."""
    rows, columns = round(height / factor), round(width / factor)
    if rows * columns * factor**2 < least:
        grow = sqrt(least / (height * width))
        rows, columns = ceil(height * grow / factor), ceil(width * grow / factor)
    tokens = most // factor**2
    if rows * columns > tokens:
        shrink = sqrt(height * width / most)
        rows, columns = max(1, floor(height / shrink / factor)), max(1, floor(width / shrink / factor))
        rows, columns = min(rows, tokens), min(columns, tokens)
    return rows, columns


def _config(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """The video preprocessor's settings, wherever this generation of the format keeps them."""
    places = (
        ("video_preprocessor_config.json", None),
        ("processor_config.json", "video_processor"),
        ("preprocessor_config.json", None),
        ("processor_config.json", "image_processor"),
    )
    for name, key in places:
        path = folder / name
        if not path.is_file():
            continue
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise MachineError(f"{path} cannot be read: {error}.", "Download the checkpoint again.") from error
        if not isinstance(config, dict):
            raise MachineError(f"{path} is not a JSON object.", "Download the checkpoint again.")
        if key is None:
            return path, config
        if isinstance(config.get(key), dict):
            return path, config[key]
    raise MachineError(
        f"{folder} holds no video_preprocessor_config.json, processor_config.json or preprocessor_config.json.",
        "Download the checkpoint again, with its JSON files.",
    )
