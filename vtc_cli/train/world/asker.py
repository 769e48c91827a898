"""Questions with exact answers about a film.

A question is asked only where its answer is unambiguous over the whole film: "the star" needs stars of one colour,
"the red star" in "which way" one that appears once. A film never names a colour-shape pair its split may not show.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vtc_cli.train.world.film import Film, Scene, Thing
from vtc_cli.train.world.palette import COLOURS, MOTIONS, SHAPES, WORDS, Pair, allowed_pairs
from vtc_cli.train.world.phrasing import PHRASINGS

ABSENT = "not shown"
MAX_COUNT = 5
PLACES = tuple(f"{row} {column}" for row in ("top", "middle", "bottom") for column in ("left", "centre", "right"))
SIDES = ("left", "right", "above", "below")
DESCRIBED = 4  # most things a description names
ANSWERS: dict[str, tuple[str, ...]] = {  # what a guesser would choose from, where that is a closed list
    "colour": tuple(COLOURS),
    "shape": SHAPES,
    "exists": ("yes", "no"),
    "count": tuple(str(n) for n in range(MAX_COUNT + 1)),
    "motion": tuple(MOTIONS),
    "digit": tuple(str(n) for n in range(10)),
    "word": WORDS,
    "place": PLACES,
    "relation": SIDES,
    "relevance": ("yes", "no"),
}


@dataclass(frozen=True)
class Question:
    """One question and its truth.

    options: every answer it could have, empty for open answers. seconds: the truth of `when` and `duration`.
    about: (start, end) seconds of the film in which the answer can be seen.
    """

    skill: str
    text: str
    answer: str
    options: tuple[str, ...] = ()
    seconds: float | None = None
    about: tuple[float, float] = (0.0, 0.0)


@dataclass
class Asker:
    """What every kind of question needs to know about a film. unseen: word them as training never does."""

    film: Film
    rng: np.random.Generator
    unseen: bool = False
    allowed: frozenset[Pair] = field(init=False)

    def __post_init__(self) -> None:
        self.allowed = frozenset(allowed_pairs(self.film.split))
        self.showings: dict[Pair, list[tuple[Scene, Thing]]] = {}
        for scene in self.film.scenes:
            for thing in scene.things:
                self.showings.setdefault(thing.pair, []).append((scene, thing))
        self.whole = (0.0, self.film.duration)

    def worded(self, phrase: str, **words: str) -> str:
        """A skill's wording, drawn at random."""
        known = PHRASINGS[phrase]
        return (known[-1] if self.unseen else known[self.rng.integers(len(known) - 1)]).format(**words)

    def named(self, pair: Pair) -> str:
        """A name that fits nothing else in the film: `star` where that is enough, half of the time."""
        others = [seen for seen in self.showings if seen[1] == pair[1] and seen != pair]
        return pair[1] if not others and self.rng.random() < 0.5 else " ".join(pair)

    def once(self) -> list[tuple[Pair, Scene, Thing]]:
        """Things that appear in one scene only."""
        return [(pair, *shown[0]) for pair, shown in self.showings.items() if len(shown) == 1]

    def missing(self) -> Pair | None:
        """A pair the film does not show, near to what it shows, or None when it shows everything."""
        colours, shapes = {pair[0] for pair in self.showings}, {pair[1] for pair in self.showings}
        absent = [pair for pair in sorted(self.allowed) if pair not in self.showings]
        least = 2 if self.rng.random() < 0.6 else 1
        near = [pair for pair in absent if (pair[0] in colours) + (pair[1] in shapes) >= least]
        pool = near or absent
        return pool[self.rng.integers(len(pool))] if pool else None
