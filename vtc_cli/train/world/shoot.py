"""Drawing films from a seed: short ones of a few scenes, and long ones in which a fact is shown once."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from vtc_cli.train.world.film import Camera, Caption, Film, Light, Post, Scene, Thing
from vtc_cli.train.world.font import width
from vtc_cli.train.world.palette import (
    BACKGROUNDS,
    HELD_OUT,
    MOTIONS,
    PAIRS,
    SPLITS,
    TEXTURES,
    WORDS,
    Pair,
    allowed_pairs,
)

SMALLEST = 0.075  # radius of a thing, short sides: ten pixels of a 128-pixel picture
SCENE = 8.0  # seconds; longer shots would leave things no room to move
MOMENTS = 5  # of a scene, at which things are kept apart


def fewest_scenes(duration: float) -> int:
    """How many shots a film of `duration` seconds needs, so that in each things have room to move."""
    return math.ceil(duration / SCENE)


def make_film(
    seed: int,
    split: str = "train",
    duration: float = 8.0,
    scenes: int = 1,
    aspect: float = 1.0,
    min_things: int = 1,
    max_things: int = 6,
) -> Film:
    """A film from a seed. The splits share no random stream and no background; `test` adds the held-out pairs.

    duration: seconds. scenes: how many shots it is cut into, of at least 2 s each.
    """
    rng = np.random.default_rng((SPLITS[split], seed))
    cast: list[Pair] = []
    shots = []
    captions = rng.random() < 0.75
    for start, end in pairwise(_cuts(rng, duration, scenes)):
        limit = max(1, max_things if scenes == 1 else min(max_things, 4))
        shown = captions and rng.random() < (0.8 if scenes == 1 else 0.6)
        caption = _caption(rng, start, end, aspect) if shown else None
        count = int(rng.integers(min(min_things, limit), limit + 1))
        known = [cast[rng.integers(len(cast))]] if cast and rng.random() < 0.35 else []
        shots.append(_scene(rng, split, start, end, aspect, count, caption, known))
        cast += [thing.pair for thing in shots[-1].things]
    return _film(rng, seed, split, duration, aspect, shots)


def make_long_film(
    seed: int, split: str = "train", duration: float = 600.0, aspect: float = 1.0, facts: int = 16
) -> Film:
    """A film of minutes to hours: a small cast returns again and again, and `facts` strangers appear once each.

    A stranger has a colour and shape that nothing else in the film has, and while it is there a digit or a word is
    shown for 3 s. The cast's scenes have digits and words too, so that a fact must be bound to its moment. Fewer facts
    are shown when the film has no room for them.
    """
    rng = np.random.default_rng((SPLITS[split], seed, 1))
    pairs = list(allowed_pairs(split))
    rng.shuffle(pairs)
    cast, strangers = pairs[:8], pairs[8:]
    cuts = _cuts(rng, duration, max(1, round(duration / 7.0)))
    room = len(cuts) - 1
    special = dict(
        zip(rng.permutation(room)[: min(facts, room // 2, len(strangers))].tolist(), strangers, strict=False)
    )
    shots = []
    for index, (start, end) in enumerate(pairwise(cuts)):
        fact = index in special
        caption = _caption(rng, start, end, aspect, 3.0) if fact or rng.random() < 0.4 else None
        wanted = [special[index]] if fact else [cast[i] for i in rng.permutation(len(cast))[: rng.integers(1, 4)]]
        shots.append(_scene(rng, split, start, end, aspect, len(wanted), caption, wanted))
    return _film(rng, seed, split, duration, aspect, shots)


def _film(rng: np.random.Generator, seed: int, split: str, duration: float, aspect: float, shots: list[Scene]) -> Film:
    light = Light()
    if rng.random() < 0.5:
        light = Light(float(rng.uniform(0.02, 0.14)), float(rng.uniform(3, 20)), float(rng.uniform(0, 6.28)))
    grain = float(rng.uniform(0, 10))
    return Film((SPLITS[split], seed), split, duration, aspect, grain, light, tuple(shots))


def _cuts(rng: np.random.Generator, duration: float, scenes: int) -> list[float]:
    if scenes == 1:
        return [0.0, duration]
    spare = duration - 2.0 * scenes
    shares = rng.dirichlet(np.full(scenes, 3.0)) * max(spare, 0.0) + min(2.0, duration / scenes)
    edges = np.concatenate([[0.0], np.cumsum(shares)])
    edges[-1] = duration
    return [float(edge) for edge in edges]


def _scene(
    rng: np.random.Generator,
    split: str,
    start: float,
    end: float,
    aspect: float,
    count: int,
    caption: Caption | None,
    wanted: list[Pair],
) -> Scene:
    """wanted: who has to be there; the others are strangers drawn at random."""
    things = _things(rng, split, count, end - start, aspect, caption, wanted)
    post = None
    if rng.random() < 0.25:
        upright = bool(rng.random() < 0.5)
        room = max(aspect, 1.0) if upright else max(1 / aspect, 1.0)
        post = Post(
            upright, float(rng.uniform(0.1, room - 0.1)), float(rng.uniform(0.03, 0.07)), float(rng.uniform(15, 110))
        )
    camera = Camera()
    if rng.random() < 0.45:
        angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.005, 0.05)
        zoom = float(rng.uniform(-0.03, 0.03)) if rng.random() < 0.5 else 0.0
        camera = Camera((float(speed * np.cos(angle)), float(speed * np.sin(angle))), zoom)
    families = BACKGROUNDS[split]
    family = families[rng.integers(len(families))]
    return Scene(start, end, family, int(rng.integers(2**31)), things, caption, post, camera)


def _caption(rng: np.random.Generator, start: float, end: float, aspect: float, seconds: float = 0.0) -> Caption:
    """A digit or a word for all of a short scene or part of a longer one. seconds: this long, if there is room."""
    length = min(end - start, seconds or max(2.0, float(rng.uniform(0.4, 1.0)) * (end - start)))
    begin = float(rng.uniform(start, end - length))
    wide, tall = max(aspect, 1.0), max(1 / aspect, 1.0)
    if rng.random() < 0.5:
        text, height = str(rng.integers(10)), float(rng.uniform(0.2, 0.34))
    else:
        text, height = str(rng.choice(WORDS)), float(rng.uniform(0.14, 0.2))
    half = width(text, height) / 2 + 0.05
    centre = (float(rng.uniform(half, wide - half)), float(rng.uniform(0.05 + height / 2, tall - 0.05 - height / 2)))
    return Caption(text, begin, begin + length, centre, height, bool(rng.random() < 0.3))


def _things(
    rng: np.random.Generator,
    split: str,
    count: int,
    length: float,
    aspect: float,
    caption: Caption | None,
    wanted: list[Pair],
) -> tuple[Thing, ...]:
    placed: list[Thing] = []
    repeat_shape, repeat_colour = (float(rng.choice([0.0, 0.6, 0.9], p=[0.6, 0.2, 0.2])) for _ in range(2))
    crowd = 1.0 if count <= 3 else 0.8
    allowed = allowed_pairs(split)
    for attempt in range(count * 14):
        if len(placed) == count:
            break
        if len(placed) < len(wanted):
            pair = wanted[len(placed)]
        else:
            pair = _pair(rng, split, allowed, placed, repeat_shape, repeat_colour)
            if any(other.pair == pair for other in placed) or pair in wanted:
                continue
        # Late attempts are smaller, so that what has to be there finds room.
        shrink = crowd * (0.7 if attempt > count * 7 else 1.0)
        thing = _moving(rng, pair, length, aspect, shrink)
        if thing is not None and _clear(thing, placed, length, caption):
            placed.append(thing)
    return tuple(placed)


def _pair(
    rng: np.random.Generator,
    split: str,
    allowed: tuple[Pair, ...],
    placed: list[Thing],
    same_shape: float,
    same_colour: float,
) -> Pair:
    pool = list(allowed)
    if split == "test" and rng.random() < 0.3:
        pool = sorted(HELD_OUT, key=PAIRS.index)
    if placed and rng.random() < same_shape:
        pool = [pair for pair in allowed if pair[1] == placed[0].shape]
    elif placed and rng.random() < same_colour:
        pool = [pair for pair in allowed if pair[0] == placed[0].colour]
    return pool[rng.integers(len(pool))]


def _moving(rng: np.random.Generator, pair: Pair, length: float, aspect: float, shrink: float) -> Thing | None:
    """A thing whose whole path stays on screen, or None when the chosen speed leaves no room."""
    wide, tall = max(aspect, 1.0), max(1 / aspect, 1.0)
    radius = max(SMALLEST, float(rng.uniform(0.09, 0.19)) * shrink)
    motion = list(MOTIONS)[rng.integers(len(MOTIONS))]
    direction = MOTIONS[motion]
    roomy = (wide if direction[0] else tall) - 2 * radius
    slow = 0.05
    fast = min(0.16, roomy / max(length, 1e-6))
    if motion != "still" and fast < slow:
        return None
    speed = float(rng.uniform(slow, fast)) if motion != "still" else 0.0
    velocity = (direction[0] * speed, direction[1] * speed)
    low_x, high_x = radius - min(0.0, velocity[0] * length), wide - radius - max(0.0, velocity[0] * length)
    low_y, high_y = radius - min(0.0, velocity[1] * length), tall - radius - max(0.0, velocity[1] * length)
    if low_x > high_x or low_y > high_y:
        return None
    start = (float(rng.uniform(low_x, high_x)), float(rng.uniform(low_y, high_y)))
    turn, tint = float(rng.uniform(-0.25, 0.25)), float(rng.uniform(0.88, 1.06))
    texture = str(rng.choice(TEXTURES, p=[0.4, 0.2, 0.2, 0.2]))
    return Thing(pair[1], pair[0], motion, start, velocity, radius, turn, tint, texture)


def _clear(thing: Thing, others: list[Thing], length: float, caption: Caption | None) -> bool:
    """Things may cover a part of each other, at one moment more than at others, but nothing is hidden for good."""
    moments = np.linspace(0.0, length, MOMENTS)
    for other in others:
        reach = thing.radius + other.radius
        gaps = [float(np.hypot(*np.subtract(thing.at(t), other.at(t)))) / reach for t in moments]
        if min(gaps) < 0.6 or sum(gap > 0.85 for gap in gaps) < MOMENTS - 1:
            return False
    if caption is None:
        return True
    half = width(caption.text, caption.height) / 2, caption.height / 2
    for moment in moments:
        x, y = thing.at(moment)
        across = abs(x - caption.centre[0]) - half[0] - 0.6 * thing.radius
        down = abs(y - caption.centre[1]) - half[1] - 0.6 * thing.radius
        if across < 0 and down < 0:
            return False
    return True
