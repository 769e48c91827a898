"""Notes: which lines a question gets to read, and what they sum up."""

from __future__ import annotations

import pytest
from vtc_mm_mem.noting import Bearing, Line, Notes, appearances, joint, most_telling, words_of
from vtc_mm_mem.resting import said_by

from tests.mm_mem.asking import ask, unsure
from tests.mm_mem.fakes import Narration, built, scenes, texture
from tests.mm_mem.rows import hit, mention
from vtc_cli.memory import MemoryView, search


def test_lines_that_bear_most_are_kept_and_shown_in_order_of_time() -> None:
    lines = [Line(30, "c c c", 0.1), Line(10, "a a a a a", 1.0), Line(20, "b", 0.1), Line(10, "a a a a a", 0.2)]
    count = lambda text: len(text.split())  # noqa: E731
    assert words_of(most_telling(lines, 100, count)) == "a a a a a\nb\nc c c"
    assert words_of(most_telling(lines, 6, count)) == "a a a a a\nb"
    assert words_of(most_telling(lines, 4, count)) == "b\nc c c"  # what does not fit leaves its room to others
    assert most_telling([], 4, count) == []
    assert words_of([]) == ""


def test_bearing_falls_with_the_place_and_adds_up_to_twice_the_best() -> None:
    bearing = Bearing([hit("step", 4), hit("mention", 7), hit("step", 4)])
    assert bearing.of("step", 4) == 1
    assert bearing.of("mention", 7) == 0.5
    assert bearing.of("mention", 4) == 0
    assert joint([0.25, 1.0]) == 1.125
    assert joint([0.1] * 50) < joint([0.2])  # many passing words do not outweigh a good one
    assert joint([]) == 0


def test_mentions_that_follow_each_other_are_one_appearance() -> None:
    rows = [mention(1, 0, 10), mention(2, 10.2, 12), mention(3, 40, 44), mention(4, 41, 43), mention(5, 44.6, 50)]
    assert appearances(rows[::-1]) == [0, 40, 44.6]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A dog twice and a cat once, each of a scene of its own, with a whistle beside the second dog."""

    def told(prompt: str, frames) -> str:
        import json

        time = frames[0].time
        names = [["dog"], ["cat"], ["dog", "whistle"]][int(time // 20)]
        entities = [{"kind": "object", "name": name, "gloss": f"{name} number {int(time)}"} for name in names]
        return json.dumps({"summary": f"the yard with {' and '.join(names)}", "events": [], "entities": entities})

    pictures = list(scenes(*[(texture(place), 20) for place in range(3)]))
    with built(tmp_path_factory.mktemp("noting") / "i", pictures, narration=Narration(write=told)) as store:
        yield store


def notes(store, question: str) -> Notes:
    return Notes(store, MemoryView(store), question, Bearing(search(store, question)))


def test_what_a_question_names_is_summed_up(store) -> None:
    assert [line.words for line in notes(store, "How often is the dog there?").appearances()] == [
        "dog: 2 times, first at 00:00, last at 00:40"
    ]
    assert [line.words for line in notes(store, "When does a cat come?").appearances()] == ["cat: once, at 00:20"]
    assert notes(store, "Who is there?").appearances() == []


def test_what_was_not_known_yet_is_not_counted(store) -> None:
    question = "How often is the dog there?"
    then = Notes(store, MemoryView(store, 30.0), question, Bearing([]))
    assert [line.words for line in then.appearances()] == ["dog: once, at 00:00"]


def test_what_is_beside_something_found_bears_half_as_much(store) -> None:
    rows = MemoryView(store).mentions()
    lines = {
        line.words.rpartition("] ")[2]: line for line in notes(store, "Where is the dog, number 40?").mentions(rows)
    }
    assert lines["dog number 40"].bearing > 0
    assert lines["whistle number 40"].bearing >= lines["dog number 40"].bearing / 2
    assert lines["cat number 20"].bearing < lines["dog number 40"].bearing


@pytest.mark.parametrize(("parameters", "most"), [(10_000_000, 256), (7_000_000_000, 2048), (None, 2048)])
def test_a_small_model_reads_fewer_notes(store, parameters: int | None, most: int) -> None:
    """What is set, 0, becomes a number of tokens for the narrator at hand."""
    from vtc_mm_mem import ladder

    from tests.mm_mem.asking import CHOICES, Film

    seen = []
    narration = unsure(*[1.3] * 4)
    narration.parameters = parameters
    plain = ladder.most_telling
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "most_telling", lambda lines, room, count: seen.append(room) or plain(lines, room, count))
        ask(store, Film([texture(0)] * 60), narration, "which dog?", CHOICES, both_orders=False)
    assert set(seen) == {most}


@pytest.mark.parametrize(
    ("words", "answer", "others", "said"),
    [
        ("[17:55-17:59] red ring still; text: 8", "8", ["4", "3"], True),
        ("[17:55-17:59] red ring still; text: 8, 4", "8", ["4", "3"], False),  # of which of them?
        ("[08:08-08:09] red ring still", "08", ["4"], False),  # a time of the note is nothing it says
        ("[17:55-17:59] red star, blue ring still; text: 8", "8", ["4"], False),  # no red ring
        ("red ring: once, at 17:55", "at 17:55", ["at 02:10"], True),
        ("red ring: 3 times, first at 01:00, last at 09:00", "3", ["4", "5"], True),
        ("[17:55-17:59] red ring still; text: 18", "8", ["4"], False),
        ("[17:55-17:59] red ring still", "the", ["a"], False),  # an answer without a word
    ],
)
def test_a_note_says_an_answer(words, answer, others, said) -> None:
    lines = [Line(0.0, "[00:00-00:02] a wall"), Line(1.0, words)]
    assert said_by(lines, "Which digit was shown while the red ring was there?", answer, others) == said
    assert not said_by(lines[:1], "Which digit was shown while the red ring was there?", answer, others)
