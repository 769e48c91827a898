"""The end of a video as a moment: of a complete memory it is the whole, of one that is being made it hides the rest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import say  # noqa: F401
from tests.mm_mem.asking import Film, Seer, ask
from tests.mm_mem.fakes import built, scenes, texture
from tests.mm_mem.test_finding import Recorded
from vtc_cli.memory import MemoryStore, MemoryView, search
from vtc_cli.memory.searching import known
from vtc_cli.memory.store import BUILDING

MADE = "mm-mem:captions=none,both_orders=false"
QUESTIONS = (
    ("where is sign2?", {"A": "sign1", "B": "sign2"}),
    ("when is sign2 shown last?", None),
    ("what is at the end?", None),
)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return list(scenes((texture(0), 14), (texture(1), 14), (texture(2), 14)))


@pytest.fixture
def store(tmp_path: Path, pictures):
    """42 seconds, three events, of which nothing has said yet that they are all."""
    with built(tmp_path / "i", pictures, narration=Seer([0, 1, 2])) as store:
        with store.transaction():
            store.set("state", BUILDING)
        yield store


def asked(store: MemoryStore, pictures, at: float | None) -> tuple[list, list, list]:
    """Every prompt, every picture, and the answers with what they rest on."""
    narration, answers = Recorded(Seer([0, 1, 2])), []
    for question, choices in QUESTIONS:
        found = ask(store, Film(pictures), narration, question, choices, at=at, gate=0.0)
        answers.append((found.answer, found.intervals))
    return narration.asked, narration.shown, answers


def hits(store: MemoryStore, at: float | None) -> list[tuple]:
    return [(hit.passage.id, hit.score, hit.words) for hit in search(store, "sign2", at=at)]


@pytest.mark.parametrize("at", [42.0, 42.5, 1e6])
def test_at_the_end_of_a_complete_memory_all_is_known(store: MemoryStore, pictures, at: float) -> None:
    assert store.reaches == 42.0
    assert MemoryView(store, at).events()[-1].status == "open"
    assert asked(store, pictures, at) != asked(store, pictures, None)
    assert hits(store, at) == []
    store.finish()
    assert MemoryView(store, at).events()[-1].status == "described"
    assert asked(store, pictures, at) == asked(store, pictures, None)
    assert hits(store, at) == hits(store, None) != []
    assert len(known(store, at)) == len(known(store))


@pytest.mark.parametrize("at", [0.0, 20.0, 41.0, 41.99])
def test_before_it_what_closed_the_last_event_is_hidden(store: MemoryStore, pictures, at: float) -> None:
    before = asked(store, pictures, at)
    store.finish()
    assert asked(store, pictures, at) == before
    assert MemoryView(store, at).at == at
    assert hits(store, at) == []


def test_a_chat_at_the_end_knows_what_it_knows_of_the_whole(vtc, say, clip, home) -> None:  # noqa: F811
    watch = ("-m", "infinipot-v", "--fps", "4", "--budget", "96")
    assert vtc("index", clip, "-m", MADE, *watch, "--snapshot").code == 0

    def traces(*words: str, lines: str) -> list:
        result = say(lines, "chat", clip, "--jsonl", "-m", f"{MADE},last=S0", *words)
        assert result.code == 0, result.err
        return [json.loads(line)["recall"]["trace"] for line in result.out.splitlines()]

    whole, inside, end = traces(lines="what?\n/at 0:01\nwhat?\n/at 0:04\nwhat?\n")
    assert whole[0]["note"].startswith("from the snapshot")
    assert inside[0]["note"] == "from key frames"
    assert end == whole
    assert traces("--at", "99", lines="what?\n") == [whole]
    # A moment that the chat began with can be undone as well.
    assert traces("--at", "1", lines="what?\n/at end\nwhat?\n") == [inside, whole]


def test_ask_at_the_end_is_ask(vtc, clip, home) -> None:
    assert vtc("index", clip, "-m", MADE).code == 0
    words = ("ask", clip, "which colour?", "-c", "A=red", "-c", "B=blue", "-m", f"{MADE},gate=0", "--json")
    whole, end = (json.loads(vtc(*words, *more).out) for more in ((), ("--at", "4")))
    assert end["recall"]["at"] == 4.0
    assert end["recall"]["trace"] == whole["recall"]["trace"]
    assert end["answer"] == whole["answer"]
