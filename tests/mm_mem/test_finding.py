"""Whether what is asked about is found, when it was, and that what was not shown is not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from vtc_mm_mem.builder import Builder
from vtc_mm_mem.events import Closing
from vtc_mm_mem.manager import Manager

from tests.mm_mem.asking import Film, Seer, ask, unsure
from tests.mm_mem.fakes import Narration, built, moments, scenes, texture
from vtc_cli.memory import MemoryStore, MentionRow, Narrator, Passage, SubtitleRow

COUNT = 20


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Twenty scenes, the third again at the end; a sign for three seconds within the tenth."""
    parts = [(texture(place), 12) for place in range(COUNT)]
    parts[10] = (texture(10), 5)
    parts[11:11] = [(texture(50), 3), (texture(10), 4)]
    return list(scenes(*parts, (texture(3), 12)))


@pytest.fixture(scope="module")
def store(tmp_path_factory, pictures):
    with built(tmp_path_factory.mktemp("finding") / "i", pictures, narration=Seer([*range(COUNT), 50])) as store:
        yield store


@pytest.fixture
def film(pictures) -> Film:
    return Film(pictures)


@pytest.fixture
def seer() -> Seer:
    return Seer([*range(COUNT), 50])


def covers(found, time: float) -> bool:
    return any(item.t0 <= time < item.t1 for item in found.intervals)


def test_every_scene_is_among_the_candidates(store, film) -> None:
    """What looking at every clip would find best is among what is looked at closely."""
    hits = 0
    for number in range(COUNT):
        narration = Seer([*range(COUNT), 50])
        found = ask(store, film, narration, f"where is sign{number}?", {"A": "x", "B": "y"}, gate=0.0)
        time = 12.0 * number + 1
        hits += any(item.t0 <= time < item.t1 for step in found.trace[2:] for item in step.intervals)
    assert hits >= 0.9 * COUNT


def test_three_seconds_are_found(store, film, seer) -> None:
    found = ask(store, film, seer, "which sign is shown, sign50 or another?", {"A": "sign77", "B": "sign50"}, gate=0.3)
    assert found.label == "B"
    assert found.supported
    assert covers(found, 126.0)


def test_when(store, film, seer) -> None:
    found = ask(store, film, seer, "when is sign7 shown?", gate=0.0)
    assert any(text == "at 01:24" for text in found.trace[0].answers.values())
    mentions = {row.name: (row.t0, row.t1) for row in store.rows(MentionRow)}
    assert mentions["sign7"][0] <= 84.0 < mentions["sign7"][1]


@pytest.mark.parametrize("question", ["when does the elephant appear?", "at what time is sign99 shown?"])
def test_when_of_what_was_never_shown_is_no_time(store, film, seer, question: str) -> None:
    found = ask(store, film, seer, question)
    assert (found.answer, found.supported, found.intervals) == ("not shown in the video", False, ())
    offered = {text for step in found.trace for text in step.answers.values()}
    assert not any(text.startswith("at ") for text in offered)


def test_a_time_found_by_a_single_word_needs_a_look_that_shows_it(store, film) -> None:
    """`green sign7` is nowhere; what the word finds is proposed, and the look says that it is not that."""
    doubting = Seer([*range(COUNT), 50])
    plain = doubting.weigh

    def weigh(prompt, choices, frames):
        if "Proposed answer: at " in prompt:
            return {"yes": -5.0, "no": -0.01}
        if any(text.startswith("at ") for text in choices.values()):
            return {label: -0.01 if text.startswith("at ") else -5.0 for label, text in choices.items()}
        return plain(prompt, choices, frames)

    doubting.weigh = weigh
    found = ask(store, film, doubting, "when is the green sign7 shown?")
    assert any(text.startswith("at ") for text in found.trace[0].answers.values())
    assert (found.answer, found.supported, found.intervals) == ("not shown in the video", False, ())


@pytest.mark.parametrize(("word", "text"), [("first", "at 00:36"), ("last", "at 04:00")])
def test_first_and_last(store, film, seer, word: str, text: str) -> None:
    found = ask(store, film, seer, f"when is sign3 shown for the {word} time?", last="S0")
    assert next(iter(found.trace[0].answers.values())) == text


def test_a_time_in_the_question_says_where_to_look(tmp_path: Path) -> None:
    pictures = list(scenes((texture(1), 300), (texture(2), 1), (texture(1), 299)))
    narration = Seer([1, 2])
    with built(tmp_path / "i", pictures, narration=narration) as store:
        found = ask(
            store, Film(pictures), narration, "what is shown around minute 5?", {"A": "sign2", "B": "sign9"}, gate=0.0
        )
        assert covers(found, 300.0)
        assert found.label == "A"


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("which sign is shown after sign7?", 84.0, None),
        ("what is on the wall before sign7?", None, 96.0),
        ("what is last seen after sign3?", 240.0, None),  # it is shown twice
        ("which sign is shown after sign99?", None, None),
        ("which was shown before sign7, sign3 or sign9?", None, None),
        ("is sign3 shown after sign7?", None, None),
    ],
)
def test_what_was_shown_is_a_time_too(store, film, seer, question: str, start: float | None, end: float | None) -> None:
    found = ask(store, film, seer, question, {"A": "sign98", "B": "sign99"}, gate=0.0)
    shown = [time for step in found.trace for time in step.frames]
    assert start is None or min(shown) >= start
    assert end is None or max(shown) < end
    if start is None and end is None:
        assert min(shown) < 84.0
        assert max(shown) > 96.0


