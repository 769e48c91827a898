"""How the last stage looks: at clips one by one or together, which look answers, and when a glance does not count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log

import numpy as np
import pytest
from vtc_mm_mem.covering import looks_at, named_in
from vtc_mm_mem.gathering import close_frames

from tests.mm_mem.asking import CHOICES, Film, Seer, ask, spread
from tests.mm_mem.fakes import Narration, built, scenes, texture
from tests.mm_mem.rows import clip, hit
from vtc_cli import Frame

COUNT = 16
CLIPS = [clip(1, 0, 10), clip(2, 10, 14), clip(3, 14, 24), clip(4, 24, 30)]


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return list(scenes(*[(texture(place), 15) for place in range(COUNT)]))


@pytest.fixture(scope="module")
def store(tmp_path_factory, pictures):
    with built(tmp_path_factory.mktemp("looking") / "i", pictures, narration=Seer(range(COUNT))) as store:
        yield store


@pytest.fixture
def film(pictures) -> Film:
    return Film(pictures)


def test_neighbouring_words_are_one_thing_and_what_tells_of_an_event_is_about_none_of_its_clips() -> None:
    hits = [
        hit("mention", 1, 0, 10, "red jacket"),
        hit("mention", 2, 12, 30, "a dog, barking"),
        hit("step", 1, 14, 24, "[00:14-00:24] blue jacket and a red hat"),
        hit("event", 1, 0, 30, "red jacket, dog, cat"),
        hit("step", 1, 0, 30, "a cat"),
    ]
    named = named_in(CLIPS, hits, "Is the red jacket there before the dog, or a cat?")
    assert named == {1: {"red jacket"}, 2: {"dog"}, 3: {"dog"}, 4: {"dog"}}
    by_meaning = [type(one)(one.passage, one.score, None, 1) for one in hits]
    assert not any(named_in(CLIPS, by_meaning, "Is the red jacket there before the dog?").values())


def test_clips_of_one_thing_are_looked_at_alone_and_those_of_two_together() -> None:
    one = {1: frozenset({"dog"}), 2: frozenset({"dog"}), 3: frozenset(), 4: frozenset()}
    assert looks_at(CLIPS, one, 3) == [[CLIPS[0]], [CLIPS[1]], [CLIPS[2]]]
    two = {**one, 3: frozenset({"cat"})}
    assert looks_at(CLIPS, two, 3) == [[CLIPS[0], CLIPS[2]]]
    both = {**one, 1: frozenset({"dog", "cat"})}
    assert looks_at(CLIPS, both, 3) == [[CLIPS[0]], [CLIPS[1]], [CLIPS[2]]]
    four = {1: frozenset("a"), 2: frozenset("b"), 3: frozenset("cd"), 4: frozenset("c")}
    assert looks_at(CLIPS, four, 3) == [[CLIPS[0], CLIPS[2], CLIPS[1]]]
    assert looks_at(CLIPS, four, 1) == [[CLIPS[0]]]
    assert looks_at([], {}, 3) == []


@pytest.mark.parametrize(
    ("seconds", "together", "frames"), [(10, 1, 10), (10, 2, 10), (10, 3, 8), (3.2, 1, 4), (1, 1, 2)]
)
def test_a_clip_is_looked_at_a_frame_a_second(seconds: float, together: int, frames: int) -> None:
    assert close_frames(clip(1, 5, 5 + seconds), together) == frames


def looked_closely(found) -> list[tuple[float, float]]:
    steps = [step for step in found.trace if step.stage == "S3"]
    return [(item.t0, item.t1) for step in steps for item in step.intervals]


def test_each_clip_is_a_look_and_the_first_that_is_sure_ends_them(store, film) -> None:
    sure_at: list[float] = [1e9]

    def weigh(prompt: str, choices: Mapping[str, str], frames: Sequence[Frame]) -> Mapping[str, float]:
        if set(choices) == {"yes", "no"}:
            return {"yes": log(0.7), "no": log(0.3)}
        sure = len(frames) > 2 and all(sure_at[0] <= frame.time < sure_at[0] + 15 for frame in frames)
        return spread(0.2 if sure else 1.3, list(choices))

    question = "which is the number sign7?"
    found = ask(store, film, Narration(weigh=weigh), question, CHOICES, both_orders=False)
    looks = looked_closely(found)
    assert len(looks) == len([step for step in found.trace if step.stage == "S3"]) > 1
    assert 105 <= looks[0][0] < looks[0][1] <= 120  # where it is written that sign7 is, before anything else
    assert found.stopped == "bottom"
    sure_at[0] = 105.0
    found = ask(store, film, Narration(weigh=weigh), question, CHOICES, both_orders=False, without="S2")
    assert looked_closely(found) == looks[:1]
    assert (found.stage, found.stopped) == ("S3", "confident")
    assert [(item.t0, item.t1) for item in found.intervals if item.level == "clip"] == looks[:1]


def test_the_look_that_shows_it_answers_though_another_is_surer(store, film) -> None:
    """Of three looks with notes that are the same, the pictures alone tell which one shows the answer."""
    shows: list[float] = []

    def weigh(prompt: str, choices: Mapping[str, str], frames: Sequence[Frame]) -> Mapping[str, float]:
        here = bool(shows) and all(shows[0] <= frame.time < shows[1] for frame in frames)
        if set(choices) == {"yes", "no"}:
            yes = 0.9 if "Notes" in prompt or here else 0.2
            return {"yes": log(yes), "no": log(1 - yes)}
        labels = ["C", "A", "B", "D"] if here else ["A", "B", "C", "D"]
        return spread(1.2 if here else 1.1, labels)

    question = "which is the number sign7?"
    looks = looked_closely(ask(store, film, Narration(weigh=weigh), question, CHOICES, both_orders=False))
    for look in looks:
        shows[:] = look
        found = ask(store, film, Narration(weigh=weigh), question, CHOICES, both_orders=False)
        assert (found.label, found.stage, found.supported) == ("C", "S3", True)
        assert [(item.t0, item.t1) for item in found.intervals if item.level == "clip"] == [look]


def test_two_things_are_looked_at_together(store, film) -> None:
    found = ask(store, film, Seer(range(COUNT)), "which is first, sign7 or sign3?", {"A": "x", "B": "y"}, gate=0.0)
    steps = [step for step in found.trace if step.stage == "S3"]
    assert len(steps) == 1
    times = steps[0].frames
    assert any(45 <= time < 60 for time in times)
    assert any(105 <= time < 120 for time in times)
    assert not any(time < 45 or 60 <= time < 105 or time >= 120 for time in times)


@pytest.mark.parametrize(("question", "stages"), [("which is the number sign7?", 2), ("what is it about?", 1)])
def test_a_glance_that_looks_elsewhere_ends_nothing(store, film, monkeypatch, question: str, stages: int) -> None:
    """It is sure and finds its answer shown; but what is asked about is known to be where it did not look."""
    from vtc_mm_mem import gathering

    monkeypatch.setattr(gathering, "GLANCE_FRAMES", 2)
    nats = iter([0.1, 0.3])
    narration = Narration(
        weigh=lambda prompt, choices, frames: (
            {"yes": log(0.9), "no": log(0.1)} if "yes" in choices else spread(next(nats), list(choices))
        )
    )
    found = ask(store, film, narration, question, CHOICES, both_orders=False)
    assert [step.stage for step in found.trace] == ["S0", "S1"][:stages]
    assert found.stopped == "confident"
    assert found.stage == found.trace[-1].stage


def test_a_glance_that_shows_what_is_asked_about_may_end_it(store, film) -> None:
    narration = Narration(
        weigh=lambda prompt, choices, frames: (
            {"yes": log(0.9), "no": log(0.1)} if "yes" in choices else spread(0.1, list(choices))
        )
    )
    found = ask(store, film, narration, "which is the number sign7?", CHOICES, both_orders=False)
    assert [step.stage for step in found.trace] == ["S0"]
