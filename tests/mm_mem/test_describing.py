"""What comes of what a narrator writes: concepts that hold, and a build that never stops over words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from vtc_mm_mem.concepts import Concepts, jaccard, normalised
from vtc_mm_mem.description import read_description
from vtc_mm_mem.prototypes import medoids

from tests.mm_mem.fakes import Narration, built, scenes, texture
from vtc_cli.memory import (
    AliasRow,
    ConceptRow,
    EventRow,
    FrameRow,
    MemoryStore,
    MemoryView,
    MentionRow,
    Passage,
    RelationRow,
    SubtitleRow,
)

A, B, C = texture(1), texture(2), texture(3)


def said(**parts) -> Narration:
    return Narration(write=lambda prompt, frames: json.dumps({"summary": "a scene", **parts}))


def thing(name: str, kind: str = "object", **more) -> dict:
    return {"kind": kind, "name": name, **more}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON at all",
        "[1, 2",
        "{" * 5000,
        '{"summary": ',
        '["a", "b"]',
        "null",
        '{"summary": 3.5e9999, "events": {}}',
    ],
)
def test_words_that_are_no_description_are_kept_as_words(tmp_path: Path, text: str) -> None:
    narration = Narration(write=lambda prompt, frames: text)
    with built(tmp_path / "i", scenes((A, 20), (B, 20)), narration=narration) as store:
        events = store.rows(EventRow)
        assert len(events) == 2
        assert {event.status for event in events} <= {"no_schema", "described"}
        assert store.rows(MentionRow) == []


def test_signs_without_a_word_say_nothing() -> None:
    assert read_description('"}"}"}').summary == ""
    assert read_description("A red ball.").summary == "A red ball."


def test_ten_thousand_entities_are_too_many(tmp_path: Path) -> None:
    narration = said(entities=[thing(f"thing {place}") for place in range(10_000)])
    with built(tmp_path / "i", scenes((A, 20)), narration=narration) as store:
        assert len(store.rows(MentionRow)) == 64


def test_bare_names_and_words_around_the_json() -> None:
    found = read_description(
        'Sure! {"summary": "x", "entities": ["ball", {"name": 7}, {"kind": "ufo", "name": "a"}, 3]} ok'
    )
    assert [(item.kind, item.name) for item in found.entities] == [("other", "ball"), ("other", "7"), ("other", "a")]
    assert found.valid


def test_every_mention_lies_in_its_event_and_every_concept_is_mentioned(tmp_path: Path) -> None:
    entities = [
        thing("ball", **{"from": 5, "to": 8}),
        thing("cat", "animal", **{"from": -5, "to": 1e6}),
        thing("dog", "animal", **{"from": 9000, "to": 1}),
        thing("sign", "text", **{"from": "00:22", "to": "00:24"}),
    ]
    relations = [["cat", "chases", "ball"], {"subject": "a", "verb": "b", "object": "c"}, ["x"], 4]
    narration = said(entities=entities, relations=relations)
    with built(tmp_path / "i", scenes((A, 20), (B, 20)), narration=narration) as store:
        events = {event.id: event for event in store.rows(EventRow)}
        mentions = store.rows(MentionRow)
        assert len(mentions) == 8
        for mention in mentions:
            event = events[mention.event_id]
            assert event.t0 <= mention.t0 < mention.t1 <= event.t1
        assert [(row.t0, row.t1) for row in mentions if row.name == "ball"] == [(5.0, 8.0), (20.0, 40.0)]
        assert [(row.t0, row.t1) for row in mentions if row.name == "sign"] == [(0.0, 20.0), (22.0, 24.0)]
        concepts = store.rows(ConceptRow)
        assert {row.id for row in concepts} == {row.concept_id for row in mentions}
        assert len(concepts) == 4
        assert len(store.rows(RelationRow)) == 4
        frames = {frame.id for frame in store.rows(FrameRow)}
        assert {number for mention in mentions for number in json.loads(mention.frame_ids)} <= frames


def test_two_of_one_name_in_one_event_stay_two(tmp_path: Path) -> None:
    narration = said(entities=[thing("man", "person", gloss="in red"), thing("man", "person", gloss="in blue")])
    with built(tmp_path / "i", scenes((A, 20), (B, 20)), narration=narration) as store:
        assert [row.concept_id for row in store.rows(MentionRow)] == [1, 2, 1, 2]


def test_kinds_are_never_mixed_and_names_need_words_in_common(tmp_path: Path) -> None:
    near = np.array([1.0, 0.02], np.float32)
    with MemoryStore.create(tmp_path / "i", {}) as store, store.transaction():
        concepts = Concepts(store, 0.9)
        one = np.array([1.0, 0.0], np.float32)
        assert concepts.of_event([("person", "the Chef", one)]) == [1]
        assert concepts.of_event([("person", "chef", None)]) == [1]
        assert concepts.of_event([("text", "chef", one)]) == [2]
        assert concepts.of_event([("person", "old chef", near)]) == [1]
        assert concepts.of_event([("person", "waiter", near)]) == [3]
        assert concepts.of_event([("person", "tall old grey chef", np.array([0.0, 1.0], np.float32))]) == [4]
        assert [alias.name for alias in store.rows(AliasRow, "concept_id = 1", (), "rowid")] == [
            "the Chef",
            "chef",
            "old chef",
        ]
    assert normalised("The  Red-Ball!") == "red ball"
    assert jaccard("red ball", "ball") == 0.5


def test_what_was_said_makes_a_clip_new_and_is_shown(tmp_path: Path) -> None:
    def subtitles(store: MemoryStore) -> None:
        store.add(SubtitleRow(1, 15.0, 17.0, "the code is seven"))

    narration = Narration()
    with built(tmp_path / "i", scenes((A, 40)), narration=narration, prepare=subtitles) as store:
        actions = [row[0] for row in store.all("SELECT action FROM clip ORDER BY id")]
        assert actions == ["ADD_NEW", "MERGE", "DISCARD", "DISCARD"]
        assert [row[0] for row in store.all("SELECT text FROM clip ORDER BY id")] == [
            None,
            "the code is seven",
            None,
            None,
        ]
    assert "the code is seven" in narration.asked[0][2]


def test_what_is_dark_is_not_described(tmp_path: Path) -> None:
    narration = Narration()
    with built(tmp_path / "i", scenes((np.zeros((32, 32, 3)), 20)), narration=narration) as store:
        assert [event.status for event in store.rows(EventRow)] == ["undescribed"]
    assert narration.asked == []


def test_medoids_repeat_themselves_and_prefer_the_earlier() -> None:
    rng = np.random.default_rng(0)
    ends = [np.eye(8)[0], np.eye(8)[1], np.eye(8)[2]]
    vectors = [end + rng.normal(0, 0.01, 8) for end in ends for _ in range(4)]
    vectors = [vector / np.linalg.norm(vector) for vector in vectors]
    found = medoids(vectors, 3)
    assert found == medoids(vectors, 3)
    assert sorted(place // 4 for place, _ in found) == [0, 1, 2]
    assert [weight for _, weight in found] == [4, 4, 4]
    assert medoids([ends[0]] * 5, 4) == [(0, 5)]
    assert medoids([], 4) == []


def test_a_moment_shows_only_what_was_known(tmp_path: Path) -> None:
    with built(tmp_path / "i", scenes((A, 25), (B, 25), (C, 25))) as store:
        view = MemoryView(store, 32.0)
        # A's event was closed by the first clip of B, which ended at 35.
        assert [(event.id, event.status) for event in view.events()] == [(1, "open")]
        assert view.mentions() == view.concepts() == []
        assert MemoryView(store, 35.0).events()[0].status == "described"
        open_event = MemoryView(store, 35.0).events()[1]
        assert (open_event.t0, open_event.t1, open_event.summary) == (25.0, 35.0, None)
        end = MemoryView(store, 74.9)
        assert [event.status for event in end.events()] == ["described", "described", "open"]
        for view in (MemoryView(store, 75.0), MemoryView(store, 1e9), MemoryView(store)):
            assert [event.status for event in view.events()] == ["described"] * 3
        assert all(row.seen is None or row.seen <= 75.0 for row in store.rows(Passage))
        running = MemoryView(store, 4.0).open_clip()
        assert running is not None
        assert (running.t0, running.t1) == (0.0, 4.0)


@pytest.mark.parametrize(
    ("token", "events", "actions"),
    [
        ("N", 6, {"ADD_NEW"}),
        ("M", 1, {"ADD_NEW", "MERGE"}),
        ("D", 1, {"ADD_NEW", "DISCARD"}),
    ],
)
def test_a_narrator_may_decide_about_clips(tmp_path: Path, token: str, events: int, actions: set[str]) -> None:
    asked: list[tuple[float, ...]] = []

    def weigh(prompt, choices, frames):
        assert set(choices) == {"N", "M", "D"}
        asked.append(tuple(frame.time for frame in frames))
        return {label: 0.0 if label == token else -9.0 for label in choices}

    narration = Narration(weigh=weigh)
    with built(tmp_path / "i", scenes((A, 60)), narration=narration, judged=True) as store:
        assert len(store.rows(EventRow)) == events
        assert {row[0] for row in store.all("SELECT action FROM clip")} == actions
        assert len(asked) == 5  # the first clip needs no question
        assert asked[0] == (0.0, 10.0)
    with built(tmp_path / "j", scenes((A, 200)), narration=narration, judged=True) as store:
        assert all(event.t1 - event.t0 <= 120 or token == "D" for event in store.rows(EventRow))