@pytest.mark.parametrize("text", [2048, 0.1])
def test_notes_that_were_read_are_evidence_too(store, film, seer, monkeypatch, text: float) -> None:
    """Of two moments one is looked at; the other is known from a note, where there was room for notes."""
    from vtc_mm_mem import gathering, ladder

    monkeypatch.setattr(gathering, "CLIPS", 1)
    monkeypatch.setattr(ladder, "CLOSE_EVENTS", 1)
    question = "is sign2 shown together with sign7?"
    found = ask(store, film, seer, question, {"A": "sign2", "B": "sign7"}, gate=0.0, text=text)
    looked = found.trace[-1].intervals
    assert len(looked) == 1
    moments = (24.0, 84.0)
    assert sum(looked[0].t0 <= time < looked[0].t1 for time in moments) == 1
    assert all(covers(found, time) for time in moments) == (text > 1)


def test_what_was_never_shown_is_not_shown(store, film, seer) -> None:
    found = ask(store, film, seer, "where is sign99?")
    assert found.answer == "not shown in the video"
    assert not found.supported
    assert found.intervals == ()


def test_options_that_are_all_absent(store, film, seer) -> None:
    found = ask(store, film, seer, "which is shown?", {"A": "sign98", "B": "sign99"}, gate=0.0)
    assert found.label in ("A", "B")
    assert not found.supported
    assert found.intervals == ()


def test_what_was_only_said_is_found(tmp_path: Path) -> None:
    def said(store: MemoryStore) -> None:
        store.add(SubtitleRow(1, 31.0, 33.0, "the password is swordfish"))
        store.add(Passage(1, "subtitle", 1, 31.0, 33.0, 31.0, "the password is swordfish", None))

    pictures = list(scenes((texture(1), 60)))
    with built(tmp_path / "i", pictures, prepare=said) as store:
        found = ask(
            store, Film(pictures), unsure(*[1.3] * 4), "what is the password?", {"A": "x", "B": "y"}, both_orders=False
        )
        assert 'said: "the password is swordfish"' in found.trace[1].text
        assert any(item.t0 <= 31.0 < item.t1 for item in found.trace[3].intervals)


class Recorded(Narration):
    """Remembers every byte it is shown."""

    def __init__(self, inner: Narrator):
        super().__init__(write=inner._write, weigh=inner._weigh)  # type: ignore[attr-defined]
        self.shown: list[tuple[float, str, bool]] = []

    def look(self, frames, *, room, detail=False):
        for frame in frames:
            digest = hashlib.blake2b(frame.image.contiguous().numpy().tobytes(), digest_size=8).hexdigest()
            self.shown.append((frame.time, digest, detail))
        return super().look(frames, room=room, detail=detail)


def words(store: MemoryStore) -> None:
    for number, t0 in enumerate((3.0, 27.5, 61.0, 130.0, 200.0), 1):
        text = f"they speak of sign{number} and sign9"
        store.add(SubtitleRow(number, t0, t0 + 4, text))
        store.add(Passage(number, "subtitle", number, t0, t0 + 4, t0, text, Narration().embed(text)))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory, pictures):
    path = tmp_path_factory.mktemp("spoken") / "i"
    with built(path, pictures, narration=Seer([*range(COUNT), 50]), prepare=words) as store:
        yield store


@pytest.mark.parametrize("at", [0.0, 0.5, 5.0, 10.0, 12.0, 24.0, 37.3, 126.0, 127.0, 180.0, 251.0, 1e6])
def test_what_comes_after_a_moment_changes_no_byte(tmp_path: Path, spoken, pictures, at: float) -> None:
    """The prompts and pictures as of a moment, from a memory of the whole film and from one that stopped there."""
    seer = Seer([*range(COUNT), 50])
    with MemoryStore.create(tmp_path / "i", {}) as cut:
        with cut.transaction():
            words(cut)
        builder = Builder(cut, seer, Manager(), Closing())
        for moment in moments(pictures):
            if moment.time > at:
                break
            builder.take(moment)
            last = moment.time
        builder.finish(last + 1)
        if at > last + 1:
            cut.finish()  # all of the film is in it
        for question, choices in (
            ("where is sign3?", {"A": "sign3", "B": "sign9"}),
            ("when is sign9 shown last?", None),
            ("what is at the end?", None),
            ("what is shown after sign3?", None),
            ("what do they speak of?", {"A": "sign1", "B": "sign4"}),
        ):
            whole, short = Recorded(seer), Recorded(seer)
            one = ask(spoken, Film(pictures), whole, question, choices, at=at, gate=0.0)
            other = ask(cut, Film(pictures[: int(at) + 1]), short, question, choices, at=at, gate=0.0)
            assert whole.asked == short.asked
            assert whole.shown == short.shown
            assert (one.answer, one.intervals) == (other.answer, other.intervals)
            assert all(time <= at for time, _, _ in whole.shown)


def test_before_it_was_shown_it_is_not_known(store, film, seer) -> None:
    choices = {"A": "sign50", "B": "sign99"}
    before = ask(store, film, seer, "which sign of sign50 is shown?", choices, at=100.0, gate=0.0)
    after = ask(store, film, seer, "which sign of sign50 is shown?", choices, at=160.0, gate=0.0)
    assert not before.supported
    assert (after.label, after.supported) == ("A", True)
