"""Questions about what is there: colour, shape, number, motion, text, and where one thing is from another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from vtc_cli.train.world.asker import ANSWERS, MAX_COUNT, PLACES, SIDES, Asker, Question
from vtc_cli.train.world.film import Film, Scene, Thing
from vtc_cli.train.world.palette import COLOURS, SHAPES
from vtc_cli.train.world.phrasing import PLURALS, article

DOUBT = 0.03  # short sides; this near to the next ninth of the picture, nobody could say in which one a thing is


def colours(ask: Asker) -> Iterator[Question]:
    for shape in SHAPES:
        found = {pair[0] for pair in ask.showings if pair[1] == shape}
        if len(found) == 1:
            yield Question("colour", ask.worded("colour", shape=shape), found.pop(), ANSWERS["colour"], about=ask.whole)


def shapes(ask: Asker) -> Iterator[Question]:
    for colour in COLOURS:
        found = {pair[1] for pair in ask.showings if pair[0] == colour}
        if len(found) == 1:
            yield Question("shape", ask.worded("shape", colour=colour), found.pop(), ANSWERS["shape"], about=ask.whole)


def exists(ask: Asker) -> Iterator[Question]:
    """As many "no" as "yes"; most absent pairs are made of a colour and a shape that are both present."""
    for colour, shape in sorted(ask.showings):
        text = ask.worded("exists", colour=colour, shape=shape, a=article(colour))
        yield Question("exists", text, "yes", ANSWERS["exists"], about=ask.whole)
        absent = ask.missing()
        if absent is not None:
            text = ask.worded("exists", colour=absent[0], shape=absent[1], a=article(absent[0]))
            yield Question("exists", text, "no", ANSWERS["exists"], about=ask.whole)


def counts(ask: Asker) -> Iterator[Question]:
    """Single scenes only: over several scenes "are there" would be ambiguous. Large counts are rare, so asked more."""
    if len(ask.film.scenes) != 1:
        return
    pairs = list(ask.showings)
    by_answer: dict[int, list[str]] = {len(pairs): ["things"]}
    for shape in SHAPES:
        by_answer.setdefault(sum(pair[1] == shape for pair in pairs), []).append(PLURALS[shape])
    for colour in COLOURS:
        by_answer.setdefault(sum(pair[0] == colour for pair in pairs), []).append(f"{colour} things")
    for answer, names in by_answer.items():
        if answer <= MAX_COUNT:
            for name in ask.rng.permutation(names)[: 1 if answer < 2 else 3]:
                yield Question(
                    "count", ask.worded("count", what=str(name)), str(answer), ANSWERS["count"], about=ask.whole
                )


def motions(ask: Asker) -> Iterator[Question]:
    for pair, scene, thing in ask.once():
        text = ask.worded("motion", thing=ask.named(pair))
        yield Question("motion", text, thing.motion, ANSWERS["motion"], about=(scene.start, scene.end))


def captions(kind: str) -> Callable[[Asker], Iterator[Question]]:
    def make(ask: Asker) -> Iterator[Question]:
        shown = [caption for caption in ask.film.captions if caption.kind == kind]
        if len(shown) == 1:
            about = (shown[0].start, shown[0].end)
            yield Question(kind, ask.worded(kind), shown[0].text, ANSWERS[kind], about=about)

    return make


def places(ask: Asker) -> Iterator[Question]:
    """In which ninth of the picture a thing is; only where it stays there during the whole scene."""
    for pair, scene, thing in ask.once():
        where = ninth(ask.film, scene, thing)
        if where is not None:
            text = ask.worded("place", thing=ask.named(pair))
            yield Question("place", text, PLACES[where], PLACES, about=(scene.start, scene.end))


def ninth(film: Film, scene: Scene, thing: Thing) -> int | None:
    """In which ninth of the picture a thing stays, row by row; None when it leaves it, or its middle nearly does."""
    extent = max(film.aspect, 1.0), max(1 / film.aspect, 1.0)
    places = [
        tuple(int(3 * (at + way * DOUBT) / whole) for at, whole in zip(thing.at(moment), extent, strict=True))
        for moment in (0.0, scene.end - scene.start)
        for way in (-1, 1)
    ]
    if len(set(places)) > 1:
        return None
    column, row = places[0]
    return row * 3 + column


def relations(ask: Asker) -> Iterator[Question]:
    """Only where one thing is on one side of the other during the whole scene, without doubt."""
    once = ask.once()
    for pair, scene, thing in once:
        for other_pair, other_scene, other in once:
            if scene is not other_scene or pair == other_pair:
                continue
            side = _side(thing, other, scene.end - scene.start)
            if side is not None:
                text = ask.worded("relation", thing=ask.named(pair), other=ask.named(other_pair))
                yield Question("relation", text, side, SIDES, about=(scene.start, scene.end))


def _side(thing: Thing, other: Thing, length: float) -> str | None:
    sides = set()
    for moment in np.linspace(0.0, length, 5):
        dx, dy = np.subtract(thing.at(moment), other.at(moment))
        if max(abs(dx), abs(dy)) < 0.2 or max(abs(dx), abs(dy)) < 1.6 * min(abs(dx), abs(dy)):
            return None
        horizontal = abs(dx) > abs(dy)
        sides.add(("left" if dx < 0 else "right") if horizontal else ("above" if dy < 0 else "below"))
    return sides.pop() if len(sides) == 1 else None
