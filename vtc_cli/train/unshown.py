"""What training does about colour-shape pairs that only tests show, so that a model can tell them when they come.

Left alone, a tower learns that a blue thing is no cross: over pairs it had never seen it told 54 % of the shapes, over
others 92 %. That a pair is missing from training is no fact of the world. So nothing is learnt from a wrong guess that
would complete a missing pair (`unjudged`), and things come in colours without a name too (`repainted`) or in none
(`colourless`), in which every shape is seen next to, though never in, the colour that it is never shown in.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vtc_cli.train.world import Film, Thing
from vtc_cli.train.world.labels import IGNORE
from vtc_cli.train.world.palette import COLOURS, HELD_OUT, SHAPES

APART = 80.0  # RGB distance that a colour without a name keeps from those its shape is never shown in
# The same for white and a tint: white lies in a corner of the colour cube, where 80 would leave no pale colour at all,
# and a shape that is never pale is not known in white. Drifting light moves white along the greys, not into a hue.
PALE = 45.0
TINTED = 40.0  # between the strongest and the weakest of red, green and blue, from which on a paint has a hue
NEVER = -1e4  # added to a logit that is not judged
GREY = np.array([0.299, 0.587, 0.114])  # how bright red, green and blue are (ITU-R BT.601)


def repainted(film: Film, rng: np.random.Generator) -> Film:
    """The same film in colours without a name, one for each thing."""
    scenes = tuple(
        replace(scene, things=tuple(replace(thing, paint=_paint(thing, rng)) for thing in scene.things))
        for scene in film.scenes
    )
    return replace(film, scenes=scenes)


def _paint(thing: Thing, rng: np.random.Generator) -> tuple[int, int, int]:
    while True:
        paint = np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.15, 1), rng.uniform(0.45, 1))) * 255
        if _apart(thing, paint):
            return int(paint[0]), int(paint[1]), int(paint[2])


def _apart(thing: Thing, paint: NDArray[np.float64]) -> bool:
    missing = [np.array(COLOURS[colour]) for colour, shape in HELD_OUT if shape == thing.shape]
    hue = np.ptp(paint) >= TINTED
    return all(np.linalg.norm(paint - colour) >= (PALE if hue and np.ptp(colour) == 0 else APART) for colour in missing)


def colourless(
    frames: NDArray[np.uint8], labels: NDArray[np.int64], film: Film, channel: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The same frames in greys, under labels that ask for no colour; unchanged where that would show a missing pair.

    frames: uint8 [n, H, W, 3]; labels: int64 [..., channels]; channel: which of them is the colour.
    """
    if not all(_apart(thing, np.full(3, GREY @ (thing.paint or COLOURS[thing.colour]))) for thing in film.things):
        return frames, labels
    grey = np.repeat((frames @ GREY)[..., None], 3, axis=-1).astype(np.uint8)
    asked = labels.copy()
    asked[..., channel] = np.where(labels[..., channel] > 0, IGNORE, labels[..., channel])
    return grey, asked


def unjudged(kinds: int, colours: int) -> tuple[Tensor, Tensor]:
    """Added to the logits of a cell's kind, by its true colour, and of its colour, by its true kind.

    float32 [colours, kinds] and [kinds, colours], classes as in the label map (0 is nothing); NEVER for missing pairs.
    """
    table = torch.zeros(colours, kinds)
    for colour, shape in HELD_OUT:
        table[list(COLOURS).index(colour) + 1, SHAPES.index(shape) + 1] = NEVER
    return table, table.T.contiguous()


class Missing:
    """Which tokens of an answer would name a pair that training never shows."""

    def __init__(self, tokenizer: Any):
        """tokenizer: one in which every colour and every shape is one token, with and without a space before it."""
        self._colours, self._shapes = (self._tokens(tokenizer, names) for names in (COLOURS, SHAPES))
        self._ids = {
            name: [token for token, other in table.items() if other == name]
            for table in (self._colours, self._shapes)
            for name in table.values()
        }

    def of(self, question: str, answer: Sequence[int]) -> list[tuple[int, int]]:
        """(index into `answer`, token) for every token that is not judged there.

        A shape after a colour in the same answer; a colour or a shape when the question names the other one alone.
        """
        colour, shape = self._named(question)
        found = []
        for index, token in enumerate(answer):
            never = [other for name, other in HELD_OUT if name == colour]
            never += [name for name, other in HELD_OUT if other == shape]
            found += [(index, item) for name in never for item in self._ids[name]]
            if token in self._colours:
                colour, shape = self._colours[token], None
            elif token in self._shapes:
                colour, shape = None, None
        return found

    @staticmethod
    def _named(question: str) -> tuple[str | None, str | None]:
        words = re.findall(r"[a-z]+", question)
        colours = {word for word in words if word in COLOURS}
        shapes = {word for word in words if word in SHAPES}
        if len(colours) == 1 and not shapes:
            return colours.pop(), None
        if len(shapes) == 1 and not colours:
            return None, shapes.pop()
        return None, None

    @staticmethod
    def _tokens(tokenizer: Any, names: Iterable[str]) -> dict[int, str]:
        found = {}
        for name in names:
            for text in (name, f" {name}"):
                ids = tokenizer.encode(text).ids
                if len(ids) != 1:
                    raise ValueError(f"{text!r} is {len(ids)} tokens, not one")
                found[ids[0]] = name
        return found
