"""`probe`: what the readers see, without a model."""

from __future__ import annotations

import json

import pytest

from tests.video.test_sources import write_images
from vtc_cli.errors import VideoError
from vtc_cli.video import open_clip, probe


def test_a_plain_file(film):
    seen = probe(str(film("sound")))
    assert seen.container.startswith("mov,mp4")
    assert (seen.codec, seen.size, seen.rotation, seen.mirrored) == ("h264", (64, 48), 0, False)
    assert seen.declared_fps == 30
    assert seen.declared_frames == 90
    assert seen.variable_rate is False
    assert seen.duration == pytest.approx(3.0)
    assert seen.audio == ("aac",)
    assert seen.subtitles == ()
    assert seen.digest.startswith("blake2b:")
    assert seen.frames_reader.startswith("pyav ")
    assert seen.at_reason
    assert json.loads(json.dumps(seen.as_dict()))["codec"] == "h264"


def test_start_offset_and_variable_rate(film):
    late = probe(str(film("late_start")))
    assert late.start_offset == pytest.approx(1.5)
    assert late.variable_rate is None
    assert probe(str(film("variable"))).variable_rate is True
    assert probe(str(film("matroska"))).variable_rate is None


def test_orientation(film):
    seen = probe(str(film("turned_90_mirrored")))
    assert (seen.rotation, seen.mirrored, seen.size) == (90, True, (48, 64))


def test_assumed_times(film):
    seen = probe(str(film("raw")))
    assert (seen.times, seen.duration) == ("assumed", None)


def test_forced_reader(film):
    seen = probe(str(film("plain")), "pyav")
    assert seen.at_reader == seen.frames_reader


def test_images(tmp_path):
    seen = probe(str(write_images(tmp_path / "shots", [1, 2, 3])))
    assert (seen.container, seen.codec, seen.declared_frames, seen.times) == ("images", "png", 3, "assumed")


def test_probing_leaves_an_open_clip_alone(film):
    from vtc_cli.video.probing import probe_clip

    clip = open_clip(str(film("plain")))
    probe_clip(clip)
    assert len(list(clip.frames(1))) == 3


def test_a_closed_clip_is_closed(film):
    clip = open_clip(str(film("plain")))
    clip.close()
    clip.close()
    with pytest.raises(VideoError, match="closed"):
        clip.frames(1)


def test_errors_are_those_of_opening(tmp_path):
    with pytest.raises(VideoError, match="no such file"):
        probe(str(tmp_path / "none.mp4"))
