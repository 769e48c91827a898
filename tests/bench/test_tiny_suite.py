"""The suite of the procedural world: the same questions every time, and those that were asked for."""

from __future__ import annotations

import os
from collections import Counter
from itertools import islice

import pytest
import torch

from vtc_cli.bench.clips import NoiseClip, StoredClip
from vtc_cli.bench.statistics import best_number
from vtc_cli.bench.suite import Case, Task, limited
from vtc_cli.bench.suites import find_suite
from vtc_cli.bench.suites.tiny import PER_SKILL, TinySuite, Wanted
from vtc_cli.errors import UsageError
from vtc_cli.jobs.questions import Question
from vtc_cli.train.world.questions import SHORT_SKILLS


def told(cases) -> list:
    return [(case.id, task.skill, task.question.text, task.question.choices) for case in cases for task in case.tasks]


def test_the_cases_are_the_same_in_every_run_and_others_with_another_seed():
    first, again, other = (told(islice(TinySuite(Wanted(seed=seed)).cases(), 4)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_every_short_skill_is_found_and_a_smaller_limit_is_a_part_of_a_larger():
    suite = TinySuite(Wanted())
    assert suite.skills == SHORT_SKILLS
    cases = list(limited(suite, 3))
    assert Counter(task.skill for case in cases for task in case.tasks) == dict.fromkeys(SHORT_SKILLS, 3)
    assert all(max(Counter(task.skill for task in case.tasks).values()) <= PER_SKILL for case in cases)
    assert set(map(str, told(limited(suite, 2)))) < set(map(str, told(cases)))


def test_truth_is_right_and_nothing_else_is():
    for case in islice(TinySuite(Wanted()).cases(), 6):
        for task in case.tasks:
            assert task.check(task.question.truth)
            assert not task.check("something else")


def test_choices_hold_the_answer_under_the_right_letter():
    plain = {(c.id, t.question.text): t for c in islice(TinySuite(Wanted()).cases(), 5) for t in c.tasks}
    cases = islice(TinySuite(Wanted(choices=True)).cases(), 5)
    tasks = [(plain.get((case.id, task.question.text)), task) for case in cases for task in case.tasks]
    assert not {task.skill for _, task in tasks} & {"when", "duration", "describe", "json"}
    letters = Counter()
    for before, task in tasks:
        assert 2 <= len(task.question.choices) <= 4
        assert task.chance == 1 / len(task.question.choices)
        assert task.check(task.question.truth)
        letters[task.question.truth] += 1
        if before is not None:
            assert task.question.choices[task.question.truth] == before.question.truth
    assert any(before is not None for before, _ in tasks)
    assert len(letters) > 1


def test_unseen_wording_is_another():
    seen, unseen = (told(islice(TinySuite(Wanted(unseen=flag)).cases(), 2)) for flag in (False, True))
    assert {text for *_, text, _ in seen}.isdisjoint({text for *_, text, _ in unseen})


def test_long_films_ask_for_facts_shown_once():
    (case,) = islice(TinySuite(Wanted(length=180.0)).cases(), 1)
    assert {task.skill for task in case.tasks} == {"recall"}
    assert len(case.tasks) > PER_SKILL
    assert all(0 <= task.about[0] < task.about[1] <= 180 for task in case.tasks)


def test_frames_are_rendered_once_and_the_same_for_whoever_watches():
    (case,) = islice(TinySuite(Wanted(length=4.0)).cases(), 1)
    clip = case.open()
    first, again = list(clip.frames(1.0)), list(clip.frames(1.0))
    assert [frame.time for frame in first] == [0.0, 1.0, 2.0, 3.0]
    assert all(torch.equal(one.image, other.image) for one, other in zip(first, again, strict=True))
    assert first[0].image.shape == (3, *reversed(clip.info.size))
    assert [frame.time for frame in clip.frames(0.5, 1.0)] == [1.0, 3.0]
    assert torch.equal(next(clip.at([2.7])).image, first[2].image)
    clip.close()


def test_a_real_file_shows_the_same_film_and_is_removed():
    frames, file = (next(TinySuite(Wanted(length=2.0, via=via)).cases()).open() for via in ("frames", "mp4"))
    assert file.info.codec == "h264"
    assert file.info.source == frames.info.source
    # Grain and codec differ; what is large is the same.
    coarse = [
        torch.nn.functional.adaptive_avg_pool2d(torch.stack([frame.image for frame in clip.frames(1.0)]).float(), 12)
        for clip in (frames, file)
    ]
    assert float((coarse[0] - coarse[1]).abs().mean()) < 5 < float(coarse[0].std())
    folder = file._folder.name
    file.close()
    frames.close()
    assert not os.path.exists(folder)


def test_noise_is_the_same_moments_with_nothing_to_see():
    clip = next(TinySuite(Wanted(length=4.0)).cases()).open()
    noise = NoiseClip(clip, seed=1)
    first, again = list(noise.frames(1.0)), list(noise.frames(1.0))
    assert [frame.time for frame in first] == [frame.time for frame in clip.frames(1.0)]
    assert all(torch.equal(one.image, other.image) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first[0].image, first[1].image)
    assert noise.info.digest != clip.info.digest
    assert isinstance(clip, StoredClip)
    clip.close()


class Barren:
    name, skills, facts, sizes = "barren", ("colour", "exists"), {}, None

    def cases(self):
        yield Case("one", (Task(Question("what?", id="1", truth="red"), "colour", bool),), lambda: None)
        while True:
            yield Case("none", (), lambda: None)


def test_a_skill_that_is_never_asked_ends_the_search():
    with pytest.raises(UsageError, match="no more questions of the skill `exists`: 0 of 1"):
        list(limited(Barren(), 1))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"skills": ("color",)}, "no skill `color`"),
        ({"skills": ("recall",)}, "60 seconds or more"),
        ({"skills": ()}, "names no skill"),
        ({"length": 1.0}, "from 2 seconds"),
        ({"length": 1e9}, "to 4 hours"),
        ({"via": "film"}, "frames or mp4"),
        ({"seed": -1}, "from 0"),
        ({"skills": ("when",), "choices": True}, "no options"),
    ],
)
def test_what_it_cannot_give_is_refused(wanted, words):
    with pytest.raises(UsageError, match=words):
        TinySuite(Wanted(**wanted))


def test_an_unknown_suite_names_the_nearest():
    with pytest.raises(UsageError) as refused:
        find_suite("tini", Wanted())
    assert refused.value.hint == "did you mean `tiny`?"


def test_times_are_asked_where_they_cannot_be_guessed():
    suite = find_suite("tiny", Wanted(skills=("when", "duration")))
    truths = {"when": [], "duration": []}
    for case in islice(limited(suite, 60), 200):
        for task in case.tasks:
            assert task.tolerance == 1.5
            truths[task.skill].append(float(task.question.truth.split()[0]))
    assert best_number(truths["when"], 1.5) < 0.3
    assert best_number(truths["duration"], 1.5) < 0.65
