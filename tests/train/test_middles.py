"""Every thing has one middle, and it is where the thing is drawn."""

from dataclasses import replace

import numpy as np
import pytest

from vtc_cli.train.vision import middles
from vtc_cli.train.world import make_film
from vtc_cli.train.world.film import Thing
from vtc_cli.train.world.labels import label_map


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (160, 96)])
def test_a_middle_lies_in_what_is_drawn_of_its_thing(size):
    asked = 0
    for seed in range(20):
        film = make_film(seed, duration=6.0, aspect=size[1] / size[0], max_things=1)
        film = replace(film, scenes=(replace(film.scenes[0], post=None, caption=None),))
        cells = middles(film, (2.0, 3.0), size)
        assert cells.sum() == len(film.things)
        for thing in film.things:
            if thing.shape != "ring":  # which is empty there
                asked += 1
                assert label_map(film, (2.0, 3.0), size, 16)[cells == 1][0, 0] != 0
    assert asked > 10


def test_a_pair_of_frames_on_both_sides_of_a_cut_shows_the_later_shot():
    things = [Thing("star", "red", "right", at, (0.1, 0.0), 0.1, 0.0, 1.0) for at in ((0.1, 0.1), (0.3, 0.7))]
    plain = make_film(5, duration=8.0, scenes=2)
    scenes = (
        replace(plain.scenes[0], end=4.0, things=(things[0],)),
        replace(plain.scenes[1], start=4.0, things=(things[1],)),
    )
    film = replace(plain, scenes=scenes)
    assert np.argwhere(middles(film, (2.0, 3.0), (128, 128))).tolist() == [[0, 2]]
    assert np.argwhere(middles(film, (3.5, 4.5), (128, 128))).tolist() == [[5, 2]]
