"""Training neither shows the missing pairs nor learns that they are missing."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from vtc_cli.train.tokenizer import make_tokenizer
from vtc_cli.train.unshown import APART, NEVER, PALE, TINTED, Missing, colourless, repainted, unjudged
from vtc_cli.train.vision import Heads, vision_batch, vision_loss
from vtc_cli.train.world import make_film
from vtc_cli.train.world.film import Thing
from vtc_cli.train.world.labels import IGNORE, unit_at
from vtc_cli.train.world.palette import COLOURS, HELD_OUT, SHAPES


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from tokenizers import Tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def test_a_colour_without_a_name_is_far_from_those_its_shape_is_never_shown_in():
    things = [thing for seed in range(200) for thing in repainted(make_film(seed), np.random.default_rng(seed)).things]
    assert len(things) > 400
    for colour, shape in HELD_OUT:
        least = PALE if colour == "white" else APART
        near = [math.dist(thing.paint, COLOURS[colour]) for thing in things if thing.shape == shape]
        assert min(near) >= least - 2  # whole numbers of grey levels
        others = [math.dist(thing.paint, COLOURS[colour]) for thing in things if thing.shape != shape]
        assert min(others) < least - 2


def test_a_shape_never_shown_in_white_is_pale_only_with_a_hue():
    (shape,) = (shape for colour, shape in HELD_OUT if colour == "white")
    seeds = range(1200)
    paints = [
        thing.paint
        for seed in seeds
        for thing in repainted(make_film(seed), np.random.default_rng(seed)).things
        if thing.shape == shape
    ]
    pale = [paint for paint in paints if math.dist(paint, COLOURS["white"]) < APART - 2]
    assert pale
    assert all(max(paint) - min(paint) >= TINTED - 2 for paint in pale)


def test_repainting_changes_the_picture_and_unknows_the_colour_only():
    film = make_film(3)
    odd = repainted(film, np.random.default_rng(0))
    (plain, truth), (painted, told) = (unit_at(item, (0.5, 1.5), (128, 128), 16) for item in (film, odd))
    assert (plain != painted).any()
    coloured = truth[..., 1] > 0
    assert coloured.any()
    assert (told[..., 1][coloured] == IGNORE).all()
    assert (told[..., [0, 2, 3, 4]] == truth[..., [0, 2, 3, 4]]).all()


def test_what_is_not_judged_is_what_is_never_shown():
    by_colour, by_kind = unjudged(8, 9)
    never = {(list(COLOURS)[colour - 1], SHAPES[kind - 1]) for colour, kind in (by_colour == NEVER).nonzero().tolist()}
    assert never == HELD_OUT
    assert torch.equal(by_colour.T, by_kind)


def test_the_tower_does_not_learn_that_a_pair_is_missing():
    """No gradient reaches the read-out of `cross` from a cell that holds something blue; it does elsewhere."""
    from vtc_cli.train.architecture import build
    from vtc_cli.train.forward import Blocks

    colour, shape = next(iter(HELD_OUT))
    kind, tone = SHAPES.index(shape) + 1, list(COLOURS).index(colour) + 1
    tower = build(
        {
            "<|im_end|>": 2,
            "<|endoftext|>": 0,
            "<|image_pad|>": 5,
            "<|video_pad|>": 6,
            "<|vision_start|>": 3,
            "<|vision_end|>": 4,
            "size": 300,
        },
        depth=2,
        hidden=64,
        layers=2,
        text_hidden=64,
    ).model.visual
    heads = Heads(64, 2)
    frames, labels = vision_batch(0, 2)
    for held, moved in (((kind % 6 + 1, tone), False), ((kind % 6 + 1, tone % 8 + 1), True)):
        labels[:] = 0
        labels[..., 0], labels[..., 1] = held
        loss, _ = vision_loss(tower, heads, frames, labels, 0, torch.float32, Blocks.choose(False))
        (change,) = torch.autograd.grad(loss, heads.reads[0].bias)
        assert (change[kind] != 0) == moved


def test_a_film_in_greys_asks_for_shapes_but_no_colours():
    film = replace(make_film(3), scenes=(replace(make_film(3).scenes[0], things=(_thing("red", "star"),)),))
    frames, labels = unit_at(film, (1.0, 2.0), (128, 128), 16)
    grey, asked = colourless(frames, labels, film, 1)
    assert (grey == grey[..., :1]).all()
    assert not (frames == frames[..., :1]).all()
    there = labels[..., 0] > 0
    assert there.any()
    assert (asked[..., 1][labels[..., 1] > 0] == IGNORE).all()
    assert (asked[..., 1][labels[..., 1] <= 0] == labels[..., 1][labels[..., 1] <= 0]).all()
    assert (np.delete(asked, 1, -1) == np.delete(labels, 1, -1)).all()


def test_what_would_be_a_missing_pair_in_greys_keeps_its_colours():
    """A yellow square is nearly white in greys, and no white square may be seen."""
    film = replace(make_film(3), scenes=(replace(make_film(3).scenes[0], things=(_thing("yellow", "square"),)),))
    frames, labels = unit_at(film, (1.0, 2.0), (128, 128), 16)
    same, asked = colourless(frames, labels, film, 1)
    assert same is frames
    assert asked is labels


@pytest.mark.parametrize(
    ("question", "answer", "guesses"),
    [
        ("What colour is the cross?", "red", {(0, "blue")}),
        ("Which shape is blue?", "star", {(0, "cross")}),
        ("Describe the scene.", "A blue star moving up.", {(2, "cross")}),
        ("Describe the scene.", "A blue star moving up and a green cross.", {(2, "cross"), (8, "ring")}),
        ("Which came first, the red star or the blue ring?", "blue ring", {(1, "cross")}),
        ("Is there a red star?", "yes", set()),
        ("How many crosses are there?", "2", set()),
    ],
)
def test_an_answer_is_not_judged_where_it_would_name_a_missing_pair(tokenizer, question, answer, guesses):
    found = Missing(tokenizer).of(question, tokenizer.encode(answer).ids)
    assert {(index, tokenizer.decode([token]).strip()) for index, token in found} == guesses


def test_a_tokenizer_that_splits_names_is_refused():
    from tokenizers import Tokenizer, models

    with pytest.raises(ValueError, match="tokens, not one"):
        Missing(Tokenizer(models.BPE()))


def _thing(colour, shape):
    return Thing(shape, colour, "still", (0.5, 0.5), (0.0, 0.0), 0.2, 0.0, 1.0)
