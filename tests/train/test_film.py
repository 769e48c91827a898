"""A seed is a film, and the film keeps its promises about what is where."""

from itertools import pairwise

import numpy as np
import pytest

from vtc_cli.train.world import frame_at, make_film, make_long_film
from vtc_cli.train.world.film import Caption, Post, Thing
from vtc_cli.train.world.palette import BACKGROUNDS, HELD_OUT, MOTIONS, PAIRS, SHAPES, SPLITS, TEXTURES, allowed_pairs
from vtc_cli.train.world.render import shown_at

SIZE = (128, 128)
MAKERS = (make_film, make_long_film)


@pytest.mark.parametrize("maker", MAKERS)
def test_a_seed_is_a_film(maker):
    film = maker(5, duration=40.0)
    assert film == maker(5, duration=40.0)
    assert np.array_equal(frame_at(film, 1.0, SIZE), frame_at(film, 1.0, SIZE))
    assert film != maker(6, duration=40.0)


@pytest.mark.parametrize("maker", MAKERS)
def test_splits_share_no_film_and_no_background(maker):
    scenes, families = {}, {}
    for split in SPLITS:
        made = [maker(seed, split, 14.0) for seed in range(40)]
        scenes[split] = {(scene.background_seed, scene.things) for film in made for scene in film.scenes}
        families[split] = {scene.background for film in made for scene in film.scenes}
    assert families == {split: set(names) for split, names in BACKGROUNDS.items()}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not scenes[one] & scenes[other]
        assert not families[one] & families[other]


def test_a_pair_of_every_colour_is_held_out():
    assert len(HELD_OUT) == 8
    assert len({colour for colour, _ in HELD_OUT}) == 8
    assert {shape for _, shape in HELD_OUT} == set(SHAPES)
    assert set(allowed_pairs("train")) == set(allowed_pairs("validation")) == set(PAIRS) - HELD_OUT


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("split", SPLITS)
def test_held_out_pairs_are_shown_in_tests_only(maker, split):
    shown = {thing.pair for seed in range(120) for thing in maker(seed, split, 21.0).things}
    assert shown == (set(PAIRS) if split == "test" else set(PAIRS) - HELD_OUT)


@pytest.mark.parametrize(("duration", "scenes"), [(12.0, 1), (12.0, 2), (12.0, 6), (60.0, 8)])
def test_scenes_tile_the_film(duration, scenes):
    for seed in range(30):
        film = make_film(seed, duration=duration, scenes=scenes)
        assert len(film.scenes) == scenes
        assert film.scenes[0].start == 0.0
        assert film.scenes[-1].end == duration
        assert all(a.end == b.start for a, b in pairwise(film.scenes))
        assert all(scene.end - scene.start >= 1.99 for scene in film.scenes)
        for scene in film.scenes:
            assert film.scene_at(scene.start) is scene
            assert film.scene_at((scene.start + scene.end) / 2) is scene
        assert film.scene_at(duration) is film.scenes[-1]


@pytest.mark.parametrize("aspect", [1.0, 16 / 9, 9 / 16])
def test_things_stay_on_screen_and_move_as_named(aspect):
    wide, tall = max(aspect, 1.0), max(1 / aspect, 1.0)
    textures = set()
    for seed in range(60):
        film = make_film(seed, "test", duration=9.0, scenes=1 + seed % 3, aspect=aspect)
        for scene in film.scenes:
            length = scene.end - scene.start
            assert len({thing.pair for thing in scene.things}) == len(scene.things)
            for thing in scene.things:
                for elapsed in (0.0, length):
                    x, y = thing.at(elapsed)
                    assert thing.radius - 1e-6 <= x <= wide - thing.radius + 1e-6
                    assert thing.radius - 1e-6 <= y <= tall - thing.radius + 1e-6
                moved = np.subtract(thing.at(length), thing.at(0.0))
                assert tuple(np.sign(np.round(moved, 9)).astype(int)) == MOTIONS[thing.motion]
                assert thing.motion == "still" or np.hypot(*moved) >= 0.049 * length
                textures.add(thing.texture)
    assert textures == set(TEXTURES)


def test_as_many_things_as_asked():
    counts = [len(make_film(seed, duration=6.0, min_things=2, max_things=3).things) for seed in range(60)]
    assert set(counts) == {2, 3}
    assert max(len(make_film(seed, duration=6.0).things) for seed in range(60)) == 6


@pytest.mark.parametrize("aspect", [1.0, 16 / 9])
def test_captions_lie_inside_their_scene_and_the_picture(aspect):
    found = 0
    for seed in range(80):
        film = make_film(seed, "test", 12.0, 1 + seed % 3, aspect)
        for scene in film.scenes:
            if scene.caption is None:
                continue
            found += 1
            assert scene.start <= scene.caption.start < scene.caption.end <= scene.end + 1e-9
            assert scene.caption.end - scene.caption.start >= 1.99
            size = (128, round(128 * aspect))
            middle = (scene.caption.start + scene.caption.end) / 2
            box = next(item for item in shown_at(film, middle, size) if isinstance(item.what, Caption))
            top, left = box.corner
            assert top > 0
            assert left > 0
            assert top + box.mask.shape[0] < size[0]
            assert left + box.mask.shape[1] < size[1]
            assert not any(isinstance(i.what, Caption) for i in shown_at(film, scene.caption.start - 0.01, size))
            assert not any(isinstance(i.what, Caption) for i in shown_at(film, scene.caption.end, size))
    assert found > 40


def test_nothing_is_hidden_for_good():
    """At the best of five moments most of every thing shows; a post alone never hides more than a part of it."""
    posts = 0
    for seed in range(150):
        film = make_film(seed, "test", 6.0)
        seen = {thing.pair: 0.0 for thing in film.things}
        for moment in np.linspace(0.0, 5.99, 5):
            shown = shown_at(film, moment, SIZE)
            for place, item in enumerate(shown):
                if not isinstance(item.what, Thing):
                    continue
                left = _canvas(item)
                whole = left.sum()
                for cover in shown[place + 1 :]:
                    if isinstance(cover.what, Post):
                        posts += 1
                        assert (left * _canvas(cover)).sum() < 0.85 * whole
                    left = left * (1 - _canvas(cover))
                seen[item.what.pair] = max(seen[item.what.pair], left.sum() / whole)
        assert min(seen.values()) > 0.3, (seed, seen)
    assert posts > 200


def _canvas(item):
    full = np.zeros(SIZE, np.float32)
    top, left = item.corner
    full[top : top + item.mask.shape[0], left : left + item.mask.shape[1]] = item.mask
    return full
