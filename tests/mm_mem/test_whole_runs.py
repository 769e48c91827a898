"""Whole runs over real files: awkward films, how often a frame is read, and the bundled model."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from tests.video.film import write_film
from vtc_cli.report.validation import problems


@pytest.mark.parametrize("kind", ["odd", "flat", "turned", "uneven", "one"])
def test_awkward_films(vtc, place, home, kind) -> None:
    made = {
        "odd": {"size": (33, 17), "pixels": "yuv444p"},
        "flat": {"size": (64, 2), "pixels": "yuv444p"},
        "turned": {"rotation": (90.0, False)},
        "uneven": {"numbers": range(6), "ticks": [0, 130, 1410, 2000, 2950, 5100], "tick": Fraction(1, 1000)},
        "one": {"numbers": range(1)},
    }
    options = {"numbers": range(60), **made[kind]}
    film = write_film(place / f"{kind}.mkv", **options)
    result = vtc("index", film, "-m", "mm-mem:captions=none", "--json")
    assert result.code == 0, result.err
    facts = json.loads(result.out)
    assert facts["events"] >= 1
    shown = json.loads(vtc("memory", "export", film).out)
    if kind == "uneven":
        assert {frame["pts"] for frame in shown["frames"]} <= {0.0, 1.41, 2.0, 2.95, 5.1}
        assert shown["frames"][-1]["pts"] in {1.41, 2.0, 2.95, 5.1}
    cover = sorted((row["t0"], row["t1"]) for row in shown["coverage"])
    assert sum(t1 - t0 for t0, t1 in cover) == pytest.approx(facts["duration"], abs=1e-3)
    assert vtc("ask", film, "what?", "--memory", "-c", "A=x", "-c", "B=y").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("index", "film.mp4"),
        ("index", "film.mp4", "--snapshot"),
        ("ask", "film.mp4", "what?", "-c", "A=x", "-c", "B=y"),
    ],
)
def test_a_frame_is_decoded_and_encoded_once(vtc, clip, monkeypatch, words) -> None:
    from vtc_cli.models.qwen import Qwen
    from vtc_cli.video.auto_reader import AutoClip

    encoded, decoded = [], []
    encode, frames = Qwen.encode, AutoClip.frames

    def counting(self, prepared, geometry, **options):
        encoded.extend(prepared.spans)
        return encode(self, prepared, geometry, **options)

    def reading(self, fps, start=0.0, end=None):
        for frame in frames(self, fps, start, end):
            decoded.append(frame.time)
            yield frame

    monkeypatch.setattr(Qwen, "encode", counting)
    monkeypatch.setattr(AutoClip, "frames", reading)
    result = vtc(*words, "-m", "mm-mem:captions=none,last=S0", "--fps", "4")
    assert result.code == 0, result.err
    assert decoded == [place / 4 for place in range(16)]
    assert sorted(encoded) == [(place / 2, place / 2 + 0.25) for place in range(8)]


def test_the_bundled_model_remembers_and_answers(vtc, clip) -> None:
    """Structure only: what it says is another test's affair."""
    result = vtc("ask", clip, "what happens?", "--memory", "--model", "tiny", "--json", "-m", "mm-mem:tokens=16")
    record = json.loads(result.out)
    assert result.code == 0, result.err
    assert problems(record) == []
    assert record["answer"]
    assert record["recall"]["stopped"] in ("confident", "bottom")
    facts = json.loads(vtc("memory", "show", clip, "--json").out)
    assert facts["complete"]
    assert facts["settings"]["model"].startswith("tiny@")
