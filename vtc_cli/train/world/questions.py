"""Every question a film can be asked, by skill."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from vtc_cli.train.world import attributes, moments, saying
from vtc_cli.train.world.asker import Asker, Question
from vtc_cli.train.world.film import Film

MAKERS: dict[str, Callable[[Asker], Iterator[Question]]] = {
    "colour": attributes.colours,
    "shape": attributes.shapes,
    "exists": attributes.exists,
    "count": attributes.counts,
    "motion": attributes.motions,
    "digit": attributes.captions("digit"),
    "word": attributes.captions("word"),
    "place": attributes.places,
    "relation": attributes.relations,
    "order": moments.orders,
    "when": moments.whens,
    "duration": moments.durations,
    "during": moments.durings,
    "absent": saying.absents,
    "relevance": saying.relevances,
    "describe": saying.descriptions,
    "json": saying.json_descriptions,
    "recall": moments.recalls,
}
SKILLS = tuple(MAKERS)
SHORT_SKILLS = tuple(skill for skill in SKILLS if skill != "recall")  # `recall` needs a film of minutes


def ask_all(
    film: Film, rng: np.random.Generator, unseen: bool = False, skills: tuple[str, ...] = SKILLS
) -> dict[str, list[Question]]:
    """Every question the film can answer, by skill, each in one phrasing drawn by `rng`.

    unseen: use only the phrasing that training never shows.
    """
    asker = Asker(film, rng, unseen)
    return {skill: list(MAKERS[skill](asker)) for skill in skills}


def ask_some(
    film: Film, rng: np.random.Generator, count: int, unseen: bool = False, skills: tuple[str, ...] = SHORT_SKILLS
) -> list[Question]:
    """`count` different questions (fewer when the film has fewer), skills drawn evenly."""
    pools = {skill: list(pool) for skill, pool in ask_all(film, rng, unseen, skills).items() if pool}
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
