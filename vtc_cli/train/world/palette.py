"""The words of the world: what things can look like, how they can move, and what only tests show."""

from __future__ import annotations

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 35, 35),
    "orange": (250, 140, 20),
    "yellow": (245, 225, 50),
    "green": (40, 175, 60),
    "blue": (40, 90, 230),
    "purple": (130, 50, 190),
    "pink": (250, 130, 190),
    "white": (245, 245, 245),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
MOTIONS: dict[str, tuple[int, int]] = {  # words -> (dx, dy) of the picture, y down
    "left": (-1, 0),
    "right": (1, 0),
    "up": (0, -1),
    "down": (0, 1),
    "still": (0, 0),
}
TEXTURES = ("flat", "striped", "dotted", "shaded")
WORDS = ("stop", "exit", "open", "help", "taxi", "cafe", "bank", "park", "fire", "sale", "wait", "home")

SPLITS = {"train": 0, "validation": 1, "test": 2}
# No family is shared between splits: what a model learnt about one background says nothing about another.
BACKGROUNDS: dict[str, tuple[str, ...]] = {
    "train": ("plain", "gradient", "stripes", "clouds", "clutter", "noise", "fog"),
    "validation": ("checks", "waves"),
    "test": ("hills", "bokeh", "bricks"),
}

Pair = tuple[str, str]  # (colour, shape)
PAIRS: tuple[Pair, ...] = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
# One shape of every colour is never shown, nor named, outside the test split.
HELD_OUT: frozenset[Pair] = frozenset((colour, SHAPES[(index * 5 + 2) % 6]) for index, colour in enumerate(COLOURS))


def allowed_pairs(split: str) -> tuple[Pair, ...]:
    """The colour-shape pairs a split may show or name."""
    return PAIRS if split == "test" else tuple(pair for pair in PAIRS if pair not in HELD_OUT)
