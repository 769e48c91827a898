"""Films: what is on screen, where and when, drawn from a seed. The truth every question is answered from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vtc_cli.train.world.palette import BACKGROUNDS, COLOURS, MOTIONS, SHAPES

SPLITS = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class Thing:
    """A shape that moves in a straight line during its scene.

    start: (x, y) at the scene's start; velocity: per second; radius: all in units of the picture's short side.
    """

    shape: str
    colour: str
    motion: str
    start: tuple[float, float]
    velocity: tuple[float, float]
    radius: float
    turn: float
    tint: float

    def at(self, elapsed: float) -> tuple[float, float]:
        """Centre (x, y), `elapsed` seconds after the scene's start."""
        return self.start[0] + self.velocity[0] * elapsed, self.start[1] + self.velocity[1] * elapsed


@dataclass(frozen=True)
class Digit:
    """A digit shown on top of a scene. start, end: seconds of the film; height: share of the short side."""

    value: int
    start: float
    end: float
    centre: tuple[float, float]
    height: float


@dataclass(frozen=True)
class Scene:
    """One shot. start, end: seconds of the film."""

    start: float
    end: float
    background: str
    background_seed: int
    things: tuple[Thing, ...]
    digit: Digit | None


@dataclass(frozen=True)
class Film:
    """Scenes in order. aspect: width / height of the picture; grain: noise in grey levels."""

    seed: tuple[int, int]
    duration: float
    aspect: float
    grain: float
    scenes: tuple[Scene, ...]

    def scene_at(self, time: float) -> Scene:
        """The scene on screen at `time` seconds; the last one from its start on."""
        for scene in self.scenes:
            if time < scene.end:
                return scene
        return self.scenes[-1]

    @property
    def things(self) -> tuple[Thing, ...]:
        """Everything that appears in the film."""
        return tuple(thing for scene in self.scenes for thing in scene.things)

    @property
    def digits(self) -> tuple[int, ...]:
        """Every digit shown, in order."""
        return tuple(scene.digit.value for scene in self.scenes if scene.digit)


def make_film(
    seed: int,
    split: str = "train",
    duration: float = 8.0,
    scenes: int = 1,
    aspect: float = 1.0,
    min_things: int = 1,
    max_things: int = 4,
) -> Film:
    """A film from a seed. The splits never share a random stream.

    duration: seconds. scenes: how many shots it is cut into, of at least 2 s each.
    """
    rng = np.random.default_rng((SPLITS[split], seed))
    cuts = _cuts(rng, duration, scenes)
    limit = max(1, max_things if scenes == 1 else max_things - 1)
    digit_scene = int(rng.integers(scenes)) if rng.random() < 0.6 else -1
    shots = []
    for index, (start, end) in enumerate(pairwise(cuts)):
        digit = _digit(rng, start, end, aspect) if index == digit_scene else None
        count = int(rng.integers(min_things, limit + 1))
        things = _things(rng, count, end - start, aspect, digit)
        background = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
        shots.append(Scene(start, end, background, int(rng.integers(2**31)), things, digit))
    return Film((SPLITS[split], seed), duration, aspect, float(rng.uniform(0, 9)), tuple(shots))


def _cuts(rng: np.random.Generator, duration: float, scenes: int) -> list[float]:
    if scenes == 1:
        return [0.0, duration]
    spare = duration - 2.0 * scenes
    shares = rng.dirichlet(np.full(scenes, 3.0)) * max(spare, 0.0) + min(2.0, duration / scenes)
    edges = np.concatenate([[0.0], np.cumsum(shares)])
    edges[-1] = duration
    return [float(edge) for edge in edges]


def _digit(rng: np.random.Generator, start: float, end: float, aspect: float) -> Digit:
    """A digit for all of a short scene or at least two seconds of a longer one."""
    length = min(end - start, max(2.0, float(rng.uniform(0.4, 1.0)) * (end - start)))
    begin = float(rng.uniform(start, end - length))
    height = float(rng.uniform(0.2, 0.34))
    wide, tall = max(aspect, 1.0), max(1 / aspect, 1.0)
    centre = (float(rng.uniform(0.16, wide - 0.16)), float(rng.uniform(0.2, tall - 0.2)))
    return Digit(int(rng.integers(10)), begin, begin + length, centre, height)


def _things(
    rng: np.random.Generator, count: int, length: float, aspect: float, digit: Digit | None
) -> tuple[Thing, ...]:
    wide, tall = max(aspect, 1.0), max(1 / aspect, 1.0)
    placed: list[Thing] = []
    repeat_shape, repeat_colour = rng.random() < 0.35, rng.random() < 0.35
    for _ in range(count * 12):
        if len(placed) == count:
            break
        shape = SHAPES[rng.integers(len(SHAPES))]
        colour = list(COLOURS)[rng.integers(len(COLOURS))]
        if placed and repeat_shape and rng.random() < 0.6:
            shape = placed[0].shape
        if placed and repeat_colour and rng.random() < 0.6:
            colour = placed[0].colour
        if any(other.shape == shape and other.colour == colour for other in placed):
            continue
        thing = _moving(rng, shape, colour, length, wide, tall)
        if thing is not None and _clear(thing, placed, length, digit):
            placed.append(thing)
    return tuple(placed)


def _moving(rng: np.random.Generator, shape: str, colour: str, length: float, wide: float, tall: float) -> Thing | None:
    """A thing whose whole path stays on screen, or None when the chosen speed leaves no room."""
    radius = float(rng.uniform(0.09, 0.19))
    motion = list(MOTIONS)[rng.integers(len(MOTIONS))]
    direction = MOTIONS[motion]
    roomy = (wide if direction[0] else tall) - 2 * radius
    slow = 0.05
    fast = min(0.16, roomy / max(length, 1e-6))
    if motion != "still" and fast < slow:
        return None
    speed = float(rng.uniform(slow, fast)) if motion != "still" else 0.0
    velocity = (direction[0] * speed, direction[1] * speed)
    travel = (velocity[0] * length, velocity[1] * length)
    low_x, high_x = radius - min(travel[0], 0.0), wide - radius - max(travel[0], 0.0)
    low_y, high_y = radius - min(travel[1], 0.0), tall - radius - max(travel[1], 0.0)
    if low_x > high_x or low_y > high_y:
        return None
    start = (float(rng.uniform(low_x, high_x)), float(rng.uniform(low_y, high_y)))
    return Thing(
        shape, colour, motion, start, velocity, radius, float(rng.uniform(-0.25, 0.25)), float(rng.uniform(0.86, 1.06))
    )


def _clear(thing: Thing, others: list[Thing], length: float, digit: Digit | None) -> bool:
    """Partial overlap may happen on the way, but nothing is ever hidden for good."""
    moments = np.linspace(0.0, length, 5)
    for other in others:
        gap = 0.85 * (thing.radius + other.radius)
        apart = [np.hypot(*np.subtract(thing.at(t), other.at(t))) > gap for t in moments]
        if sum(apart) < len(apart):
            return False
    if digit is not None:
        gap = 0.8 * (thing.radius + digit.height / 2)
        return all(np.hypot(*np.subtract(thing.at(t), digit.centre)) > gap for t in moments)
    return True
