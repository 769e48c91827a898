"""Subtitles from files, from beside the video, and from inside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clips import write_clip
from vtc_cli.errors import UsageError
from vtc_cli.memory.subtitles import LOOKED_AT, Subtitle, find_subtitles, parse_subtitles, read_subtitles

SRT = """1
00:00:01,000 --> 00:00:02,500
Hello <i>there</i>
world

2
01:00:00,000 --> 01:00:01,000
Bye &amp; good night

3
00:00:09,000 --> 00:00:09,000
no length
"""
VTT = """WEBVTT - a title

NOTE nothing to see

intro
00:01.000 --> 00:02.500 align:start
<v Ann>Hello there

00:00:03.000 --> 00:00:04.000
- yes
"""


def test_srt() -> None:
    assert parse_subtitles(SRT) == [
        Subtitle(1.0, 2.5, "Hello there world"),
        Subtitle(3600.0, 3601.0, "Bye & good night"),
    ]


def test_vtt() -> None:
    assert parse_subtitles(VTT) == [Subtitle(1.0, 2.5, "Hello there"), Subtitle(3.0, 4.0, "- yes")]


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_codings_that_say_what_they_are(tmp_path: Path, coding: str) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(SRT.replace("Hello", "Grüße").replace("\n", "\r\n").encode(coding))
    assert read_subtitles(path)[0].text == "Grüße there world"


def test_other_codings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(SRT.replace("Hello", "Grüße").encode("latin1"))
    with pytest.raises(UsageError, match="not UTF-8") as raised:
        read_subtitles(path)
    assert "iconv" in str(raised.value.hint)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_video_is_no_subtitle_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no subtitle file") as raised:
        read_subtitles(write_clip(tmp_path / name, seconds=1))
    assert "iconv" not in str(raised.value.hint)
    assert "SRT and WebVTT" in str(raised.value.hint)


def test_a_stray_zero_and_a_letter_where_looking_ends_are_text(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    for more in range(3):
        path.write_bytes(SRT.encode() + b"\0" + b"x" * more + "ü".encode() * LOOKED_AT)
        assert read_subtitles(path)[0].text == "Hello there world"


def test_a_file_without_subtitles_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("once upon a time")
    with pytest.raises(UsageError, match="no subtitle"):
        read_subtitles(tmp_path / "a.srt")
    with pytest.raises(UsageError, match="cannot read"):
        read_subtitles(tmp_path / "none.srt")


def test_a_file_beside_the_video_is_found(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "clip.mp4", seconds=1)
    assert find_subtitles(str(video)) == ([], None)
    (tmp_path / "clip.en.vtt").write_text(VTT)
    (tmp_path / "clipper.srt").write_text(SRT)
    found, where = find_subtitles(str(video))
    assert (found[0].text, where) == ("Hello there", "clip.en.vtt")
    (tmp_path / "mine.srt").write_text(SRT)
    assert find_subtitles(str(video), str(tmp_path / "mine.srt"))[0][0].text == "Hello there world"


def test_a_track_inside_the_video_is_found(tmp_path: Path) -> None:
    import av
    import numpy as np

    path = tmp_path / "inside.mkv"
    (tmp_path / "words.srt").write_text(SRT)
    with av.open(str(tmp_path / "words.srt")) as source, av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=8)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        words = container.add_stream_from_template(source.streams.subtitles[0])
        for _ in range(8):
            picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode())
        for packet in source.demux():
            if packet.pts is not None:
                packet.stream = words
                container.mux(packet)
    found, where = find_subtitles(str(path))
    assert where == "a track of the video"
    assert found[0] == Subtitle(1.0, 2.5, "Hello there world")
