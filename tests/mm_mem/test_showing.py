"""What a memory shows of itself as of a moment: what was known then, and nothing of what came later."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import say  # noqa: F401
from tests.mm_mem.fakes import built, scenes, texture
from vtc_cli.errors import UsageError
from vtc_cli.memory import MemoryStore, SubtitleRow
from vtc_cli.memory.showing import LEVELS, as_markdown, facts_of, row_of


def spoken(store: MemoryStore) -> None:
    for number, t0 in enumerate((3.0, 30.0), 1):
        store.add(SubtitleRow(number, t0, t0 + 2, f"word {number}"))


@pytest.fixture
def store(tmp_path: Path):
    """Events [0, 25), [25, 50), [50, 75), each closed by the first clip of the next, 10 s long."""
    pictures = scenes((texture(1), 25), (texture(2), 25), (texture(3), 25))
    with built(tmp_path / "i", pictures, prepare=spoken) as store:
        store.finish()
        yield store


def test_an_event_that_went_on_has_no_words_yet(store: MemoryStore) -> None:
    written = row_of(store, "event:1")
    assert written["summary"]
    then = row_of(store, "event:1", 20.0)
    assert (then["t0"], then["t1"], then["status"], then["summary"]) == (0.0, 20.0, "open", None)
    assert then["clips"] == written["clips"][:2]
    assert then["mentions"] == then["revisits"] == []
    assert row_of(store, "event:1", 35.0) == written
    assert written["mentions"] != []


def test_rows_that_were_not_there_are_not_shown(store: MemoryStore) -> None:
    with pytest.raises(UsageError, match="there is no event 2 in this memory as of 00:00:20") as raised:
        row_of(store, "event:2", 20.0)
    assert raised.value.hint == "they go from 1 to 1"
    for name in ("mention:1", "concept:1", "subtitle:2", "clip:3", "event:3"):
        assert row_of(store, name)["id"] == int(name[-1])
        with pytest.raises(UsageError, match="as of 00:00:20"):
            row_of(store, name, 20.0)
    first = row_of(store, "concept:1", 35.0)
    assert first["mentions"] == [1]
    assert row_of(store, "clip:2", 20.0)["frames"] == row_of(store, "clip:2")["frames"]
    frames = facts_of(store, 20.0)["frames"]
    assert row_of(store, f"frame:{frames}", 20.0)["id"] == frames
    with pytest.raises(UsageError, match="no frame"):
        row_of(store, f"frame:{frames + 1}", 20.0)


def test_numbers_and_outline_are_of_the_moment(store: MemoryStore) -> None:
    then = facts_of(store, 20.0)
    assert (then["clips"], then["events"], then["mentions"], then["subtitles"]) == (2, 1, 0, 1)
    assert then["duration"] == 20.0
    assert "- **00:00:00 to 00:00:20** still going on (event:1)" in as_markdown(store, 20.0)
    assert "Who and what" not in as_markdown(store, 20.0)
    assert as_markdown(store, 35.0).count("(event:") == 2
    for at in (75.0, 1e6):
        assert as_markdown(store, at) == as_markdown(store)
        assert facts_of(store, at) == facts_of(store)
        assert all(
            row_of(store, f"{level}:1", at) == row_of(store, f"{level}:1") for level in LEVELS if level != "relation"
        )


def test_a_chat_shows_what_was_known(say, clip, place, home) -> None:  # noqa: F811
    (place / "film.srt").write_text(
        "1\n00:00:00,500 --> 00:00:01,000\nearly\n\n2\n00:00:03,000 --> 00:00:03,500\nlate\n"
    )
    lines = "/at 0:02\n/memory\n/memory event:1\n/memory subtitle:1\n/memory subtitle:2\n/at end\n/memory subtitle:2\n"
    result = say(lines, "chat", clip, "-m", "mm-mem:captions=none,last=S0")
    assert result.code == 3  # an event that had not begun, and words not yet said
    assert "as of      00:00:02" in result.err
    assert "duration   2.0" in result.err
    assert "there is no subtitle 2 in this memory as of 00:00:02\n  they go from 1 to 1" in result.err
    before, after = result.err.split("answering from the whole video")
    assert "early" in before
    assert "late" not in before
    assert "late" in after
