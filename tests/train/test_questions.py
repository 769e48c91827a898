"""Every answer is what an observer of the film would say, and nothing is asked that has no single answer."""

from collections import Counter

import numpy as np
import pytest

from tests.train.observer import STEP, Observer, understood
from vtc_cli.train.world import ask_all, ask_some, is_right, make_film, make_long_film
from vtc_cli.train.world.asker import ANSWERS
from vtc_cli.train.world.palette import COLOURS, HELD_OUT, SHAPES
from vtc_cli.train.world.questions import SHORT_SKILLS, SKILLS

ASKED_AS = {"absent": None, "recall": "during"}  # skills that borrow the words of others


def films(split, count):
    for seed in range(count):
        if seed % 10 == 9:
            yield seed, make_long_film(seed, split, 90.0)
        else:
            yield seed, make_film(seed, split, 8.0 if seed % 2 else 12.0, 1 if seed % 2 else 2 + seed % 3)


def is_true(observer, question):
    if question.skill == "describe":
        return observer.sentence(question.answer)
    if question.skill == "json":
        return observer.structure(question.answer)
    said = observer.answer(question.text)
    if question.skill in ("when", "duration"):
        return abs(said - question.seconds) <= 2 * STEP
    return said == question.answer


@pytest.mark.parametrize(("split", "unseen"), [("train", False), ("validation", True), ("test", False)])
def test_answers_are_what_an_observer_says(split, unseen):
    asked = Counter()
    for seed, film in films(split, 60):
        observer = Observer(film)
        for skill, questions in ask_all(film, np.random.default_rng(seed), unseen).items():
            for question in questions:
                assert question.skill == skill
                assert is_true(observer, question), (seed, question)
                assert is_right(question, question.answer), question
                asked[skill] += 1
    assert set(asked) == set(SKILLS)
    assert min(asked.values()) >= 10, asked


def test_the_right_answer_is_among_the_options_and_seen_when_it_says():
    for seed, film in films("test", 60):
        for skill, questions in ask_all(film, np.random.default_rng(seed)).items():
            for question in questions:
                assert not question.options or question.answer in question.options
                start, end = question.about
                assert 0 <= start < end <= film.duration
                if skill in ("digit", "word", "during", "recall"):
                    shown = film.scene_at((start + end) / 2).caption
                    assert shown is not None
                    assert (shown.text, shown.start, shown.end) == (question.answer, start, end)
                if skill in ("motion", "place", "relation"):
                    scene = film.scene_at((start + end) / 2)
                    assert (scene.start, scene.end) == (start, end)
                if skill in ANSWERS:
                    assert question.options == ANSWERS[skill]


def test_questions_are_worded_as_their_skill():
    for seed, film in films("train", 40):
        for unseen in (False, True):
            for skill, questions in ask_all(film, np.random.default_rng(seed), unseen).items():
                for question in questions:
                    read, words, number = understood(question.text)
                    assert ASKED_AS.get(skill, skill) in (read, None)
                    assert (number == -1) == unseen
                    if skill == "relevance" and unseen:
                        assert understood(words["question"])[2] == -1


def test_exists_is_balanced_and_no_needs_binding():
    answers, bound = Counter(), 0
    for seed in range(200):
        film = make_film(seed, duration=4.0, min_things=2)
        colours, shapes = {thing.colour for thing in film.things}, {thing.shape for thing in film.things}
        for question in ask_all(film, np.random.default_rng(seed), skills=("exists",))["exists"]:
            answers[question.answer] += 1
            if question.answer == "no":
                words = understood(question.text)[1]
                bound += words["colour"] in colours and words["shape"] in shapes
    assert answers["yes"] == answers["no"] > 300
    assert bound / answers["no"] > 0.5


def test_relevance_is_balanced():
    for seed, film in films("train", 40):
        answers = Counter(
            question.answer
            for question in ask_all(film, np.random.default_rng(seed), skills=("relevance",))["relevance"]
        )
        assert answers["yes"] == answers["no"]


def test_every_count_and_every_direction_is_asked():
    found = Counter()
    for seed in range(250):
        film = make_film(seed, duration=6.0)
        pools = ask_all(film, np.random.default_rng(seed), skills=("count", "motion", "place", "relation"))
        found.update((skill, question.answer) for skill, pool in pools.items() for question in pool)
    wanted = [(skill, answer) for skill in ("count", "motion", "place", "relation") for answer in ANSWERS[skill]]
    assert [key for key in wanted if found[key] < 5] == []


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_held_out_pairs_are_named_in_tests_only(split):
    held = {f"{colour} {shape}" for colour, shape in HELD_OUT}
    pairs = {f"{colour} {shape}" for colour in COLOURS for shape in SHAPES}
    named, answered = Counter(), 0
    for seed, film in films(split, 80):
        for questions in ask_all(film, np.random.default_rng(seed)).values():
            for question in questions:
                for text in (question.text, question.answer, *question.options):
                    named.update(pair for pair in pairs if pair in text)
                answered += any(pair in question.text for pair in held)
    assert set(named) == (pairs if split == "test" else pairs - held)
    assert (answered > 100) == (split == "test")


def test_some_questions_are_different_and_spread_over_the_skills():
    skills = Counter()
    for seed in range(60):
        film = make_film(seed, duration=9.0, scenes=1 + 2 * (seed % 2))
        questions = ask_some(film, np.random.default_rng(seed), 12)
        assert len(questions) <= 12
        skills.update(question.skill for question in questions)
        assert questions == ask_some(film, np.random.default_rng(seed), 12)
    assert set(skills) == set(SHORT_SKILLS)
    assert max(skills.values()) < 0.2 * skills.total()
