"""Looks as a memory takes them: pictures from far apart, notes about what they do not show, and its way of asking.

A memory shows key frames of minutes or hours, each a moment of its own, under notes in words of what it knows, and asks
for a few words or for the letter of an answer. A model that has only seen films watched from the beginning on takes the
pictures for neighbours and the notes for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from vtc_cli.models.prompt import multiple_choice
from vtc_cli.train.clock import Spans
from vtc_cli.train.world import Film, Question, ask_some, make_long_film
from vtc_cli.train.world.asker import ABSENT, ANSWERS
from vtc_cli.train.world.choices import LETTERS, lettered
from vtc_cli.train.world.film import Scene

# As memories write them (tests compare).
NOTES = "Notes about the video:\n{lines}\n\n"
WRAPPING = "Question: {question}\nAnswer in a few words."
NOT_SHOWN = "not shown in the video"
READ = "{text}: can be read"

UNNOTED = 0.25  # share of the looks without notes
SHORTEST, LONGEST = 60.0, 1800.0  # seconds of the films that pictures are taken of
MOMENTS = 3  # pictures of one shot, at most
MOST_NOTED = 10  # shots that notes tell of beside those that are shown
LINES = 30
STILL = 0.8  # a picture does not tell how a thing moves: notes mostly say that it stands still
SEEN = ("colour", "shape", "exists", "during", "order", "absent", "relevance")  # asked of pictures alone
NOTED = ("exists", "order", "absent")  # and, with needles, times and numbers, of pictures with notes
CLOSED = ("exists", "count", "relevance")  # never answered by `not shown`
HOW_OFTEN = ("How often does the {thing} appear?", "How many times is the {thing} shown?")


@dataclass(frozen=True)
class Recollection:
    """film: the shots that pictures show. times: of the pictures, each one twice, as a unit has two frames. known: the
    shots of pictures and notes. notes: the block before a question. told: when the shots begin that notes tell of."""

    film: Film
    times: Spans
    known: Film
    notes: str
    told: frozenset[float]


def recollection(seed: int, units: int, aspect: float, rng: np.random.Generator) -> Recollection:
    """Pictures and notes of a training film of minutes. units: how many pictures."""
    whole = make_long_film(seed, "train", float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST)))), aspect)
    order = [whole.scenes[place] for place in rng.permutation(len(whole.scenes))]
    moments: list[float] = []
    shown: list[Scene] = []
    while len(moments) < units:
        scene = order[len(shown) % len(order)]
        room = units - len(moments)
        moments += _moments(scene, min(int(rng.integers(1, MOMENTS + 1)), room), rng)
        shown.append(scene)
    seen = {scene.start: scene for scene in shown}
    others = [scene for scene in order if scene.start not in seen][: int(rng.integers(0, MOST_NOTED + 1))]
    lines: list[tuple[float, str]] = []
    told: dict[float, Scene] = {}
    for scene in (*others, *(scene for scene in seen.values() if rng.random() < 0.7)) if rng.random() > UNNOTED else ():
        more = list(_lines(scene, rng))
        if len(lines) + len(more) <= LINES:
            lines += more
            told[scene.start] = scene
    return Recollection(
        _of(whole, seen),
        [(moment, moment) for moment in sorted(moments)],
        _of(whole, seen | told),
        NOTES.format(lines="\n".join(text for _, text in sorted(lines))) if lines else "",
        frozenset(told),
    )


def asked_of(found: Recollection, rng: np.random.Generator, count: int) -> list[Question]:
    """At most `count` questions as a memory words them, to stand behind the notes where there are any."""
    if not found.notes:
        asked = ask_some(found.film, rng, count, skills=SEEN)
    else:
        needles = ask_some(found.known, rng, count // 3, skills=("during",))
        more = [*ask_some(found.known, rng, count, skills=NOTED), *_when(found, rng), *_how_often(found.known, rng)]
        asked = [*needles, *(more[place] for place in rng.permutation(len(more))[: count - len(needles)])]
    return [_put(question, rng) for question in asked]


def clock(seconds: float) -> str:
    """`02:03` or `1:02:03`, as notes write times."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _put(question: Question, rng: np.random.Generator) -> Question:
    """The same question as a memory words it: for a few words or for the letter of an option."""
    wrong = [option for option in question.options if option not in (question.answer, ABSENT)]
    if not wrong or rng.random() < 0.4:
        return question if rng.random() < 0.3 else replace(question, text=WRAPPING.format(question=question.text))
    few = [str(option) for option in rng.permutation(wrong)[: int(rng.integers(1, len(LETTERS)))]]
    absent = question.answer == ABSENT
    if not absent and question.skill not in CLOSED and rng.random() < 0.5:
        few = [*few[: len(LETTERS) - 2], NOT_SHOWN]
    choices, letter = lettered(NOT_SHOWN if absent else question.answer, few, rng)
    return replace(question, text=multiple_choice(question.text, choices), answer=letter)


def _moments(scene: Scene, count: int, rng: np.random.Generator) -> list[float]:
    """Times within a shot, to the tenth of a second, one of them while its text can be read."""
    spans = [(scene.start, scene.end)] * count
    if scene.caption is not None:
        spans[0] = (scene.caption.start, scene.caption.end)
    return [float(np.clip(round(rng.uniform(t0, t1), 1), t0 + 0.01, t1 - 0.01)) for t0, t1 in spans]


def _lines(scene: Scene, rng: np.random.Generator) -> Iterator[tuple[float, str]]:
    """What notes say of a shot: a line for each thing and text, now and then one for all of it."""
    t0, t1 = (round(time) for time in (scene.start, scene.end))
    span = f"[{clock(t0)}-{clock(t1)}] "
    things = [
        f"{thing.colour} {thing.shape} {'still' if rng.random() < STILL else thing.motion}" for thing in scene.things
    ]
    if rng.random() < 0.4:
        text = f"; text: {scene.caption.text}" if scene.caption else ""
        yield t0, f"{span}{', '.join(things)}{text}"
    for thing in things:
        yield t0, span + thing
    if scene.caption is not None:
        yield t0, span + READ.format(text=scene.caption.text)


def _of(film: Film, scenes: Mapping[float, Scene]) -> Film:
    return replace(film, scenes=tuple(scene for _, scene in sorted(scenes.items())))


def _when(found: Recollection, rng: np.random.Generator) -> Iterator[Question]:
    """When something appears that notes tell of, with four times to choose from, as clocks show them."""
    starts = [f"at {clock(start)}" for start in found.told]
    for question in ask_some(found.known, rng, 4, skills=("when",)):
        if question.seconds in found.told and len(set(starts)) > 1:
            answer = f"at {clock(question.seconds)}"
            yield replace(question, answer=answer, options=tuple(dict.fromkeys([answer, *starts])))


def _how_often(film: Film, rng: np.random.Generator) -> Iterator[Question]:
    """In how many shots something is."""
    for pair, count in Counter(thing.pair for thing in film.things).items():
        if count <= 5:
            text = str(rng.choice(HOW_OFTEN)).format(thing=" ".join(pair))
            yield Question("count", text, str(count), tuple(ANSWERS["count"][1:]), about=(0.0, film.duration))
