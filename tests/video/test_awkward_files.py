"""Every awkward file: right pictures, at the right times, the right way up, streamed and looked up."""

from __future__ import annotations

import pytest
import torch

from tests.video.conftest import VARIABLE_TICKS
from tests.video.film import BLUE, HEIGHT, RED, WIDTH, number_of, write_film
from vtc_cli.video import open_clip

# film -> (number of the first picture, pictures in all, pictures per second)
CONSTANT = {
    "plain": (0, 90, 30),
    "fast_start": (0, 90, 30),
    "fragmented": (0, 90, 30),
    "late_start": (0, 90, 30),
    "cut_in": (30, 60, 30),
    "edit_list": (45, 45, 30),
    "matroska": (0, 90, 30),
    "raw": (0, 90, 30),
    "odd": (0, 90, 30),
    "ten_bit": (0, 90, 30),
    "vp9": (0, 40, 30),
    "av1": (0, 40, 30),
    "gif": (0, 20, 10),
    "avi": (0, 90, 30),
    "sound": (0, 90, 30),
    "one": (7, 1, 30),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_every_picture_comes_once_and_on_time(film, name):
    first, count, rate = CONSTANT[name]
    clip = open_clip(str(film(name)))
    seen = [(frame.time, number_of(frame.image)) for frame in clip.frames(fps=rate)]
    assert [number for _, number in seen] == list(range(first, first + count))
    assert [time for time, _ in seen] == pytest.approx([k / rate for k in range(count)], abs=0.0006)
    assert seen[0][0] == 0.0
    assert clip.damage is None


@pytest.mark.parametrize("name", CONSTANT)
def test_sampling_takes_the_first_picture_that_is_due(film, name):
    first, count, rate = CONSTANT[name]
    clip = open_clip(str(film(name)))
    due = [k / 4 for k in range(1000) if k / 4 <= (count - 1) / rate]
    expected = [first + min(n for n in range(count) if n / rate >= time - 1e-9) for time in due]
    assert [number_of(frame.image) for frame in clip.frames(fps=4)] == expected


@pytest.mark.parametrize("name", CONSTANT)
def test_moments_in_any_order(film, name):
    first, count, rate = CONSTANT[name]
    clip = open_clip(str(film(name)))
    length = count / rate
    middle = [(n + 0.5) / rate for n in (count - 1, 0, count // 2, count // 2, count // 3, count - 1, 1 % count, 5)]
    asked = [time for time in middle if time < length] + [0.0, -1.0, length + 60]
    expected = [min(max(int(time * rate + 1e-6), 0), count - 1) for time in asked]
    found = list(clip.at(asked))
    assert [number_of(frame.image) - first for frame in found] == expected
    assert [frame.time for frame in found] == pytest.approx([n / rate for n in expected], abs=0.0006)


@pytest.mark.parametrize("name", ["plain", "late_start", "edit_list", "matroska", "raw", "avi", "vp9"])
def test_a_part_of_the_film(film, name):
    first, count, _ = CONSTANT[name]
    clip = open_clip(str(film(name)))
    end = min(count / 30, 1.2)
    seen = [number_of(frame.image) for frame in clip.frames(fps=30, start=0.7, end=end)]
    assert seen == list(range(first + 21, first + round(end * 30)))


@pytest.mark.parametrize("name", CONSTANT)
def test_looking_up_a_streamed_time_gives_the_same_picture(film, name):
    clip = open_clip(str(film(name)))
    streamed = list(clip.frames(fps=3))
    for before, again in zip(streamed, clip.at([frame.time for frame in streamed]), strict=True):
        assert again.time == before.time
        assert torch.equal(again.image, before.image)


def test_variable_rate_times_are_the_containers(film):
    clip = open_clip(str(film("variable")))
    seen = [(frame.time, number_of(frame.image)) for frame in clip.frames(fps=60)]
    assert [number for _, number in seen] == list(range(40))
    assert [time for time, _ in seen] == pytest.approx([tick / 1000 for tick in VARIABLE_TICKS], abs=0.001)
    assert [number_of(frame.image) for frame in clip.at([0.98, 1.4, 1.6, 4.0])] == [29, 30, 31, 36]
    # one per second: the first at or after each second
    assert [number_of(frame.image) for frame in clip.frames(fps=1)] == [0, 31, 33, 35, 37, 39]


def test_a_raw_stream_says_that_its_times_are_assumed(film):
    clip = open_clip(str(film("raw")))
    assert clip.info.times == "assumed"
    assert clip.info.duration is None
    assert clip.info.fps == 30
    assert open_clip(str(film("plain"))).info.times == "container"


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_stored_sideways_comes_out_as_a_player_shows_it(film, degrees, mirrored):
    clip = open_clip(str(film(f"turned_{degrees}{'_mirrored' if mirrored else ''}")))
    frames = list(clip.frames(fps=30))
    assert len(frames) == 30
    assert clip.info.rotation == (degrees if mirrored else -degrees) % 360
    assert clip.info.size == ((HEIGHT, WIDTH) if degrees in (90, 270) else (WIDTH, HEIGHT))
    assert tuple(frames[0].image.shape[1:]) == clip.info.size[::-1]
    # Undo what the player was told to do (turn counterclockwise, then mirror): the number must be readable again.
    for number, frame in enumerate(frames):
        turned = frame.image.flip(2) if mirrored else frame.image
        stored = torch.rot90(turned, -degrees // 90, (1, 2)).contiguous()
        assert number_of(stored) == number


def test_colours_are_red_green_blue(film):
    frame = next(open_clip(str(film("plain"))).frames(fps=1))
    left, right = frame.image[:, 24:, 4:24], frame.image[:, 24:, 40:60]
    assert torch.allclose(left.float().mean((1, 2)), torch.tensor(RED).float(), atol=12)
    assert torch.allclose(right.float().mean((1, 2)), torch.tensor(BLUE).float(), atol=12)


def test_odd_sizes_keep_every_row_and_column(film):
    clip = open_clip(str(film("odd")))
    assert clip.info.size == (65, 49)
    assert next(clip.frames(fps=1)).image.shape == (3, 49, 65)


def test_tracks_are_counted(film):
    info = open_clip(str(film("sound"))).info
    assert (info.audio_tracks, info.subtitle_tracks) == (1, 0)
    assert info.duration == pytest.approx(3.0, abs=0.01)  # of the pictures; the sound is longer
    assert open_clip(str(film("plain"))).info.audio_tracks == 0


def test_recordings_joined_end_to_end_are_watched_to_the_end(film, tmp_path):
    """The clock of the second part starts again: it is carried on, and moments are found by it after watching."""
    first = film("late_start").read_bytes()
    second = write_film(tmp_path / "second.ts", range(200, 260), first_tick=45).read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(first + second)
    clip = open_clip(str(path))
    seen = [(frame.time, number_of(frame.image)) for frame in clip.frames(fps=30)]
    numbers = [number for _, number in seen]
    assert numbers == [*range(90), *range(200, 260)]
    assert [time for time, _ in seen] == pytest.approx([n / 30 for n in range(150)], abs=0.001)
    assert [number_of(frame.image) for frame in clip.at([4.01, 1.01, 3.51])] == [230, 30, 215]
