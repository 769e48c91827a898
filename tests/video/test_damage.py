"""Damaged files: what was decoded is kept and the damage is told; nothing decodable is an error."""

from __future__ import annotations

import os

import av
import pytest

from tests.video.film import number_of, write_film, write_sound
from vtc_cli.errors import VideoError
from vtc_cli.video import open_clip


@pytest.mark.parametrize("name", ["half", "half_matroska"])
def test_a_film_cut_in_half_is_kept_and_told(film, name):
    clip = open_clip(str(film(name)))
    frames = list(clip.frames(fps=30))
    numbers = [number_of(frame.image) for frame in frames]
    assert 20 < len(numbers) < 200
    assert numbers == list(range(len(numbers)))
    assert clip.damage is not None
    assert clip.damage.time == frames[-1].time
    assert "cut off" in clip.damage.reason or "invalid" in clip.damage.reason


def test_a_film_cut_in_half_never_invents_moments(film):
    clip = open_clip(str(film("half")))
    last = list(clip.frames(fps=30))[-1]
    found = list(clip.at([0.5, 9.0, 9.5, 0.1, 9.9, 5.0, 6.0, 7.0, 8.0, 1.0]))
    assert [number_of(frame.image) for frame in found] == [
        number_of(last.image) if time > last.time else int(time * 30 + 1e-6)
        for time in (0.5, 9.0, 9.5, 0.1, 9.9, 5.0, 6.0, 7.0, 8.0, 1.0)
    ]


def test_stopping_before_the_cut_is_no_damage(film):
    clip = open_clip(str(film("half")))
    assert len(list(clip.frames(fps=10, end=0.5))) == 5
    assert clip.damage is None


def test_longer_sound_is_no_damage(film):
    clip = open_clip(str(film("sound")))
    assert len(list(clip.frames(fps=30))) == 90
    assert clip.damage is None


def test_damaged_spots_are_skipped_and_told(film):
    clip = open_clip(str(film("spots")))
    frames = list(clip.frames(fps=30))
    told = clip.damage
    assert told is not None
    assert "skipped" in told.reason
    before = [frame for frame in frames if frame.time <= told.time]
    assert [number_of(frame.image) for frame in before] == list(range(len(before)))
    assert len(before) >= 30
    assert 30 < len(frames) < 300
    # what comes after the last keyframe behind the damage is whole again
    tail = [frame for frame in frames if frame.time >= 9.0 - 1e-6]
    assert [number_of(frame.image) for frame in tail] == list(range(270, 300))


def test_damage_is_forgotten_when_watched_anew(film):
    clip = open_clip(str(film("half")))
    list(clip.frames(fps=1))
    assert clip.damage is not None
    next(clip.frames(fps=1))
    assert clip.damage is None


def test_without_its_index(film):
    with pytest.raises(VideoError, match="index \\(moov\\) is missing") as error:
        open_clip(str(film("no_index")))
    assert error.value.hint
    assert error.value.exit_code == 1


def test_sound_alone(tmp_path):
    with pytest.raises(VideoError, match="no picture track; 2 audio tracks"):
        open_clip(str(write_sound(tmp_path / "talk.m4a", tracks=2)))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.mp4", b"", "empty"),
        ("notes.txt", b"just a few words\n" * 50, "text"),
        ("notes.mp4", b"just a few words\n" * 50, "not a video"),
        ("noise.mp4", bytes(range(256)) * 40, "not a video"),
        ("talk.srt", b"1\n00:00:01,000 --> 00:00:02,000\nhello\n\n", "no picture track; 1 subtitle track"),
    ],
)
def test_no_video_in_it(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VideoError, match=words):
        open_clip(str(path))


def test_a_track_without_a_picture(tmp_path):
    whole = write_film(tmp_path / "whole.ts").read_bytes()
    path = tmp_path / "tables.ts"  # the stream's tables and the first packets, less than one picture
    path.write_bytes(whole[: 188 * 3])
    with pytest.raises(VideoError, match="no picture"):
        open_clip(str(path))


def test_missing_file_offers_near_names(tmp_path):
    write_film(tmp_path / "kitchen.mp4", range(3))
    with pytest.raises(VideoError, match="no such file") as error:
        open_clip(str(tmp_path / "kichen.mp4"))
    assert "kitchen.mp4" in error.value.hint
    with pytest.raises(VideoError) as error:
        open_clip(str(tmp_path / "nowhere" / "a.mp4"))
    assert "no folder" in error.value.hint


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may read everything")
def test_unreadable_file(tmp_path):
    path = write_film(tmp_path / "mine.mp4", range(3))
    path.chmod(0)
    with pytest.raises(VideoError, match="no permission"):
        open_clip(str(path))


def test_unreadable_file_as_anyone(tmp_path, monkeypatch):
    path = write_film(tmp_path / "mine.mp4", range(3))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(VideoError, match="no permission to read"):
        open_clip(str(path))


@pytest.mark.parametrize("name", ["half", "spots", "cut_in", "raw", "edit_list", "no_index"])
@pytest.mark.parametrize("reader", ["auto", "decord"])
def test_libraries_say_nothing_on_the_terminal(film, capfd, name, reader):
    path = str(film(name))
    capfd.readouterr()
    try:
        clip = open_clip(path, reader)
        list(clip.frames(fps=10))
        list(clip.at([k / 10 for k in range(10)]))
    except VideoError:
        pass
    written = capfd.readouterr()
    assert written.out == ""
    assert written.err == ""


@pytest.mark.parametrize("lost", [40, 47])
def test_nothing_built_on_a_packet_that_cannot_be_decoded_is_shown(tmp_path, lost):
    """Decoders go on after such a packet with pictures that look intact and are not."""
    whole = write_film(tmp_path / "whole.mkv", range(90), codec_options={"g": "30", "bf": "0", "crf": "20"})
    path = tmp_path / "hurt.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        track = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.dts is not None):
            kept = packet
            if number == lost:
                kept = av.Packet(b"\xff" * packet.size)
                kept.pts, kept.dts, kept.time_base, kept.duration = (
                    packet.pts,
                    packet.dts,
                    packet.time_base,
                    packet.duration,
                )
            kept.stream = track
            target.mux(kept)
    clip = open_clip(str(path))
    shown = {round(frame.time * 30): number_of(frame.image) for frame in clip.frames(fps=30)}
    assert all(place == number for place, number in shown.items())
    assert set(range(lost - 1)) | set(range(60, 90)) <= set(shown)
    assert not set(shown) & set(range(lost, 60))
    assert clip.damage is not None
