"""What the decoder's middle is asked about time is what the film shows."""

from dataclasses import replace

import pytest
import torch

from vtc_cli.train.clock import BLANK, LONGEST, NONE, Clock, clock_loss, hours
from vtc_cli.train.world import make_film
from vtc_cli.train.world.film import Caption

TIMES = [(2.0 * index, 2.0 * index + 1.0) for index in range(6)]


@pytest.fixture
def film():
    """Shots from 0 to 3, 3 to 7 and 7 to 12 s; a digit from 4 to 7 s."""
    plain = make_film(5, duration=12.0, scenes=3)
    cuts = (0.0, 3.0, 7.0, 12.0)
    shown = Caption("4", 4.0, 7.0, (0.5, 0.5), 0.2)
    scenes = tuple(
        replace(scene, start=cuts[index], end=cuts[index + 1], caption=shown if index == 1 else None)
        for index, scene in enumerate(plain.scenes)
    )
    return replace(plain, scenes=scenes)


def test_a_shot_is_as_old_as_the_units_that_showed_it(film):
    truth = hours([film], TIMES, TIMES)
    # The second unit's last frame shows the second shot for the first time, the fourth's the third.
    assert truth.shot.tolist() == [[0, 0, 1, 0, 1, 2]]
    assert truth.caption.tolist() == [[NONE, NONE, 0, NONE, NONE, NONE]]


def test_what_has_been_there_longer_is_as_old(film):
    one = replace(film, scenes=(replace(film.scenes[0], end=60.0),), duration=60.0)
    times = [(2.0 * index, 2.0 * index + 1.0) for index in range(12)]
    assert hours([one], times, times).shot[0].tolist() == [*range(LONGEST), *[LONGEST] * 5]


def test_a_tag_is_the_time_that_the_prompt_tells(film):
    tags = [(0.0, 0.0), (10.0, 11.0), (4100.0, 4101.0)]
    assert hours([film], TIMES[:3], tags).tag.tolist() == [
        [BLANK, BLANK, BLANK, 0, 0],
        [BLANK, BLANK, 1, 0, 5],
        [4, 1, 0, 0, 5],
    ]


def test_rows_that_hold_the_truth_are_read(film):
    """A read-out learns times that rows carry, and finds nothing in rows that do not."""
    truth = hours([film, film], TIMES, TIMES)
    torch.manual_seed(0)
    told = torch.nn.functional.one_hot(torch.arange(6), 16).float()[None, :, None].expand(2, 6, 8, 16)
    for cells, knows in ((told, True), (torch.zeros(2, 6, 8, 16), False)):
        rows, gates = cells.flatten(1, 2), cells[:, :, 0]
        clock = Clock(16)
        optimiser = torch.optim.Adam(clock.parameters(), 0.05)
        for _ in range(60):
            loss, figures = clock_loss(clock, rows, gates, truth, across=4)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert all((share > 0.99) == knows for share in figures.values()), figures


def test_before_a_caption_nobody_is_asked_for_it(film):
    """Only the last row of a unit's cells is asked: those before cannot have seen it."""
    truth = hours([film], TIMES, TIMES)
    clock = Clock(16)
    rows, gates = torch.randn(1, 48, 16, requires_grad=True), torch.zeros(1, 6, 16)
    only = replace(truth, tag=truth.tag * 0 + BLANK, shot=truth.shot * 0)
    loss, _ = clock_loss(clock, rows, gates, only, across=4)
    other, _ = clock_loss(clock, rows, gates, replace(only, caption=only.caption * 0), across=4)
    (change,) = torch.autograd.grad(loss - other, rows)
    cells = change.unflatten(1, (6, 8)).abs().sum(-1)[0]
    assert (cells[:, :4] == 0).all()
    assert (cells[:, 4:].sum(-1) > 0).tolist() == [True, True, False, True, True, True]
