"""What every cell is asked about its shot is what the film shows."""

from dataclasses import replace

import pytest
import torch

from vtc_cli.train.clock import BLANK
from vtc_cli.train.story import TEXTS, UNREAD, Story, shots, story_loss
from vtc_cli.train.world import make_film
from vtc_cli.train.world.film import Caption

TIMES = [(2.0 * index, 2.0 * index + 1.0) for index in range(6)]


@pytest.fixture
def film():
    """Shots from 0 to 3 and 3 to 12 s; a digit from 5 to 7 s."""
    plain = make_film(5, duration=12.0, scenes=2)
    shown = Caption("4", 5.0, 7.0, (0.5, 0.5), 0.2)
    first, second = plain.scenes
    return replace(plain, scenes=(replace(first, end=3.0, caption=None), replace(second, start=3.0, caption=shown)))


def test_a_shot_began_with_the_first_unit_that_shows_it(film):
    tags = [(first + 100, last + 100) for first, last in TIMES]
    began = shots([film], TIMES, tags).began[0].tolist()
    first, second = [BLANK, 1, 0, 0, 5], [BLANK, 1, 0, 2, 5]
    assert began == [first, second, second, second, second, second]


def test_text_is_known_in_the_units_after_it(film):
    four = TEXTS.index("4")
    assert shots([film], TIMES, TIMES).text[0].tolist() == [UNREAD, UNREAD, UNREAD, four, four, four]


def test_the_moment_after_the_last_shot_belongs_to_it(film):
    late = [*TIMES, (12.0, 13.0)]
    assert shots([film], late, late).began[0, -1].tolist() == [BLANK, BLANK, BLANK, 2, 5]


@pytest.mark.parametrize("knows", [True, False])
def test_rows_that_hold_the_truth_are_read(film, knows):
    truth = shots([film], TIMES, TIMES)
    torch.manual_seed(0)
    told = torch.nn.functional.one_hot(torch.arange(6), 16).float()[None, :, None].expand(1, 6, 8, 16)
    rows = (told if knows else torch.zeros_like(told)).flatten(1, 2)
    story = Story(16)
    optimiser = torch.optim.Adam(story.parameters(), 0.05)
    for _ in range(60):
        loss, figures = story_loss(story, rows, truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (figures["began"] == figures["text"] == 1.0) is knows
