"""The awkward files, made once per run."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tests.video.film import has_encoder, write_film

MEDIA = Path(__file__).resolve().parents[3] / "shared" / "media"

# 30 pictures a second for one second, then two a second.
VARIABLE_TICKS = [33 * n for n in range(30)] + [990 + 500 * n for n in range(10)]


def _edit_list(folder: Path) -> Path:
    """An MP4 whose edit list starts it at picture 45, in the middle of a group of pictures."""
    path = write_film(folder / "edit.mp4")
    data = bytearray(path.read_bytes())
    entry = data.find(b"elst") + 12  # after the type, version, flags and count
    assert entry > 12
    start = int.from_bytes(data[entry + 4 : entry + 8], "big")
    data[entry : entry + 4] = (1500).to_bytes(4, "big")  # milliseconds
    data[entry + 4 : entry + 8] = (start + 45 * 512).to_bytes(4, "big")  # ticks of 1/15360 s
    path.write_bytes(data)
    return path


def _half_fast_start(folder: Path) -> Path:
    path = write_film(folder / "half.mp4", range(300), container_options={"movflags": "+faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def _half_matroska(folder: Path) -> Path:
    path = write_film(folder / "half.mkv", range(300))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def _spots(folder: Path) -> Path:
    """Three damaged places in the pictures from number 90 on."""
    path = write_film(folder / "spots.mp4", range(300), container_options={"movflags": "+faststart"})
    data = bytearray(path.read_bytes())
    pictures = data.find(b"mdat")
    for share in (0.45, 0.55, 0.62):
        place = pictures + int((len(data) - pictures) * share)
        data[place : place + 48] = bytes(range(7, 55))
    path.write_bytes(data)
    return path


def _no_index(folder: Path) -> Path:
    path = write_film(folder / "unfinished.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"moov") - 4])
    return path


def _cut_in(folder: Path) -> Path:
    """A transport stream that starts between two keyframes, as recordings of broadcasts do."""
    path = write_film(folder / "cutin.ts")
    path.write_bytes(path.read_bytes()[188 * 8 :])
    return path


FILMS: dict[str, Callable[[Path], Path]] = {
    "plain": lambda folder: write_film(folder / "plain.mp4"),
    "long": lambda folder: write_film(folder / "long.mp4", range(300)),
    "fast_start": lambda folder: write_film(folder / "fast.mp4", container_options={"movflags": "+faststart"}),
    "fragmented": lambda folder: write_film(
        folder / "fragmented.mp4", container_options={"movflags": "frag_keyframe+empty_moov"}
    ),
    "variable": lambda folder: write_film(
        folder / "variable.mp4", range(40), ticks=VARIABLE_TICKS, tick=Fraction(1, 1000)
    ),
    "late_start": lambda folder: write_film(folder / "late.ts", first_tick=45),
    "cut_in": _cut_in,
    "edit_list": _edit_list,
    "matroska": lambda folder: write_film(folder / "plain.mkv"),
    "raw": lambda folder: write_film(folder / "raw.h264", format="h264"),
    "odd": lambda folder: write_film(folder / "odd.mp4", size=(65, 49), pixels="yuv444p"),
    "ten_bit": lambda folder: write_film(
        folder / "ten.mp4", codec="libx265", pixels="yuv420p10le", codec_options={"x265-params": "log-level=none"}
    ),
    "vp9": lambda folder: write_film(folder / "vp9.webm", range(40), codec="libvpx-vp9"),
    "av1": lambda folder: write_film(folder / "av1.mp4", range(40), codec="libsvtav1"),
    "gif": lambda folder: write_film(folder / "anim.gif", range(20), codec="gif", rate=10, pixels="rgb8"),
    "avi": lambda folder: write_film(folder / "old.avi", codec="mpeg4", codec_options={"bf": "2", "g": "12"}),
    "sound": lambda folder: write_film(folder / "sound.mp4", sound=8.0),
    "one": lambda folder: write_film(folder / "one.mp4", [7]),
    "half": _half_fast_start,
    "half_matroska": _half_matroska,
    "spots": _spots,
    "no_index": _no_index,
    **{
        f"turned_{degrees}{'_mirrored' if mirrored else ''}": (
            lambda folder, degrees=degrees, mirrored=mirrored: write_film(
                folder / f"turned{degrees}{mirrored}.mp4", range(30), rotation=(degrees, mirrored)
            )
        )
        for degrees in (0, 90, 180, 270)
        for mirrored in (False, True)
    },
}
NEEDS = {"ten_bit": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """film(name) -> path of one of `FILMS`, made on first use; skips where this PyAV has no such encoder."""
    folder, made = tmp_path_factory.mktemp("films"), {}

    def make(name: str) -> Path:
        if name in NEEDS and not has_encoder(NEEDS[name]):
            pytest.skip(f"this PyAV has no {NEEDS[name]} encoder")
        if name not in made:
            made[name] = FILMS[name](folder)
        return made[name]

    return make


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of real footage; skips where it is not there."""
    if not MEDIA.is_dir():
        pytest.skip(f"no real footage at {MEDIA}")
    return MEDIA
