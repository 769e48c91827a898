"""Resize, normalise and patch order against the library's processors, and the geometry rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.reference import naive_patches
from tests.support.checkpoints import random_pixels
from tests.support.torchvision_shim import torchvision_or_skip
from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.preprocess import Preprocessor

SMALL = Preprocessor(patch=8, merge=2, least=4 * 256, most=768 * 256 * 16)
SIZES = [(90, 70), (64, 48), (33, 200), (320, 181), (48, 32)]  # (width, height): shrunk, kept, tall, odd, kept


def test_patch_order_and_values_equal_plain_loops() -> None:
    images = random_pixels(4, 48, 80)
    ours = SMALL.patches(list(images), SMALL.geometry((80, 48), 80 * 48))
    torch.testing.assert_close(ours, naive_patches(images, 8, 2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_patches_equal_the_librarys_video_processor(size: tuple[int, int]) -> None:
    torchvision_or_skip()
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    frames, budget = 4, 20 * 256
    processor = Qwen3VLVideoProcessor(
        patch_size=8, size={"shortest_edge": 4 * 256, "longest_edge": budget * frames}, do_sample_frames=False
    )
    images = random_pixels(frames, size[1], size[0])
    theirs = processor(videos=[images], return_tensors="pt", device="cpu")
    geometry = SMALL.geometry(size, budget)
    rows, columns = geometry.grid
    assert theirs["video_grid_thw"].tolist() == [[2, 2 * rows, 2 * columns]]
    assert torch.equal(SMALL.patches(list(images), geometry), theirs["pixel_values_videos"])


@pytest.mark.parametrize("size", SIZES)
def test_patches_agree_with_the_librarys_pillow_processor(size: tuple[int, int]) -> None:
    """Pillow rounds between its two passes in its own way: one of 255 grey levels apart, here and there two."""
    pytest.importorskip("PIL", reason="the second oracle needs Pillow")
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    budget = 20 * 256
    half = [0.5, 0.5, 0.5]
    processor = Qwen2VLImageProcessorPil(
        patch_size=8,
        size={"shortest_edge": 2 * 256, "longest_edge": budget},
        image_mean=half,
        image_std=half,
    )
    images = random_pixels(2, size[1], size[0], seed=3)
    singles = [processor(images=[image.numpy()], return_tensors="pt") for image in images]
    geometry = SMALL.geometry(size, budget)
    rows, columns = geometry.grid
    assert singles[0]["image_grid_thw"].tolist() == [[1, 2 * rows, 2 * columns]]
    # Each single picture fills both frames of its patches: take the first frame of one and the second of the other.
    split: list[Any] = [single["pixel_values"].unflatten(1, (3, 2, 64)) for single in singles]
    theirs = torch.stack([split[0][:, :, 0], split[1][:, :, 1]], dim=2).flatten(1)
    levels = ((SMALL.patches(list(images), geometry) - theirs) * 127.5).abs()
    assert levels.max() < 2.01
    assert levels.mean() < 0.35


@pytest.mark.parametrize("size", SIZES)
def test_memory_layout_of_a_frame_does_not_matter(size: tuple[int, int]) -> None:
    planar = random_pixels(2, size[1], size[0], seed=5)
    interleaved = planar.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    geometry = SMALL.geometry(size, 20 * 256)
    assert torch.equal(SMALL.patches(list(planar), geometry), SMALL.patches(list(interleaved), geometry))


@settings(deadline=None)  # no timed assertions: the machine may be busy
@given(width=st.integers(1, 2000), height=st.integers(1, 2000), tokens=st.floats(1, 300))
def test_geometry_stays_within_the_budget(width: int, height: int, tokens: float) -> None:
    budget = int(tokens * 256)
    if max(width, height) / min(width, height) > 200:
        with pytest.raises(UsageError, match="too long and thin"):
            SMALL.geometry((width, height), budget)
        return
    geometry = SMALL.geometry((width, height), budget)
    assert 1 <= geometry.tokens <= budget // 256
    assert geometry.size == (geometry.grid[0] * 16, geometry.grid[1] * 16)
    assert geometry.patches == 4 * geometry.tokens


def test_geometry_keeps_aspect_and_does_not_enlarge() -> None:
    assert SMALL.geometry((1280, 720), 144 * 256).grid == (9, 16)
    assert SMALL.geometry((160, 96), 10_000 * 256).grid == (6, 10)  # smaller than the budget: as it is
    assert SMALL.geometry((16, 16), 10_000 * 256).grid == (2, 2)  # below the least of one unit: enlarged to it


def test_default_pixels_come_from_the_checkpoint() -> None:
    published = Preprocessor(least=4096, most=25_165_824)
    assert published.default_pixels == 128 * 32 * 32
    assert published.geometry((1280, 720)).grid == (8, 15)
    assert Preprocessor(patch=8, ceiling=64, most=10**9).default_pixels == 64 * 256
    assert Preprocessor(patch=8, most=100 * 256).default_pixels == 50 * 256


def test_budget_below_one_token_is_refused_with_the_numbers() -> None:
    with pytest.raises(UsageError, match=r"255 pixels per frame is below one token \(16 x 16 = 256 pixels\)"):
        SMALL.geometry((64, 64), 255)


def test_frames_of_another_size_are_brought_to_the_videos_geometry() -> None:
    geometry = SMALL.geometry((80, 48), 80 * 48)
    first, second = random_pixels(1, 48, 80)[0], random_pixels(1, 96, 70)[0]
    assert SMALL.patches([first, second], geometry).shape == (geometry.patches, 3 * 2 * 64)
    with pytest.raises(ValueError, match="uint8"):
        SMALL.patches([first.float(), second], geometry)


def test_config_is_found_in_every_layout_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="video_preprocessor_config"):
        Preprocessor.read(tmp_path)
    own = {"patch_size": 4, "size": {"shortest_edge": 5, "longest_edge": 6}, "image_mean": [0.1, 0.2, 0.3]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"patch_size": 14}))
    assert Preprocessor.read(tmp_path).patch == 14
    (tmp_path / "processor_config.json").write_text(json.dumps({"video_processor": own}))
    read = Preprocessor.read(tmp_path)
    assert (read.patch, read.least, read.most, read.mean) == (4, 5, 6, (0.1, 0.2, 0.3))
    (tmp_path / "video_preprocessor_config.json").write_text(json.dumps(own | {"patch_size": 2, "resample": 2}))
    assert (Preprocessor.read(tmp_path).patch, Preprocessor.read(tmp_path).resample) == (2, "bilinear")


@pytest.mark.parametrize("wrong", [{"do_normalize": False}, {"resample": 0}])
def test_settings_it_does_not_do_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    (tmp_path / "video_preprocessor_config.json").write_text(json.dumps(wrong))
    with pytest.raises(MachineError, match="not supported"):
        Preprocessor.read(tmp_path)


def test_damaged_config_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "video_preprocessor_config.json").write_text("{")
    with pytest.raises(MachineError, match=r"video_preprocessor_config\.json cannot be read"):
        Preprocessor.read(tmp_path)
