"""Questions about hour-long procedural films, four kinds, each with four options or two and the moment of its truth.

needle: a digit or word that was shown for three seconds. order: which of two things that appear once came first.
count: in how many scenes a character of the film is. when: at which of four times something appears.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

KINDS = ("needle", "order", "count", "when")
APART = 45.0  # seconds between the times that can be chosen
LETTERS = "ABCD"


@dataclass(frozen=True)
class Asked:
    """One question. about: where its truth can be seen, [start, end) seconds; for `order` the earlier thing, for
    `count` every scene it counts."""

    kind: str
    number: int
    text: str
    choices: dict[str, str]
    truth: str
    about: tuple[tuple[float, float], ...]


def ask(film: Any, seed: int, most: int) -> list[Asked]:
    """At most `most` questions of each kind, the same for the same film and seed."""
    from vtc_cli.train.world.palette import SPLITS

    rng = np.random.default_rng((SPLITS["test"], seed, 11))
    found = []
    for kind, pool in (
        ("needle", list(_needles(film, rng))),
        ("order", list(_orders(film, rng))),
        ("count", list(_counts(film, rng))),
        ("when", list(_whens(film, rng))),
    ):
        for number, place in enumerate(sorted(rng.permutation(len(pool))[:most].tolist())):
            text, answer, wrong, about = pool[place]
            choices, truth = _lettered(answer, wrong, rng)
            found.append(Asked(kind, number, text, choices, truth, tuple(about)))
    return found


Pool = Iterator[tuple[str, str, list[str], list[tuple[float, float]]]]


def _needles(film: Any, rng: np.random.Generator) -> Pool:
    from vtc_cli.train.world import ask_all

    for question in ask_all(film, rng, skills=("recall",))["recall"]:
        wrong = [option for option in question.options if option != question.answer]
        yield question.text, question.answer, [str(word) for word in rng.permutation(wrong)], [question.about]


def _orders(film: Any, rng: np.random.Generator) -> Pool:
    pairs = list(combinations(_once(film), 2))
    for place in rng.permutation(len(pairs))[:64].tolist():
        (first, one), (second, other) = pairs[place]
        if one is other:
            continue
        names = [" ".join(first), " ".join(second)]
        early = min((one, other), key=lambda scene: scene.start)
        answer = names[0] if early is one else names[1]
        shown = [str(name) for name in rng.permutation(names)]
        wrong = [name for name in names if name != answer]
        text = f"Which appears first, the {shown[0]} or the {shown[1]}?"
        yield text, answer, wrong, [(early.start, early.end)]


def _counts(film: Any, rng: np.random.Generator) -> Pool:
    for pair, scenes in _scenes(film).items():
        count = len(scenes)
        if count >= 2:
            step = max(1, round(count / 4))
            near = [count + step * by for by in (-2, -1, 1, 2) if count + step * by > 0]
            wrong = [str(value) for value in rng.permutation(near)]
            about = [(scene.start, scene.end) for scene in scenes]
            yield f"In how many scenes is there a {' '.join(pair)}?", str(count), wrong, about


def _whens(film: Any, rng: np.random.Generator) -> Pool:
    for pair, scene in _once(film):
        times = [float(value) for value in rng.uniform(0, film.duration - 5, 64)]
        chosen = [scene.start]
        for time in times:
            if len(chosen) < len(LETTERS) and all(abs(time - other) >= APART for other in chosen):
                chosen.append(time)
        if len(chosen) == len(LETTERS):
            text = f"When does the {' '.join(pair)} appear?"
            yield text, _clock(scene.start), [_clock(time) for time in chosen[1:]], [(scene.start, scene.end)]


def _scenes(film: Any) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for scene in film.scenes:
        for pair in dict.fromkeys(thing.pair for thing in scene.things):
            found.setdefault(pair, []).append(scene)
    return found


def _once(film: Any) -> list[tuple[Any, Any]]:
    return [(pair, scenes[0]) for pair, scenes in _scenes(film).items() if len(scenes) == 1]


def _clock(seconds: float) -> str:
    return f"at {int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _lettered(answer: str, wrong: list[str], rng: np.random.Generator) -> tuple[dict[str, str], str]:
    options = [answer, *wrong[: len(LETTERS) - 1]]
    order = rng.permutation(len(options)).tolist()
    choices = {LETTERS[place]: options[index] for place, index in enumerate(order)}
    return choices, LETTERS[order.index(0)]
