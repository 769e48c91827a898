"""Questions with exact answers about a film, in several phrasings.

A question is asked only where its answer is unambiguous over the whole film: "the star" needs exactly one
star. One phrasing of each skill never occurs in training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from vtc_cli.train.world.film import Film, Thing
from vtc_cli.train.world.palette import COLOURS, MOTIONS, SHAPES

SKILLS = ("colour", "shape", "exists", "count", "motion", "digit")
MAX_COUNT = 3

# The last phrasing of each list is kept for tests.
PHRASINGS: dict[str, tuple[str, ...]] = {
    "colour": (
        "What colour is the {shape}?",
        "Which colour does the {shape} have?",
        "The {shape} is what colour?",
        "Tell me the colour of the {shape}.",
    ),
    "shape": (
        "What shape is the {colour} thing?",
        "Which shape is {colour}?",
        "The {colour} thing has what shape?",
        "Tell me the shape of the {colour} thing.",
    ),
    "exists": (
        "Is there {a} {colour} {shape}?",
        "Does {a} {colour} {shape} appear?",
        "Can you see {a} {colour} {shape}?",
        "Do you see any {colour} {shape}?",
    ),
    "count": (
        "How many {what} are there?",
        "How many {what} can you see?",
        "Count the {what}.",
        "What is the number of {what}?",
    ),
    "motion": (
        "Which way does the {thing} move?",
        "In which direction does the {thing} go?",
        "Where is the {thing} moving?",
        "What is the direction of the {thing}?",
    ),
    "digit": (
        "Which digit appears?",
        "What digit is shown?",
        "Which number can you read?",
        "Read the digit.",
    ),
}
PLURALS = {shape: ("crosses" if shape == "cross" else f"{shape}s") for shape in SHAPES}
ANSWERS: dict[str, tuple[str, ...]] = {
    "colour": tuple(COLOURS),
    "shape": SHAPES,
    "exists": ("yes", "no"),
    "count": tuple(str(n) for n in range(MAX_COUNT + 1)),
    "motion": tuple(MOTIONS),
    "digit": tuple(str(n) for n in range(10)),
}


@dataclass(frozen=True)
class Question:
    """One question, its answer, and the words a guesser would choose from (chance = 1 / len(options))."""

    skill: str
    text: str
    answer: str

    @property
    def options(self) -> tuple[str, ...]:
        """Every answer this skill can have."""
        return ANSWERS[self.skill]


def ask_all(film: Film, rng: np.random.Generator, unseen: bool = False) -> dict[str, list[Question]]:
    """Every question the film can answer, by skill, each in one phrasing drawn by `rng`.

    unseen: use only the phrasing that training never shows.
    """

    def worded(skill: str, answer: str, **words: str) -> Question:
        known = PHRASINGS[skill]
        phrase = known[-1] if unseen else known[rng.integers(len(known) - 1)]
        return Question(skill, phrase.format(**words), answer)

    found: dict[str, list[Question]] = {skill: [] for skill in SKILLS}
    for ask in (_attributes, _exists, _counts, _motions):
        for question in ask(film, rng, worded):
            found[question.skill].append(question)
    if len(film.digits) == 1:
        found["digit"].append(worded("digit", str(film.digits[0])))
    return found


def ask_some(film: Film, rng: np.random.Generator, count: int, unseen: bool = False) -> list[Question]:
    """`count` different questions (fewer when the film has fewer), skills drawn evenly."""
    pools = {skill: list(pool) for skill, pool in ask_all(film, rng, unseen).items() if pool}
    for pool in pools.values():
        rng.shuffle(pool)
    picked: list[Question] = []
    while pools and len(picked) < count:
        for skill in [str(name) for name in rng.permutation(list(pools))]:
            if len(picked) < count:
                picked.append(pools[skill].pop())
            if not pools[skill]:
                del pools[skill]
    return picked


_Worded = Callable[..., Question]


def _attributes(film: Film, rng: np.random.Generator, worded: _Worded) -> Iterator[Question]:
    shapes = Counter(thing.shape for thing in film.things)
    colours = Counter(thing.colour for thing in film.things)
    for thing in film.things:
        if shapes[thing.shape] == 1:
            yield worded("colour", thing.colour, shape=thing.shape)
        if colours[thing.colour] == 1:
            yield worded("shape", thing.shape, colour=thing.colour)


def _exists(film: Film, rng: np.random.Generator, worded: _Worded) -> Iterator[Question]:
    """As many "no" as "yes"; most absent pairs are made of a colour and a shape that are both present."""
    present = {(thing.colour, thing.shape) for thing in film.things}
    mixed = sorted(
        {(colour, shape) for colour, _ in present for _, shape in present}
        | {(colour, SHAPES[rng.integers(len(SHAPES))]) for colour, _ in present}
        | {(list(COLOURS)[rng.integers(len(COLOURS))], shape) for _, shape in present}
    )
    absent = [pair for pair in mixed if pair not in present]
    rng.shuffle(absent)
    for colour, shape in sorted(present):
        yield worded("exists", "yes", colour=colour, shape=shape, a=_article(colour))
    for colour, shape in absent[: len(present)]:
        yield worded("exists", "no", colour=colour, shape=shape, a=_article(colour))


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _counts(film: Film, rng: np.random.Generator, worded: _Worded) -> Iterator[Question]:
    """Single scenes only: over several scenes "are there" would be ambiguous. Balanced over the answers it can have."""
    if len(film.scenes) != 1:
        return
    shapes = Counter(thing.shape for thing in film.things)
    colours = Counter(thing.colour for thing in film.things)
    by_answer: dict[int, list[str]] = {}
    for shape in SHAPES:
        by_answer.setdefault(shapes[shape], []).append(PLURALS[shape])
    for colour in COLOURS:
        by_answer.setdefault(colours[colour], []).append(f"{colour} things")
    by_answer.setdefault(len(film.things), []).append("things")
    for answer, names in by_answer.items():
        if answer <= MAX_COUNT:
            keep = 1 if answer < 2 else 3
            for name in rng.permutation(names)[:keep]:
                yield worded("count", str(answer), what=str(name))


def _motions(film: Film, rng: np.random.Generator, worded: _Worded) -> Iterator[Question]:
    shapes = Counter(thing.shape for thing in film.things)
    pairs = Counter((thing.colour, thing.shape) for thing in film.things)

    def name(thing: Thing) -> str | None:
        if shapes[thing.shape] == 1 and rng.random() < 0.6:
            return thing.shape
        return f"{thing.colour} {thing.shape}" if pairs[(thing.colour, thing.shape)] == 1 else None

    for thing in film.things:
        known_as = name(thing)
        if known_as is not None:
            yield worded("motion", thing.motion, thing=known_as)
