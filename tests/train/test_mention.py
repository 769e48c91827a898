"""What a question's words are asked about the things they name is what the film shows."""

from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer

from vtc_cli.models.catalog import TINY_FOLDER
from vtc_cli.train.clock import BLANK
from vtc_cli.train.mention import FIELDS, UNKNOWN, Mentions, Told, mention_loss
from vtc_cli.train.packing import exchange, pack
from vtc_cli.train.story import TEXTS, UNREAD
from vtc_cli.train.world import make_film
from vtc_cli.train.world.film import Caption, Thing

TIMES = [(2.0 * index, 2.0 * index + 1.0) for index in range(6)]
NEVER = (UNKNOWN,) * (FIELDS - 1)


def thing(colour, shape, motion="still", at=(0.5, 0.5)):
    velocity = {"still": (0.0, 0.0), "right": (0.05, 0.0)}[motion]
    return Thing(shape, colour, motion, at, velocity, 0.1, 0.0, 1.0)


@pytest.fixture
def told():
    """A red star from 0 to 4 s with the digit 4; a blue star and a green ring from 4 to 12 s."""
    plain = make_film(5, duration=12.0, scenes=2)
    shown = Caption("4", 1.0, 3.0, (0.5, 0.5), 0.2)
    first, second = plain.scenes
    scenes = (
        replace(first, start=0.0, end=4.0, caption=shown, things=(thing("red", "star", at=(0.1, 0.9)),)),
        replace(
            second,
            start=4.0,
            end=12.0,
            caption=None,
            things=(thing("blue", "star", "right", at=(0.2, 0.5)), thing("green", "ring")),
        ),
    )
    return Told(replace(plain, scenes=scenes, aspect=1.0), TIMES, TIMES)


def test_all_that_is_shown_of_a_thing(told):
    question = "When does the red star appear?"
    (at, facts), *others = told.mentions(question)
    assert not others
    assert question[: at + 1].endswith("red star")
    there, units, still, bottom_left = 1, 2, 4, 6
    assert facts == (there, units, still, bottom_left, TEXTS.index("4"), BLANK, BLANK, BLANK, 0, 5)


def test_a_thing_that_leaves_its_ninth_and_a_shot_without_text(told):
    (_, facts), *_ = told.mentions("Which way does the blue star move?")
    right = 1
    assert facts == (1, 4, right, UNKNOWN, UNREAD, BLANK, BLANK, BLANK, 4, 5)


@pytest.mark.parametrize("name", ["green star", "digit 5", "word", "circle"])
def test_what_is_not_shown_is_not_there(told, name):
    assert [facts for _, facts in told.mentions(f"When is the {name} shown?")] == [(0, *NEVER)]


def test_of_two_stars_only_that_they_are_there_is_known(told):
    assert [facts for _, facts in told.mentions("Where is the star?")] == [(1, *NEVER)]


def test_a_caption_has_times_and_text(told):
    for question in ("How long is the digit there?", "How long is the digit 4 there?"):
        (_, facts), *_ = told.mentions(question)
        assert facts == (1, 2, UNKNOWN, UNKNOWN, TEXTS.index("4"), BLANK, BLANK, BLANK, 0, 5)


def test_several_things_of_one_question(told):
    named = told.mentions("Which came first, the red star or the green ring?")
    assert [facts[0] for _, facts in named] == [1, 1]
    assert told.mentions("How many stars are there?") == []


def test_a_label_lies_at_the_last_token_of_the_name(told):
    tokenizer = Tokenizer.from_file(str(TINY_FOLDER / "tokenizer.json"))
    questions = ["How many things are there?", "Where is the red star?", "Where is the green star?"]
    items = [exchange(tokenizer, text, "1", 0, mentions=told.mentions(text)) for text in questions]
    packed = pack([items])
    assert packed["mentions"].shape == (2, 2 + FIELDS)
    for row, there in zip(packed["mentions"], (1, 0), strict=True):
        assert tokenizer.decode([int(packed["ids"][0, row[1]])]).strip() == "star"
        assert row[2] == there


def test_rows_that_hold_the_truth_are_read(told):
    truth = torch.tensor([facts for _, facts in told.mentions("the red star or the blue star or the white ring")])
    torch.manual_seed(0)
    for rows, knows in ((torch.eye(3, 16), True), (torch.zeros(3, 16), False)):
        mentions = Mentions(16)
        optimiser = torch.optim.Adam(mentions.parameters(), 0.05)
        for _ in range(60):
            loss, figures = mention_loss(mentions, rows, truth)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert (min(figures.values()) == 1.0) is knows


def test_no_mention_costs_nothing():
    loss, figures = mention_loss(Mentions(16), torch.zeros(0, 16), torch.zeros(0, FIELDS, dtype=torch.long))
    assert loss == 0
    assert figures == {}
