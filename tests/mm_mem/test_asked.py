"""What is asked of a memory that is there: subtitles and settings that it was made with, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import say  # noqa: F401
from vtc_cli.config.layers import effective, settings
from vtc_cli.jobs.settings import Settings

MADE = "mm-mem:captions=none,last=S0,both_orders=false"
CHOICES = ("-c", "A=red", "-c", "B=blue")
SRT = "1\n00:00:01,000 --> 00:00:02,000\n{}\n"


@pytest.fixture(autouse=True)
def at_home(home: Path) -> None:
    """No memory outside the test's folder."""


@pytest.fixture
def said(place) -> Path:
    path = place / "said.srt"
    path.write_text(SRT.format("the code is seven"))
    return path


@pytest.mark.parametrize("by", ["ask", "chat", "the file"])
def test_subtitles_are_those_of_the_memory(vtc, say, clip, place, said, by: str) -> None:  # noqa: F811
    path = vtc("index", clip, "-m", MADE, "--subs", said).out.strip()

    def asked(subs: str):
        if by == "ask":
            return vtc("ask", clip, "which code?", *CHOICES, "-m", MADE, "--subs", subs)
        return say("which code?\n", "chat", clip if by == "chat" else path, "-m", MADE, "--subs", subs)

    (place / "other.srt").write_text(SRT.format("the code is eight"))
    (place / "again.srt").write_text(said.read_text())
    refused = vtc("index", clip, "-m", MADE, "--subs", "other.srt").err
    difference = refused[refused.index("was made differently") :].splitlines()[0]
    assert "subtitles is" in difference
    for name, words in (("other.srt", difference), ("none.srt", "cannot read the subtitles none.srt")):
        result = asked(name)
        assert (result.code, result.out) == (2, "")
        assert words in result.err
    assert "--force" in asked("other.srt").err
    assert "no subtitle file" in asked(str(clip)).err
    result = asked("again.srt")
    assert (result.code, result.err) == (0, "")


def test_a_memory_made_without_subtitles_says_so(vtc, clip, said) -> None:
    assert vtc("index", clip, "-m", MADE).code == 0
    result = vtc("ask", clip, "which code?", *CHOICES, "-m", MADE, "--subs", said)
    assert (result.code, result.out) == (2, "")
    assert "subtitles is null in the memory" in result.err


@pytest.mark.parametrize(
    ("made", "asked", "words"),
    [
        (["--fps", "4"], ["--fps", "1"], "fps is 4.0 in the memory, 1.0 asked"),
        (["-m", f"{MADE},merge=0.5"], ["-m", "mm-mem:merge=0.8"], "merge is 0.5 in the memory, 0.8 asked"),
    ],
)
def test_what_was_given_is_asked_for_though_it_is_the_default(vtc, say, clip, made, asked, words) -> None:  # noqa: F811
    path = vtc("index", clip, "-m", MADE, *made[:2]).out.strip() if "--fps" in made else vtc("index", clip, *made).out
    for result in (
        vtc("index", clip, "-m", MADE, *asked) if "--fps" in asked else vtc("index", clip, *asked),
        vtc("ask", clip, "what?", *CHOICES, "--memory", *asked),
        say("what?\n", "chat", path.strip(), *asked),
    ):
        assert result.code == 2
        assert words in result.err
    assert vtc("ask", clip, "what?", *CHOICES, "-m", MADE).code == 0  # the rest is the memory's own affair


def test_a_settings_file_asks_too_and_a_record_does_not(vtc, clip, place) -> None:
    assert vtc("index", clip, "-m", MADE, "--fps", "4").code == 0
    (place / "record.json").write_text(vtc("ask", clip, "what?", *CHOICES, "-m", MADE, "--json").out)
    assert json.loads((place / "record.json").read_text())["settings"]["fps"] == 1.0
    assert vtc("ask", "--from", "record.json").code == 0
    (place / "vtc.toml").write_text("fps = 1\n")
    result = vtc("ask", clip, "what?", *CHOICES, "-m", MADE)
    assert result.code == 2
    assert "fps is 4.0 in the memory, 1.0 asked" in result.err


def test_settings_know_which_were_given(place) -> None:
    values = effective({"fps": 1.0, "seed": None}, {"VTC_CONFIG": str(place / "none"), "VTC_CHUNK": "2"}, place)
    found = settings(values)
    assert found.given == {"fps", "chunk"}
    assert found == Settings(fps=1.0, chunk=2)
    assert "given" not in found.as_dict()
