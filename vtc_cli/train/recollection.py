"""Looks as a memory takes them: pictures from far apart, notes about what they do not show, and its way of asking.

A memory shows key frames of minutes or hours, each a moment of its own, under notes in words of what it knows, and asks
for a few words or for the letter of an answer. A model that has only seen films watched from the beginning on takes the
pictures for neighbours and the notes for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

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
HELPS = "Question: {question}\nDo these pictures help to answer it?"
NOT_SHOWN = "not shown in the video"
READ = "{text}: can be read"
ONCE = "{name}: once, at {first}"
OFTEN = "{name}: {count} times, first at {first}, last at {last}"

UNNOTED = 0.25  # share of the looks without notes
SHORTEST, LONGEST = 60.0, 1800.0  # seconds of the films that pictures are taken of
MOMENTS = 3  # pictures of one shot, at most
MOST_JUDGED = 4  # questions that pictures help to answer, and as many that they do not
MOST_NOTED = 10  # shots that notes tell of beside those that are shown
LINES = 30
SUMMED = 0.7  # share of the looks with notes that also sum up where some things were
MOST_SUMMED = 4  # things
OVERLOOKED = 0.1  # share of a thing's shots that a memory misses
APART = 10.0  # seconds between the times to choose from
LATE = 1.5  # seconds by which its times are off
MOST_OPEN = 12  # questions about the whole film, whatever of it is known
RECALLABLE = 60  # questions about single shots that these are drawn from
STILL = 0.8  # a picture does not tell how a thing moves: notes mostly say that it stands still
SEEN = ("colour", "shape", "exists", "during", "order", "absent", "relevance")  # asked of pictures alone
NOTED = (("order",), ("exists",), ("absent",))  # and, with needles, times and numbers, of pictures with notes
CLOSED = ("exists", "count", "relevance")  # never answered by `not shown`
HOW_OFTEN = (
    "How often does the {thing} appear?",
    "How many times is the {thing} shown?",
    "How many scenes show the {thing}?",
)


@dataclass(frozen=True)
class Summed:
    """What one line of the notes says of a thing's shots. told: how many, as far as they were noticed."""

    name: str
    starts: tuple[float, ...]
    told: int


@dataclass(frozen=True)
class Recollection:
    """film: the shots that pictures show. times: of the pictures, each one twice, as a unit has two frames. known: the
    shots of pictures and notes. notes: the block before a question. told: when the shots begin that notes tell of.
    summed: the things that notes sum up. whole: the film they are of."""

    film: Film
    times: Spans
    known: Film
    notes: str
    told: frozenset[float]
    summed: tuple[Summed, ...]
    whole: Film


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
    known = _of(whole, seen | told)
    summed = tuple(_summed(whole, known, rng)) if lines and rng.random() < SUMMED else ()
    lines += [(item.starts[0], _summary(item, rng)) for item in summed]
    return Recollection(
        _of(whole, seen),
        [(moment, moment) for moment in sorted(moments)],
        known,
        NOTES.format(lines="\n".join(text for _, text in sorted(lines))) if lines else "",
        frozenset(told),
        summed,
        whole,
    )


