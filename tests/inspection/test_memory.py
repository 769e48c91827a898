"""A memory's timeline: what is drawn and told is what the memory holds, and nothing is watched for it again."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from tests.report.reading_html import Page
from tests.support.browser import chromium, opened, scriptable
from vtc_cli.memory.timeline import ClipSpan, ConceptSpans, EventSpan, Timeline
from vtc_cli.report.inspection.timeline import (
    MOST_ARCS,
    MOST_LANES,
    arcs_of,
    lanes_of,
    timeline_caption,
    timeline_on_page,
    timeline_on_paper,
)
from vtc_cli.report.page.canvas import ON_PAPER


@pytest.fixture
def clip(place: Path, footage: Path, monkeypatch) -> Path:
    monkeypatch.setenv("VTC_HOME", str(place / "home"))
    return Path(shutil.copy(footage / "clip.mp4", place / "clip.mp4"))


def told(folder: Path) -> dict:
    return json.loads((folder / "inspect.json").read_text(encoding="utf-8"))


def seen(events: int = 2, concepts: int = 1, **changes) -> Timeline:
    """Events of ten seconds, each a clip and showing again what the first showed; every concept mentioned once."""
    facts = {
        "end": 10.0 * events,
        "complete": True,
        "clips": tuple(ClipSpan(i + 1, 10.0 * i, 10.0 * i + 10, "ADD_NEW", i + 1, (10.0 * i,)) for i in range(events)),
        "events": tuple(
            EventSpan(i + 1, 10.0 * i, 10.0 * i + 10, "described", False, f"thing {i}", (i + 1,), (1,) if i else ())
            for i in range(events)
        ),
        "concepts": tuple(ConceptSpans(i + 1, "object", f"thing {i}", ((0.0, 5.0),)) for i in range(concepts)),
        "subtitles": (),
        "pictures": {},
    }
    return Timeline(**(facts | changes))


def test_the_timeline_is_the_memory_and_nothing_is_watched_again(vtc, clip, place, monkeypatch):
    assert vtc("index", clip).code == 0
    rows = json.loads(vtc("memory", "export", clip).out)
    from vtc_cli.jobs.run import Runner

    monkeypatch.setattr(Runner, "prepare", lambda *_: pytest.fail("a model was loaded"))
    monkeypatch.setattr(Runner, "watch", lambda *_: pytest.fail("watched again"))
    result = vtc("inspect", clip, "--memory", "-o", "seen")
    assert (result.code, result.out) == (0, "seen/index.html\n"), result.err
    assert "1 picture and inspect.json" in result.err
    found = told(place / "seen")
    assert (found["frames"], found["cache"]) == ([], None)
    assert found["methods"][0].startswith("memory mm-mem")
    assert "found" in found["facts"]["memory"]
    memory = found["memory"]
    assert memory["complete"]
    assert memory["end"] == rows["duration"]
    for kind, names in (("clips", ("id", "t0", "t1", "action")), ("events", ("id", "t0", "t1", "status"))):
        assert [[row[name] for name in names] for row in memory[kind]] == [
            [row[name] for name in names] for row in rows[kind]
        ]
    assert sorted(time for item in memory["clips"] for time in item["frames"]) == [row["pts"] for row in rows["frames"]]
    assert {item["event"] for item in memory["clips"]} == {row["event_id"] for row in rows["clips"]}
    page = Page((place / "seen" / "index.html").read_text(encoding="utf-8"))
    assert page.strays == []
    assert {"memory-timeline", *(f"event-{row['id']}" for row in rows["events"])} <= set(page.ids)
    assert "frames" not in page.ids
    assert sorted(found["files"]) == sorted(path.name for path in (place / "seen").iterdir())


def test_a_memory_that_is_not_there_is_made_and_stays(vtc, clip, place):
    result = vtc("inspect", clip, "-m", "mm-mem", "-o", "seen")
    assert result.code == 0, result.err
    assert "made now" in told(place / "seen")["facts"]["memory"]
    assert vtc("memory", "show", clip).code == 0


def test_other_methods_are_drawn_beside_it(vtc, clip, place):
    result = vtc("inspect", clip, "--memory", "-m", "hiprune:retain=1/2,alpha=0.5", "--at", "1", "-o", "seen")
    assert result.code == 0, result.err
    found = told(place / "seen")
    assert found["memory"]["events"]
    assert [frame["time"] for frame in found["frames"]] == [1.0]
    assert found["cache"]["kept"]
    assert [method.split()[:2] for method in found["methods"]][-1] == ["memory", "mm-mem"]
    assert {"memory", "cache"} <= set(found["facts"])


def test_a_method_that_looks_at_the_question_is_drawn_beside_it_too(vtc, clip, place):
    asking = ("inspect", clip, "--memory", "-m", "hiprune++:retain=1/2,beta=0.3", "--at", "1", "-o", "seen")
    result = vtc(*asking)
    assert result.code == 2
    assert "looks at the question" in result.err
    assert not (place / "home").exists()  # no memory was made for nothing
    result = vtc(*asking, "--question", "Which digit?")
    assert result.code == 0, result.err
    found = told(place / "seen")
    assert found["memory"]["complete"]
    assert "text" in found["frames"][0]["kinds"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--subs", "none.srt"), "--subs goes with a memory"),
        (("--memory", "--start", "1"), "a memory holds the whole video"),
        (("--memory", "--fps", "2"), "fps is 1.0 in the memory, 2.0 asked"),
    ],
)
def test_what_does_not_go_together_is_refused(vtc, clip, place, arguments, message):
    assert vtc("index", clip).code == 0
    result = vtc("inspect", clip, *arguments, "-o", "seen")
    assert result.code == 2
    assert message in result.err
    assert not (place / "seen").exists()


def test_most_mentioned_concepts_get_the_lanes_in_the_order_they_come():
    often = ConceptSpans(99, "person", "the one", ((1.0, 2.0), (3.0, 4.0)))
    silent = ConceptSpans(98, "person", "never seen", ())
    crowd = seen(concepts=MOST_LANES + 5)
    crowd = replace(crowd, concepts=(*crowd.concepts, silent, often))
    lanes = lanes_of(crowd)
    assert len(lanes) == MOST_LANES
    assert lanes[-1] is often
    assert [lane.id for lane in lanes[:3]] == [1, 2, 3]
    assert f"Of {MOST_LANES + 6} concepts the {MOST_LANES} mentioned most" in timeline_caption(crowd)
    assert "concepts" not in timeline_caption(seen())


def test_revisits_are_arrows_until_they_are_too_many():
    few, many = seen(events=3), seen(events=MOST_ARCS + 2)
    assert [(event.id, before.id) for event, before in arcs_of(few)] == [(2, 1), (3, 1)]
    assert "an arrow leads back" in timeline_caption(few)
    assert arcs_of(many) == []
    assert "too many to be drawn" in timeline_caption(many)


def test_an_unfinished_memory_says_so():
    assert "not complete: it reaches 00:00:20" in timeline_caption(seen(complete=False))
    assert "complete" not in timeline_caption(seen())


@pytest.mark.parametrize(
    "timeline",
    [
        seen(),
        seen(subtitles=((0.0, 2.0),), concepts=2),
        seen(events=0, concepts=0),
        replace(seen(), concepts=(ConceptSpans(1, "text", "a <b>very</b> long name & more", ((3.0, 3.0),)),)),
    ],
)
def test_every_memory_can_be_drawn_the_same_twice(timeline):
    svg = timeline_on_page("one", timeline)
    assert svg == timeline_on_page("one", timeline)
    assert "a10001" not in svg
    assert ">events<" in svg
    assert (">subtitles<" in svg) == bool(timeline.subtitles)
    assert "<b>" not in svg
    assert timeline_on_paper("one", timeline).startswith(b"\x89PNG")


def test_paper_has_the_colours_of_the_page():
    style = (resources.files("vtc_cli") / "report" / "page" / "style.css").read_text(encoding="utf-8")
    assert tuple(re.findall(r"--c\d: (#\w+)", style)[: len(ON_PAPER.colours)]) == ON_PAPER.colours


@pytest.mark.skipif(chromium() is None, reason="no Chromium here")
def test_in_a_browser_nothing_complains_and_every_event_has_its_picture(vtc, clip, place):
    assert vtc("inspect", clip, "--memory", "-o", "seen").code == 0
    page = scriptable(place / "seen" / "index.html")
    script = "document.body.dataset.whole = [...document.images].filter(image => image.naturalWidth).length"
    dom, console = opened(page, place / "profile", script)
    assert console == []
    assert f'data-whole="{len(told(place / "seen")["memory"]["events"])}"' in dom
