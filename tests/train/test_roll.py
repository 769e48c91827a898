"""Things are numbered as descriptions name them, and cells are asked only what they can know."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vtc_cli.train.roll import UNASKED, Roll, roll, roll_loss
from vtc_cli.train.world import make_film
from vtc_cli.train.world.film import Thing
from vtc_cli.train.world.labels import CHANNELS
from vtc_cli.train.world.palette import COLOURS, SHAPES

TIMES = [(0.0, 1.0), (2.0, 3.0), (4.0, 5.0), (6.0, 7.0)]


def thing(colour, shape):
    return Thing(shape, colour, "still", (0.5, 0.5), (0.0, 0.0), 0.1, 0.0, 1.0)


@pytest.fixture
def film():
    """Four things until 3.5 s, back to front in no order; one of them alone after that."""
    plain = make_film(5, duration=8.0, scenes=2)
    first, second = plain.scenes
    things = (thing("blue", "star"), thing("red", "ring"), thing("red", "circle"), thing("white", "ring"))
    scenes = (
        replace(first, start=0.0, end=3.5, things=things),
        replace(second, start=3.5, end=8.0, things=(thing("blue", "star"),)),
    )
    return replace(plain, scenes=scenes)


def seen(*cells):
    """The label map of a unit of one row, from what is in each cell: (colour, shape), or None."""
    labels = np.zeros((1, len(cells), len(CHANNELS)), np.int64)
    for column, pair in enumerate(cells):
        if pair:
            labels[0, column, :2] = SHAPES.index(pair[1]) + 1, list(COLOURS).index(pair[0]) + 1
    return labels


def test_numbers_go_colour_by_colour_and_then_shape_by_shape(film):
    cells = seen(("white", "ring"), ("blue", "star"), ("red", "ring"), ("red", "circle"), None)
    found = roll(film, TIMES, [cells] * 4).unflatten(0, (4, 5))
    assert found[1].tolist() == [
        [3, 0, 1, 3, 0, 1],  # the last of four, the only white one, the second of two rings
        [2, 0, 0, 3, 0, 0],
        [1, 1, 0, 3, 1, 1],
        [0, 0, 0, 3, 1, 0],
        [UNASKED] * 6,
    ]


def test_a_shot_is_not_asked_about_before_it_was_seen_whole(film):
    cells = seen(("blue", "star"), ("red", "ring"))
    found = roll(film, TIMES, [cells] * 4).unflatten(0, (4, 2))
    assert (found[0] == UNASKED).all()
    assert (found[2] == UNASKED).all(), "the first unit of the second shot"
    assert found[3].tolist() == [[0] * 6, [UNASKED] * 6], "the ring has gone"


def test_cells_that_are_too_mixed_to_judge_are_not_asked(film):
    cells = seen(("red", "ring"), ("red", "ring"))
    cells[0, 0, 0] = cells[0, 1, 1] = -100
    assert (roll(film, TIMES, [cells] * 4) == UNASKED).all()


def test_rows_that_hold_the_truth_are_read(film):
    cells = seen(("white", "ring"), ("blue", "star"), ("red", "ring"), ("red", "circle"))
    truth = roll(film, TIMES, [cells] * 4)[None]
    torch.manual_seed(0)
    for rows, knows in ((torch.eye(16), True), (torch.zeros(16, 16), False)):
        read = Roll(16)
        optimiser = torch.optim.Adam(read.parameters(), 0.05)
        for _ in range(60):
            loss, figures = roll_loss(read, rows[None], truth)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert (min(figures.values()) == 1.0) is knows


def test_nothing_to_ask_costs_nothing():
    loss, figures = roll_loss(Roll(16), torch.zeros(1, 4, 16), torch.full((1, 4, 6), UNASKED))
    assert loss == 0
    assert figures == {}