def asked_of(found: Recollection, rng: np.random.Generator, count: int) -> list[Question]:
    """At most `count` questions as a memory words them, to stand behind the notes where there are any."""
    if not found.notes:
        asked = ask_some(found.film, rng, count, skills=SEEN)
    else:
        needles = ask_some(found.known, rng, count // 3, skills=("during",))
        more = [question for skills in NOTED for question in ask_some(found.known, rng, count // 6, skills=skills)]
        more += [*_when(found, rng), *_how_often(found, rng)]
        # What notes sum up they may say more of than the shots that are known do.
        astray = [item.name for item in found.summed if item.starts[0] not in {one.start for one in found.known.scenes}]
        more = [question for question in more if not any(name in question.text for name in astray)]
        more += _of_summed(found, rng)
        asked = [*needles, *(more[place] for place in rng.permutation(len(more))[: count - len(needles)])]
    return [*_helping(found, rng), *_open(found, rng), *(_put(question, rng) for question in asked)]


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


def _open(found: Recollection, rng: np.random.Generator) -> Iterator[Question]:
    """Questions about the whole film, most of whose answers neither pictures nor notes tell.

    A search goes down as long as it is unsure. What cannot be known has to leave a model unsure, and it learns that
    from answers it cannot know; always asked of what it is shown, it would be sure of whatever it saw.
    """
    for question in ask_some(found.whole, rng, MOST_OPEN, skills=("during", "order")):
        wrong = [option for option in question.options if option not in (question.answer, ABSENT)]
        few = [str(option) for option in rng.permutation(wrong)[: len(LETTERS) - 1]]
        choices, letter = lettered(question.answer, few, rng)
        yield replace(question, text=multiple_choice(question.text, choices), answer=letter)


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


def _helping(found: Recollection, rng: np.random.Generator) -> list[Question]:
    """Whether the pictures help with a question about one shot: as often that they do as that they do not."""
    shown = {scene.start for scene in found.film.scenes}
    sorts: dict[str, list[Question]] = {"yes": [], "no": []}
    for question in ask_some(found.whole, rng, RECALLABLE, skills=("during",)):
        answer = "yes" if found.whole.scene_at(question.about[0]).start in shown else "no"
        text = multiple_choice(HELPS.format(question=question.text), {"yes": "", "no": ""})
        sorts[answer].append(Question("relevance", text, answer, about=question.about))
    each = min(MOST_JUDGED, *map(len, sorts.values()))
    return [question for some in sorts.values() for question in some[:each]]


def _when(found: Recollection, rng: np.random.Generator) -> Iterator[Question]:
    """When something appears that notes tell of, with four times to choose from, as clocks show them."""
    starts = [f"at {clock(start)}" for start in found.told]
    for question in ask_some(found.known, rng, 8, skills=("when",)):
        if question.seconds in found.told and len(set(starts)) > 1:
            answer = f"at {clock(question.seconds)}"
            yield replace(question, answer=answer, options=tuple(dict.fromkeys([answer, *starts])))


def _how_often(found: Recollection, rng: np.random.Generator) -> Iterator[Question]:
    """In how many shots something is that no line sums up."""
    summed = {item.name for item in found.summed}
    for pair, count in Counter(thing.pair for thing in found.known.things).items():
        if count <= 5 and " ".join(pair) not in summed:
            yield _times_of(found.known, " ".join(pair), count, ANSWERS["count"][1:], rng)


def _times_of(film: Film, name: str, count: int, options: Sequence[str], rng: np.random.Generator) -> Question:
    text = str(rng.choice(HOW_OFTEN)).format(thing=name)
    return Question("count", text, str(count), tuple(options), about=(0.0, film.duration))


def _summed(whole: Film, known: Film, rng: np.random.Generator) -> Iterator[Summed]:
    """Some of the things of the known shots, by the shots of the whole film."""
    pairs = list(dict.fromkeys(thing.pair for thing in known.things))
    for place in rng.permutation(len(pairs))[: int(rng.integers(1, MOST_SUMMED + 1))]:
        pair = pairs[place]
        starts = tuple(scene.start for scene in whole.scenes if any(thing.pair == pair for thing in scene.things))
        yield Summed(" ".join(pair), starts, max(1, int(rng.binomial(len(starts), 1 - OVERLOOKED))))


def _summary(item: Summed, rng: np.random.Generator) -> str:
    first, last = (
        clock(max(0.0, start + float(rng.uniform(-LATE, LATE)))) for start in (item.starts[0], item.starts[-1])
    )
    words = ONCE if item.told == 1 else OFTEN
    return words.format(name=item.name, count=item.told, first=first, last=last)


def _of_summed(found: Recollection, rng: np.random.Generator) -> Iterator[Question]:
    """How often, when and in which order things appear that notes sum up.

    How often is asked where the noticed number is nearest to the right one, among numbers as far apart as a quarter.
    """
    for item in found.summed:
        count = len(item.starts)
        step = max(1, round(count / 4))
        if abs(item.told - count) <= (step - 1) // 2:
            near = [str(count + step * by) for by in (-2, -1, 1, 2) if count + step * by > 0]
            for _ in range(2):
                yield _times_of(found.whole, item.name, count, (str(count), *near), rng)
    first = {scene.start: scene for scene in found.whole.scenes}
    for item in found.summed:
        begins = item.starts[0]
        without = [start for start in first if start not in item.starts]
        others = [f"at {clock(start)}" for start in first if abs(start - begins) > APART]
        if not without or not others:
            continue
        pair = _of(found.whole, {start: first[start] for start in (begins, without[int(rng.integers(len(without)))])})
        asked = [one for one in ask_some(pair, rng, 40, skills=("when",)) if item.name in one.text][:2]
        for question in asked:
            answer = f"at {clock(begins)}"
            chosen = [others[place] for place in rng.permutation(len(others))[:5]]
            yield replace(question, answer=answer, options=tuple(dict.fromkeys([answer, *chosen])))
    for one, other in combinations(found.summed, 2):
        if one.starts[0] != other.starts[0]:
            both = _of(found.whole, {start: first[start] for start in (one.starts[0], other.starts[0])})
            asked = ask_some(both, rng, 40, skills=("order",))
            yield from [item for item in asked if one.name in item.text and other.name in item.text][:2]
