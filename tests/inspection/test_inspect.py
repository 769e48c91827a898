"""`vtc inspect`: what is written is what a session would tell, and what cannot be looked at is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.report.reading_html import Page
from tests.support.browser import chromium, opened, scriptable

HIPRUNE = ("-m", "hiprune:retain=1/2,alpha=0.5")


@pytest.fixture
def clip(place: Path, footage: Path) -> Path:
    return Path(shutil.copy(footage / "clip.mp4", place / "clip.mp4"))


def told(folder: Path) -> dict:
    return json.loads((folder / "inspect.json").read_text(encoding="utf-8"))


def test_everything_is_written_and_named(vtc, clip, place):
    result = vtc("inspect", clip, *HIPRUNE, "--at", "0,2.5", "-o", "seen")
    assert (result.code, result.out) == (0, "seen/index.html\n"), result.err
    found = told(place / "seen")
    assert sorted(found["files"]) == sorted(path.name for path in (place / "seen").iterdir())
    layers = [f"attention-{layer}" for layer in found["frames"][0]["attention"]]
    assert len(layers) == 2
    for stem in ("frame-01-00-00-00", "frame-02-00-00-02"):
        assert {f"{stem}-{name}.png" for name in ("kept", *layers)} <= set(found["files"])
    page = Page((place / "seen" / "index.html").read_text(encoding="utf-8"))
    assert page.strays == []
    assert len(page.ids) == len(set(page.ids))
    assert "anchor" in page.text
    assert [link for link in page.links if not link.startswith(("data:", "#"))] == []
    assert "://" not in (place / "seen" / "index.html").read_text(encoding="utf-8")


def test_kinds_and_cache_are_those_of_a_session(vtc, clip, checkpoint, place):
    from vtc_cli import Session, load_model, open_clip

    assert vtc("inspect", clip, *HIPRUNE, "--at", "1", "-o", "seen").code == 0
    found = told(place / "seen")
    units = []
    session = Session(load_model(str(checkpoint), device="cpu"), pruner=HIPRUNE[1])
    session.on_unit = units.append
    with_clip = open_clip(str(clip))
    session.watch(with_clip.frames(fps=1))
    with_clip.close()
    frame = found["frames"][0]
    kept = sorted(index for indices in frame["kinds"].values() for index in indices)
    assert kept == units[frame["unit"]].kept.indices.tolist()
    assert set(frame["kinds"]) == {"anchor", "buffer", "register"}
    for layer, scores in frame["attention"].items():
        assert np.allclose(scores, units[frame["unit"]].unit.scores[int(layer)], atol=1e-6)
    entries = np.asarray(found["cache"]["entries"])
    assert entries.mean(0).tolist() == [held.entries for held in session.held()]
    assert found["cache"]["kept"] == [len(unit.kept.indices) for unit in units]
    assert np.asarray(frame["held"])[:, kept].min() == 1


def test_a_cache_policy_leaves_a_part_and_it_is_drawn(vtc, clip, place):
    per_unit = sum(len(i) for i in _one(vtc, clip, place)["frames"][0]["kinds"].values())
    result = vtc("inspect", clip, "-m", "infinipot-v", "--budget", per_unit + 20, "--at", "0", "-o", "held")
    assert result.code == 0, result.err
    found = told(place / "held")
    assert found["cache"]["evicted"] > 0
    assert any(name.endswith("-held.png") for name in found["files"])
    entries = np.asarray(found["cache"]["entries"])
    assert (entries.sum(1) <= per_unit + 20).all()
    assert np.allclose(np.asarray(found["frames"][0]["held"]).sum(1), entries[:, 0], atol=1e-3)


def test_rows_that_leave_inside_the_decoder_are_gone_from_later_layers(vtc, clip, place):
    result = vtc("inspect", clip, "-m", "fastv:layer=1,retain=1/2", "--at", "0", "-o", "seen")
    assert result.code == 0, result.err
    held = np.asarray(told(place / "seen")["frames"][0]["held"]).sum(1)
    assert held[0] > held[-1] > 0


def test_without_times_frames_are_spread_over_what_is_watched(vtc, clip, place):
    found = _one(vtc, clip, place, "--start", "1")
    times = [frame["time"] for frame in found["frames"]]
    assert times == sorted(times)
    assert times[0] >= 1
    assert {frame["unit"] for frame in found["frames"]} == set(range(len(found["cache"]["kept"])))
    assert set(found["frames"][0]["kinds"]) == {"kept"}


def _one(vtc, clip: Path, place: Path, *arguments: str) -> dict:
    """What is told without any method."""
    result = vtc("inspect", clip, "-o", "plain", *arguments)
    assert result.code == 0, result.err
    return told(place / "plain")


def test_an_earlier_inspection_is_replaced_and_nothing_else(vtc, clip, place):
    assert vtc("inspect", clip, "--at", "0,1,2,3", "-o", "seen").code == 0
    before = set(told(place / "seen")["files"])
    assert vtc("inspect", clip, "--at", "0", "-o", "seen").code == 0
    assert {path.name for path in (place / "seen").iterdir()} == set(told(place / "seen")["files"])
    assert len(before) > len(told(place / "seen")["files"])
    (place / "mine").mkdir()
    (place / "mine" / "thesis.txt").write_text("years of work")
    result = vtc("inspect", clip, "-o", "mine")
    assert result.code == 2
    assert [path.name for path in (place / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-m", "hiprune++:retain=1/2"), "looks at the question"),
        (("--at", "1:00"), "is not watched"),
        (("--at", "0", "--start", "1"), "is not watched"),
        (("--at", "soon"), "is not a time"),
        (("--at", ",,"), "names no moment"),
        (("-o", "none/seen"), "is not there"),
        (("-o", "clip.mp4"), "is a file"),
        (("-m", "hiprun"), "there is no method"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_watching(vtc, clip, place, arguments, message):
    result = vtc("inspect", clip, *arguments)
    assert result.code == 2
    assert message in result.err
    assert sorted(path.name for path in place.iterdir()) == ["clip.mp4"]


def test_a_source_that_cannot_be_read_twice_is_refused(vtc, place):
    assert vtc("inspect", "-").code == 2
    assert "cannot be looked at again" in vtc("inspect", "-").err
    assert vtc("inspect", "no.mp4").code != 0


def test_a_question_is_taken_where_a_method_needs_one(vtc, clip, place):
    arguments = ("-m", "hiprune++:retain=1/2,beta=0.3", "--question", "Which digit?", "--at", "1", "-o", "seen")
    result = vtc("inspect", clip, *arguments)
    assert result.code == 0, result.err
    assert "text" in told(place / "seen")["frames"][0]["kinds"]


def test_without_the_libraries_the_extra_is_named_before_watching(vtc, clip, monkeypatch):
    import sys

    from vtc_cli.jobs.run import Runner

    monkeypatch.setattr(Runner, "watch", lambda *_: pytest.fail("watched for nothing"))
    for module in ("matplotlib", "jinja2", "PIL"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, module, None)
            result = vtc("inspect", clip, "--at", "0")
        assert result.code == 4
        assert "pip install 'vtc-cli[report]'" in result.err


@pytest.mark.skipif(chromium() is None, reason="no Chromium here")
def test_in_a_browser_nothing_complains_and_every_picture_is_there(vtc, clip, place):
    assert vtc("inspect", clip, *HIPRUNE, "--at", "0,2", "-o", "seen").code == 0
    page = scriptable(place / "seen" / "index.html")
    script = "document.body.dataset.broken = [...document.images].filter(image => !image.naturalWidth).length"
    dom, console = opened(page, place / "profile", script)
    assert console == []
    assert 'data-broken="0"' in dom
    assert dom.count("<img") == 6
