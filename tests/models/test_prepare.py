"""Pictures made small before they wait: bit for bit what they would have become anyway, whoever decoded them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import pytest
import torch

from tests.models.reference import frames_of
from tests.support.checkpoints import random_pixels
from tests.support.clips import write_clip
from vtc_cli.errors import MachineError
from vtc_cli.models.contract import Geometry
from vtc_cli.models.qwen3_vl import Qwen3VL
from vtc_cli.video import open_clip, prefetch
from vtc_cli.video.frame import Frame


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=1.0, size=(180, 100))


@pytest.fixture(scope="module")
def images(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip's pictures as a folder of PNG files."""
    folder = tmp_path_factory.mktemp("images")
    with av.open(str(clip)) as container:
        for number, picture in enumerate(container.decode(video=0)):
            picture.to_image().save(folder / f"{number:03}.png")
    return folder


def same(model: Qwen3VL, frames: list[Frame], small: list[Frame], geometry: Geometry) -> None:
    whole, shrunk = model.prepare(frames, geometry), model.prepare(small, geometry)
    assert whole.spans == shrunk.spans
    assert torch.equal(whole.patches, shrunk.patches)


@pytest.mark.parametrize("reader", ["pyav", "decord", "torchcodec", "frames"])
def test_shrinking_in_the_decoding_thread_changes_no_bit(model: Qwen3VL, clip: Path, images: Path, reader: str) -> None:
    try:
        opened = open_clip(f"{images}?fps=8" if reader == "frames" else str(clip), reader)
    except MachineError as error:
        pytest.skip(str(error))
    geometry = model.geometry(opened.info.size, 64 * 48)
    assert geometry.size[0] * 3 < opened.info.size[1] * 2  # there is something to shrink
    frames = list(islice(opened.frames(8), 7))
    with prefetch(opened.frames(8), 2, lambda frame: model.shrink(frame, geometry)) as ahead:
        small = list(islice(ahead, 7))
    opened.close()
    assert len(frames) == 7
    assert all(tuple(frame.image.shape[-2:]) == geometry.size for frame in small)
    same(model, frames, small, geometry)


@pytest.mark.parametrize("size", [(30, 20), (64, 48), (333, 77)])
def test_a_frame_is_shrunk_once(model: Qwen3VL, size: tuple[int, int]) -> None:
    """Also one that is smaller than what the model looks at, and in either order of memory."""
    geometry = model.geometry((64, 48), 64 * 48)
    frames = frames_of(random_pixels(3, size[1], size[0]))
    interleaved = [Frame(f.time, f.image.permute(1, 2, 0).contiguous().permute(2, 0, 1)) for f in frames]
    for kind in (frames, interleaved):
        small = [model.shrink(frame, geometry) for frame in kind]
        assert [frame.time for frame in small] == [frame.time for frame in frames]
        assert all(model.shrink(frame, geometry) is frame for frame in small)
        same(model, frames, small, geometry)


def test_an_odd_tail_repeats_its_frame_and_nothing_is_nothing(model: Qwen3VL) -> None:
    geometry = model.geometry((64, 48), 64 * 48)
    frames = frames_of(random_pixels(3, 48, 64))
    odd = model.prepare(frames, geometry)
    assert odd.spans == ((frames[0].time, frames[1].time), (frames[2].time, frames[2].time))
    assert odd.patches.shape == (2 * geometry.patches, model.info.tower.patch_inputs)
    assert torch.equal(odd.patches, model.prepare([*frames, frames[2]], geometry).patches)
    nothing = model.prepare([], geometry)
    assert len(nothing) == 0
    assert nothing.patches.shape == (0, model.info.tower.patch_inputs)
