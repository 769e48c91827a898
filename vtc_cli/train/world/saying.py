"""Questions about what is not there, whether a clip helps with a question, and whole descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator

from vtc_cli.train.world.asker import ABSENT, ANSWERS, DESCRIBED, Asker, Question
from vtc_cli.train.world.attributes import captions, colours, motions, shapes
from vtc_cli.train.world.film import Caption, Thing
from vtc_cli.train.world.palette import COLOURS, PAIRS, SHAPES
from vtc_cli.train.world.phrasing import article


def absents(ask: Asker) -> Iterator[Question]:
    """Questions whose thing, digit or word the film does not show: the right answer is `not shown`."""
    for skill, text in _without_answer(ask):
        options = (*ANSWERS[skill], ABSENT) if skill in ANSWERS else ()
        yield Question("absent", text, ABSENT, options, about=ask.whole)


def _without_answer(ask: Asker) -> Iterator[tuple[str, str]]:
    kinds = {caption.kind for caption in ask.film.captions}
    unseen_shapes = [shape for shape in SHAPES if shape not in {pair[1] for pair in ask.showings}]
    unseen_colours = [colour for colour in COLOURS if colour not in {pair[0] for pair in ask.showings}]
    if unseen_shapes:
        yield "colour", ask.worded("colour", shape=str(ask.rng.choice(unseen_shapes)))
    if unseen_colours:
        yield "shape", ask.worded("shape", colour=str(ask.rng.choice(unseen_colours)))
    for kind in ("digit", "word"):
        if kind not in kinds:
            yield kind, ask.worded(kind)
    missing = ask.missing()
    if missing is not None:
        name = " ".join(missing)
        yield "motion", ask.worded("motion", thing=name)
        if len(ask.film.scenes) > 1:
            yield "when", ask.worded("when", thing=name)
            kind = str(ask.rng.choice(["digit", "word"]))
            yield kind, ask.worded("during", thing=name, kind=kind)
    if len(ask.film.scenes) > 1:
        bare = [pair for pair, scene, _ in ask.once() if scene.caption is None]
        if bare:
            kind = str(ask.rng.choice(["digit", "word"]))
            yield kind, ask.worded("during", thing=" ".join(bare[ask.rng.integers(len(bare))]), kind=kind)


def relevances(ask: Asker) -> Iterator[Question]:
    """Whether the clip helps with a question: yes when what it asks about is there. As many of each."""
    absent = [text for _, text in _without_answer(ask)]
    makers = (colours, shapes, motions, captions("digit"), captions("word"))
    present = [question.text for make in makers for question in make(ask)]
    for texts, answer in ((present, "yes"), (absent, "no")):
        ask.rng.shuffle(texts)
        for text in texts[: min(len(present), len(absent), 2)]:
            yield Question(
                "relevance", ask.worded("relevance", question=text), answer, ANSWERS["relevance"], about=ask.whole
            )


def descriptions(ask: Asker) -> Iterator[Question]:
    """A sentence that names every thing, colour by colour, how it moves, and what can be read."""
    shown = _describable(ask)
    if shown is not None:
        yield Question("describe", ask.worded("describe"), sentence(*shown), about=ask.whole)


def json_descriptions(ask: Asker) -> Iterator[Question]:
    """The same as a JSON object with the keys `things` and `text`."""
    shown = _describable(ask)
    if shown is not None:
        things, caption = shown
        content = {
            "things": [f"{thing.colour} {thing.shape} {thing.motion}" for thing in things],
            "text": caption.text if caption else None,
        }
        yield Question("json", ask.worded("json"), json.dumps(content), about=ask.whole)


def sentence(things: list[Thing], caption: Caption | None) -> str:
    """`A red star moving left and a white ring standing still, with the digit 7.`"""
    parts = [
        f"{article(thing.colour)} {thing.colour} {thing.shape} "
        + ("standing still" if thing.motion == "still" else f"moving {thing.motion}")
        for thing in things
    ]
    listed = " and ".join(parts)
    shown = f", with the {caption.kind} {caption.text}" if caption else ""
    return f"{listed[0].upper()}{listed[1:]}{shown}."


def _describable(ask: Asker) -> tuple[list[Thing], Caption | None] | None:
    scenes = ask.film.scenes
    if len(scenes) != 1 or not 1 <= len(scenes[0].things) <= DESCRIBED:
        return None
    # Colour by colour: from left to right, who comes next is a toss-up where two things are one above the other.
    return sorted(scenes[0].things, key=lambda thing: PAIRS.index(thing.pair)), scenes[0].caption
