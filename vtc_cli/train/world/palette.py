"""The words of the world: what things can look like and how they can move."""

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
BACKGROUNDS = ("plain", "gradient", "stripes", "clouds", "clutter", "noise")
