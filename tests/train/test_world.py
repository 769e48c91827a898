"""The world's truth must be what its pictures show."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from vtc_cli.train.world import ask_all, ask_some, frame_at, label_map, make_film
from vtc_cli.train.world.palette import BACKGROUNDS, COLOURS, MOTIONS, SHAPES
from vtc_cli.train.world.questions import ANSWERS, PHRASINGS, SKILLS
from vtc_cli.train.world.render import CHANNELS, IGNORE, unit_at, write_mp4

SIZE = (128, 128)


def test_a_seed_is_a_film():
    film = make_film(5, duration=6.0, scenes=2)
    assert film == make_film(5, duration=6.0, scenes=2)
    assert np.array_equal(frame_at(film, 1.0, SIZE), frame_at(film, 1.0, SIZE))
    assert film != make_film(6, duration=6.0, scenes=2)


def test_splits_share_no_film():
    films = {split: [make_film(seed, split).scenes for seed in range(40)] for split in ("train", "validation", "test")}
    for first in films.values():
        for second in films.values():
            if first is not second:
                assert not any(film in second for film in first)


@pytest.mark.parametrize("scenes", [1, 2, 3])
def test_scenes_tile_the_film(scenes):
    for seed in range(30):
        film = make_film(seed, duration=12.0, scenes=scenes)
        assert film.scenes[0].start == 0.0
        assert film.scenes[-1].end == 12.0
        assert all(a.end == b.start for a, b in pairwise(film.scenes))
        assert all(scene.end - scene.start >= 1.99 for scene in film.scenes)


@pytest.mark.parametrize("aspect", [1.0, 160 / 96, 96 / 160])
def test_things_stay_on_screen_and_move_as_named(aspect):
    wide, tall = max(aspect, 1.0), max(1 / aspect, 1.0)
    for seed in range(60):
        film = make_film(seed, duration=7.0, aspect=aspect)
        for scene in film.scenes:
            for thing in scene.things:
                length = scene.end - scene.start
                for elapsed in (0.0, length):
                    x, y = thing.at(elapsed)
                    assert thing.radius - 1e-6 <= x <= wide - thing.radius + 1e-6
                    assert thing.radius - 1e-6 <= y <= tall - thing.radius + 1e-6
                moved = np.subtract(thing.at(length), thing.at(0.0))
                assert tuple(np.sign(np.round(moved, 9)).astype(int)) == MOTIONS[thing.motion]


def test_colours_are_where_the_labels_say():
    """The mean colour of cells labelled with a colour is nearest to that colour's own."""
    names = list(COLOURS)
    table = np.array([COLOURS[name] for name in names], float)
    right = total = 0
    for seed in range(60):
        film = make_film(seed, duration=4.0)
        moment = 1.0
        labels = label_map(film, (moment, moment), SIZE, 16)
        picture = frame_at(film, moment, SIZE).astype(float)
        for row, column in zip(*np.nonzero(labels[..., 1] > 0), strict=True):
            cell = picture[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16].reshape(-1, 3)
            # Few pixels of a cell may belong to the thing: the most vivid ones do.
            truth = labels[row, column, 1] - 1
            distance = np.linalg.norm(cell[:, None] - table[None], axis=-1).min(0)
            right += distance[truth] <= np.sort(distance)[1]
            total += 1
    assert total > 300
    assert right / total > 0.95


def test_label_map_matches_the_one_made_with_the_frames():
    film = make_film(3, duration=4.0)
    frames, labels = unit_at(film, (1.0, 2.0), (96, 160), 16)
    assert frames.shape == (2, 96, 160, 3)
    assert frames.dtype == np.uint8
    assert labels.shape == (6, 10, len(CHANNELS))
    assert np.array_equal(labels, label_map(film, (1.0, 2.0), (96, 160), 16))
    for channel, classes in enumerate(CHANNELS.values()):
        seen = np.unique(labels[..., channel])
        assert all(value == IGNORE or 0 <= value < classes for value in seen)


