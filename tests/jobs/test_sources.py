"""From names to videos."""

from __future__ import annotations

import os
import random

import pytest

from vtc_cli.errors import UsageError
from vtc_cli.jobs.sources import expand, is_live, is_path, natural


def test_a_folder_brings_its_videos_in_natural_order(tmp_path):
    names = [f"clip{number}.mp4" for number in range(200)]
    for name in random.Random(1).sample(names, len(names)):
        (tmp_path / name).touch()
    for name in ("notes.txt", "clip3.srt", ".hidden.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "deep.mp4").touch()
    assert expand([str(tmp_path)]) == [str(tmp_path / name) for name in names]


def test_a_glob_looks_below_and_leaves_out_what_is_no_video(tmp_path):
    for name in ("a2.MKV", "a10.mp4", "sub/a1.webm", "a1.txt", "a3.strange"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert expand([f"{tmp_path}/*"]) == [str(tmp_path / "a2.MKV"), str(tmp_path / "a10.mp4")]
    assert str(tmp_path / "sub/a1.webm") in expand([f"{tmp_path}/**/*"])
    assert expand([f"{tmp_path}/*.strange"]) == [str(tmp_path / "a3.strange")]


def test_no_video_comes_twice_and_the_order_named_is_kept(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    b = str(tmp_path / "b.mp4")
    assert expand([b, str(tmp_path), f"{tmp_path}/./b.mp4"]) == [b, str(tmp_path / "a.mp4")]


def test_a_folder_of_images_is_one_video(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.png").touch()
    assert expand([str(tmp_path), f"{tmp_path}?fps=2"]) == [str(tmp_path), f"{tmp_path}?fps=2"]


def test_a_name_with_brackets_is_a_file_when_it_is_there(tmp_path):
    path = tmp_path / "talk [final].mp4"
    path.touch()
    assert expand([str(path)]) == [str(path)]


def test_what_is_not_a_path_stays_as_it_is(tmp_path):
    named = ["-", "camera:0", "https://host/v.mp4?token=a*b", "rtsp://cam/1"]
    assert expand(named) == named
    assert [is_path(name) for name in named] == [False] * 4
    assert [is_live(name) for name in named] == [False, True, False, True]


def test_a_missing_file_stays_for_the_reader_to_report():
    assert expand(["no/such.mp4"]) == ["no/such.mp4"]


@pytest.mark.parametrize("named", ["{}", "{}/*.mp4"])
def test_a_folder_or_glob_without_videos_is_refused(tmp_path, named):
    (tmp_path / "a.txt").touch()
    with pytest.raises(UsageError):
        expand([named.format(tmp_path)])


def test_natural_order_mixes_names_and_numbers():
    names = ["b1", "10", "a", "2", "a10", "a9", "B0"]
    assert sorted(names, key=natural) == ["2", "10", "a", "a9", "a10", "B0", "b1"]


def test_a_name_that_leads_nowhere_is_left_to_the_reader(tmp_path):
    """What opening it will tell must not stop the videos beside it here."""
    if hasattr(os, "symlink"):
        (tmp_path / "one").symlink_to(tmp_path / "two")
        (tmp_path / "two").symlink_to(tmp_path / "one")
    names = [str(tmp_path / "one"), "~nobody-of-this-name/a.mp4", "x" * 5000]
    assert expand(names) == names
