"""Real footage: sideways phone clips and a Matroska file with sound."""

from __future__ import annotations

import pytest
import torch

from tests.video.test_readers import available
from vtc_cli.video import open_clip, probe


@pytest.mark.parametrize(
    ("name", "rotation", "size"), [("video_90.mov", 90, (320, 568)), ("video_180.mov", 180, (568, 320))]
)
def test_sideways(media, name, rotation, size):
    clip = open_clip(str(media / name))
    assert (clip.info.rotation, clip.info.size) == (rotation, size)
    frames = list(clip.frames(fps=30))
    assert [round(frame.time, 4) for frame in frames] == [0.0, 0.0333, 0.0667]
    assert all(tuple(frame.image.shape) == (3, size[1], size[0]) for frame in frames)


@pytest.mark.parametrize("name", ["video_90.mov", "video_180.mov"])
def test_sideways_as_torchcodec_shows_them(media, name):
    available("torchcodec")
    path = str(media / name)
    for mine, theirs in zip(open_clip(path, "pyav").frames(30), open_clip(path, "torchcodec").frames(30), strict=True):
        assert mine.image.shape == theirs.image.shape
        assert (mine.image.float() - theirs.image.float()).abs().mean() < 3


def test_a_pancake(media):
    path = str(media / "flipping_a_pancake.mkv")
    seen = probe(path)
    assert (seen.codec, seen.size, seen.audio) == ("h264", (426, 240), ("opus (eng)",))
    assert seen.duration == pytest.approx(10.4, abs=0.1)
    clip = open_clip(path)
    frames = list(clip.frames(fps=1))
    assert [round(frame.time) for frame in frames] == list(range(11))
    assert clip.damage is None
    for before, again in zip(frames, clip.at([frame.time for frame in frames]), strict=True):
        assert torch.equal(before.image, again.image)
    assert len(list(clip.frames(fps=30))) > 300
