"""Films of minutes to hours: a fact is shown once, can be recalled, and any moment is drawn as fast as the first."""

from collections import Counter

import numpy as np
import pytest

from vtc_cli.train.language import FAR, WHOLE, _skills
from vtc_cli.train.world import ask_all, frame_at, make_long_film, render
from vtc_cli.train.world.palette import HELD_OUT
from vtc_cli.train.world.questions import SHORT_SKILLS

SIZE = (128, 128)


@pytest.mark.parametrize(("split", "duration"), [("train", 120.0), ("validation", 600.0), ("test", 3600.0)])
def test_facts_are_shown_once_with_something_to_read(split, duration):
    film = make_long_film(3, split, duration, facts=16)
    shown = Counter(thing.pair for thing in film.things)
    facts = [scene for scene in film.scenes if any(shown[thing.pair] == 1 for thing in scene.things)]
    room = round(duration / 7.0)
    assert len(facts) >= min(16, room // 2)
    assert len(shown) <= 8 + 16
    captioned = [scene for scene in facts if len(scene.things) == 1 and scene.caption]
    assert len(captioned) >= min(16, room // 2)
    for scene in captioned:
        assert scene.caption.end - scene.caption.start == pytest.approx(min(3.0, scene.end - scene.start))
    if split == "test":
        assert {thing.pair for thing in film.things} & HELD_OUT


def test_every_fact_can_be_recalled():
    for seed in range(5):
        film = make_long_film(seed, "test", 600.0, facts=12)
        shown = Counter(thing.pair for thing in film.things)
        answers = {}
        for scene in film.scenes:
            for thing in scene.things:
                if shown[thing.pair] == 1 and scene.caption:
                    answers[" ".join(thing.pair)] = scene.caption
        asked = ask_all(film, np.random.default_rng(seed), skills=("recall",))["recall"]
        assert len(asked) == len(answers) >= 12
        for question in asked:
            caption = next(caption for name, caption in answers.items() if f"the {name}" in question.text)
            assert question.answer == caption.text
            assert caption.kind in question.text
            assert question.about == (caption.start, caption.end)


def test_facts_lie_anywhere():
    places = []
    for seed in range(10):
        film = make_long_film(seed, "test", 600.0)
        places += [question.about[0] / 600.0 for question in _recalls(film, seed)]
    assert np.histogram(places, 5, (0, 1))[0].min() > 0.1 * len(places)


def test_short_films_have_nothing_to_recall():
    assert _recalls(make_long_film(0, "test", 40.0), 0) == []
    assert _recalls(make_long_film(0, "test", 80.0), 0) != []


def test_any_moment_of_hours_costs_one_background(monkeypatch):
    film = make_long_film(1, "test", 4 * 3600.0)
    drawn = []
    original = render.draw_background

    def counted(family, seed, size):
        drawn.append(seed)
        return original(family, seed, size)

    monkeypatch.setattr(render, "draw_background", counted)
    for time in (14399.9, 3.0, 9123.4):
        before = len(drawn)
        picture = frame_at(film, time, SIZE)
        assert picture.shape == (*SIZE, 3)
        assert len(drawn) - before <= 1
        assert drawn[-1] == film.scene_at(time).background_seed
        assert film.scene_at(time).start <= time < film.scene_at(time).end


def _recalls(film, seed):
    return ask_all(film, np.random.default_rng(seed), skills=("recall",))["recall"]


def test_of_films_of_many_units_what_lies_far_back_is_asked():
    rng = np.random.default_rng(0)
    asked = Counter(skill for _ in range(200) for skill in _skills(rng, 1.0, WHOLE + 1))
    assert {asked[skill] for skill in FAR} == {200}
    others = [asked[skill] for skill in SHORT_SKILLS if skill not in FAR]
    assert 0 < min(others) <= max(others) < 100