@pytest.mark.parametrize("family", BACKGROUNDS)
def test_backgrounds_are_dull_enough_to_stand_behind_things(family):
    from vtc_cli.train.world.background import draw_background

    picture = draw_background(family, 4, (60, 80))
    assert picture.shape == (60, 80, 3)
    spread = picture.max(-1) - picture.min(-1)
    assert float(np.median(spread)) < 90
    assert np.array_equal(picture, draw_background(family, 4, (60, 80)))


def test_a_film_looks_the_same_at_any_resolution():
    film = make_film(11, duration=4.0)
    large = frame_at(film, 1.0, (256, 256)).astype(float)
    small = large.reshape(128, 2, 128, 2, 3).mean((1, 3))
    difference = np.abs(small - frame_at(film, 1.0, SIZE)).mean()
    assert difference < 12


def _truth(film, question):
    """The answer found by brute force from the text alone."""
    things = film.things
    words = question.text.lower().replace("?", "").replace(".", "").split()
    shapes = [shape for shape in SHAPES if shape in words or f"{shape}s" in words or f"{shape}es" in words]
    colours = [colour for colour in COLOURS if colour in words]
    named = [
        thing for thing in things if (not shapes or thing.shape in shapes) and (not colours or thing.colour in colours)
    ]
    if question.skill == "colour":
        return [thing.colour for thing in named]
    if question.skill == "shape":
        return [thing.shape for thing in named]
    if question.skill == "exists":
        return ["yes" if named else "no"]
    if question.skill == "count":
        return [str(len(named))]
    if question.skill == "motion":
        return [thing.motion for thing in named]
    return [str(digit) for digit in film.digits]


@pytest.mark.parametrize("unseen", [False, True])
def test_answers_are_true_and_unambiguous(unseen):
    asked = Counter()
    for seed in range(150):
        film = make_film(seed, "validation", duration=8.0, scenes=1 + seed % 2)
        rng = np.random.default_rng(seed)
        for skill, questions in ask_all(film, rng, unseen).items():
            for question in questions:
                assert question.skill == skill
                assert question.answer in ANSWERS[skill]
                assert _truth(film, question) == [question.answer], question
                asked[skill] += 1
    assert set(asked) == set(SKILLS)
    assert min(asked.values()) > 50


def test_one_phrasing_is_never_used_in_training():
    kept = {skill: phrases[-1].split("{")[0] for skill, phrases in PHRASINGS.items()}
    for seed in range(100):
        film = make_film(seed, duration=4.0)
        for question in ask_some(film, np.random.default_rng(seed), 20):
            assert not question.text.startswith(kept[question.skill])
        for question in ask_some(film, np.random.default_rng(seed), 20, unseen=True):
            assert question.text.startswith(kept[question.skill])


def test_exists_is_balanced_and_no_needs_binding():
    answers, bound = Counter(), 0
    for seed in range(200):
        film = make_film(seed, duration=4.0, min_things=2)
        for question in ask_all(film, np.random.default_rng(seed))["exists"]:
            answers[question.answer] += 1
            if question.answer == "no":
                words = question.text.replace("?", "").split()
                colour, shape = words[-2], words[-1]
                if shape not in SHAPES:
                    colour, shape = words[-3], words[-2]
                bound += any(t.colour == colour for t in film.things) and any(t.shape == shape for t in film.things)
    assert abs(answers["yes"] - answers["no"]) <= 0.05 * answers.total()
    assert bound / answers["no"] > 0.15


def test_mp4_holds_the_film(tmp_path):
    import av

    film = make_film(2, duration=2.0)
    path = tmp_path / "film.mp4"
    write_mp4(film, path, fps=10, height=128)
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert len(frames) == 20
    for time, picture in frames[::5]:
        wanted = frame_at(film, time, SIZE).astype(float)
        assert np.abs(picture - wanted).mean() < 14
