"""Finding passages: words and meaning fused by rank, filtered by time, blind to what comes later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vtc_cli.memory import MemoryStore, Passage, When, search
from vtc_cli.memory.searching import FUSED_FROM, MEANING, phrases


def passage(
    number: int, body: str, t0: float = 0.0, emb: list[float] | None = None, seen: float | None = None
) -> Passage:
    vector = None if emb is None else np.array(emb, np.float32)
    return Passage(number, "event", number, t0, t0 + 10, t0 + 10 if seen is None else seen, body, vector)


@pytest.fixture
def store(tmp_path: Path):
    with MemoryStore.create(tmp_path / "index.sqlite", {}) as store:
        with store.transaction():
            store.add(passage(1, "a red ball rolls over the table", 0, [1, 0, 0]))
            store.add(passage(2, "the dog appears at the door", 10, [0, 1, 0]))
            store.add(passage(3, "a red car stops", 20, [0, 0, 1]))
            store.add(passage(4, "the dog sleeps; the dog snores", 30, [0, 0.9, 0.1]))
        yield store


def found(hits) -> list[int]:
    return [hit.passage.id for hit in hits]


def test_words_find_forms_of_words(store) -> None:
    assert found(search(store, "When do the dogs appear?")) == [2, 4]


def test_vectors_and_words_are_fused_by_rank(store) -> None:
    hits = search(store, "red", np.array([0, 0, 1], np.float32))
    assert hits[0].passage.id == 3
    assert hits[0].words is not None
    assert hits[0].meaning == 1
    assert hits[0].score == pytest.approx(1 / (FUSED_FROM + hits[0].words) + MEANING / (FUSED_FROM + 1))


def test_neighbours_in_a_question_are_looked_for_together(tmp_path: Path) -> None:
    bodies = ["a red hat and a blue jacket", "a blue hat and a red jacket, hung on a wall beside the door of a house"]
    with MemoryStore.create(tmp_path / "index.sqlite", {}) as store:
        with store.transaction():
            for number, body in enumerate(bodies, 1):
                store.add(passage(number, body))
        assert found(search(store, "Who wears the red jacket?")) == [2, 1]
        assert found(search(store, "Is there something red, or a jacket?")) == [1, 2]  # the shorter one


def test_phrases_do_not_reach_over_words_that_say_nothing() -> None:
    assert phrases("What did the man in the red jacket pick up?") == ["red jacket", "jacket pick", "pick up"]


def test_the_passage_with_the_words_comes_before_one_that_is_fair_in_words_and_meaning(tmp_path: Path) -> None:
    like, unlike = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    some = ["a yellow ring", *(f"ring {number}" for number in range(5)), "a ring on a table in a room of a house"]
    with MemoryStore.create(tmp_path / "index.sqlite", {}) as store:
        with store.transaction():
            for number, body in enumerate(some, 1):
                store.add(passage(number, body, emb=like if number == len(some) else unlike))
            for number in range(100, 180):
                store.add(passage(number, f"thing {number}", emb=[0.9, 0.1, 0.0]))
        hits = search(store, "the yellow ring?", np.array(like, np.float32))
    assert found(hits)[0] == 1
    last = next(hit for hit in hits if hit.passage.id == len(some))
    assert (last.words, last.meaning) == (len(some), 1)


@pytest.mark.parametrize("question", ["?!...", "🎈🎈", "它是什么颜色", "the of and"])
def test_without_words_to_look_for_vectors_decide(store, question: str) -> None:
    assert search(store, question) == []
    assert found(search(store, question, np.array([0, 1, 0], np.float32), most=1)) == [2]


@pytest.mark.parametrize(
    "question", ['red AND NOT "ball', "NEAR(red, 5)", "red* OR ^ball", "body: red", "a'b\"c;--", "dog\x00red"]
)
def test_nothing_in_a_question_is_syntax(store, question: str) -> None:
    search(store, question)
    search(store, question, at=25.0)


def test_a_question_of_ten_thousand_characters(store) -> None:
    assert 3 in found(search(store, "car " + "word " * 2500))


def test_time_filters(store) -> None:
    assert found(search(store, "dog", when=When(start=25.0))) == [4]
    assert found(search(store, "dog", when=When(end=20.0))) == [2]


def test_what_came_later_changes_nothing(store, tmp_path: Path) -> None:
    vector = np.array([0.2, 0.5, 0.1], np.float32)
    before = search(store, "red dog", vector, at=30.0)
    with store.transaction():
        for number in range(5, 60):
            store.add(passage(number, "red red ball dog dog", 100 + number, [0.5, 0.5, 0.5]))
        store.add(Passage(60, "event", 60, 0.0, 5.0, None, "red dog red dog", None))
    after = search(store, "red dog", vector, at=30.0)
    assert [(hit.passage.id, hit.score) for hit in before] == [(hit.passage.id, hit.score) for hit in after]
    assert set(found(before)) == {1, 2, 3}


def test_word_statistics_are_those_of_the_moment(tmp_path: Path) -> None:
    """Words that become common later weigh what they weighed then."""
    with MemoryStore.create(tmp_path / "later.sqlite", {}) as store:
        with store.transaction():
            store.add(passage(1, "dog runs", 0))
            store.add(passage(2, "red runs", 0))
            for number in range(3, 60):
                store.add(passage(number, "dog sleeps", 100))
        assert found(search(store, "red dog", at=50.0)) == [1, 2]
        assert found(search(store, "red dog"))[0] == 2
