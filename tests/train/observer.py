"""An observer who watches a film in small steps and answers its questions from what it saw: no code of the asker."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vtc_cli.train.world.film import Film
from vtc_cli.train.world.palette import COLOURS, MOTIONS, SHAPES, WORDS
from vtc_cli.train.world.phrasing import PHRASINGS

STEP = 0.05  # seconds between two looks
NOTHING = "not shown"
_THING = f"(?:(?:{'|'.join(COLOURS)}) )?(?:{'|'.join(SHAPES)})|(?:digit|word)(?: [a-z0-9]+)?"
FIELDS = {
    "shape": f"(?P<shape>{'|'.join(SHAPES)})",
    "colour": f"(?P<colour>{'|'.join(COLOURS)})",
    "a": "an?",
    "thing": f"(?P<thing>{_THING})",
    "other": f"(?P<other>{_THING})",
    "what": "(?P<what>[a-z ]+)",
    "kind": "(?P<kind>digit|word)",
    "question": "(?P<question>.+)",
}


def understood(text: str) -> tuple[str, dict[str, str], int]:
    """(skill, what it names, which phrasing) of a question's words. Each question has one reading only."""
    readings = []
    for skill, phrases in PHRASINGS.items():
        for number, phrase in enumerate(phrases):
            pattern = re.sub(r"\\\{(\w+)\\\}", lambda field: FIELDS[field[1]], re.escape(phrase))
            if match := re.fullmatch(pattern, text):
                readings.append((skill, match.groupdict(), number - len(phrases)))
    assert len(readings) == 1, (text, readings)
    return readings[0]


@dataclass
class Sight:
    """When something was seen (seconds, STEP apart) and where, if it is a thing."""

    times: list[float]
    places: list[tuple[float, float]]


class Observer:
    """Sees a film; knows nothing but what was on screen at each look."""

    def __init__(self, film: Film):
        self.film = film
        self.cuts = [scene.start for scene in film.scenes[1:]]
        self.things: dict[tuple[str, str], Sight] = {}
        self.texts: dict[str, Sight] = {}
        self.reading: dict[float, str] = {}
        for time in np.arange(STEP / 2, film.duration, STEP):
            scene = film.scene_at(time)
            for thing in scene.things:
                sight = self.things.setdefault((thing.colour, thing.shape), Sight([], []))
                sight.times.append(float(time))
                sight.places.append(thing.at(time - scene.start))
            if scene.caption and scene.caption.start <= time < scene.caption.end:
                text = scene.caption.text
                self.texts.setdefault(text, Sight([], [])).times.append(float(time))
                self.reading[float(time)] = text

    @cached_property
    def digits(self) -> list[str]:
        return [text for text in self.texts if text.isdigit()]

    @cached_property
    def words(self) -> list[str]:
        return [text for text in self.texts if text in WORDS]

    def named(self, name: str) -> Sight | None:
        """What a name means: `star`, `red star`, `digit`, `digit 7`, `word stop`. None when it was not seen."""
        parts = name.split()
        if parts[0] in ("digit", "word"):
            kind = self.digits if parts[0] == "digit" else self.words
            found = [text for text in kind if parts[1:] in ([], [text])]
            assert len(found) <= 1, f"{name} is ambiguous"
            return self.texts[found[0]] if found else None
        found = [pair for pair in self.things if parts in ([pair[1]], list(pair))]
        assert len(found) <= 1, f"{name} is ambiguous"
        return self.things[found[0]] if found else None

    def answer(self, text: str) -> str | float:
        """What it says; a number where the answer is a time. `not shown` where the film has no answer."""
        skill, words, _ = understood(text)
        return getattr(self, f"_{skill}")(**{name: value for name, value in words.items() if value is not None})

    def _colour(self, shape: str) -> str:
        return self._only({pair[0] for pair in self.things if pair[1] == shape})

    def _shape(self, colour: str) -> str:
        return self._only({pair[1] for pair in self.things if pair[0] == colour})

    def _exists(self, colour: str, shape: str) -> str:
        return "yes" if (colour, shape) in self.things else "no"

    def _count(self, what: str) -> str:
        assert not self.cuts, "how many there are changes with a cut"
        *colour, noun = what.split()
        shape = None if noun == "things" else next(shape for shape in SHAPES if noun in (f"{shape}s", f"{shape}es"))
        return str(sum(colour in ([], [pair[0]]) and shape in (None, pair[1]) for pair in self.things))

    def _motion(self, thing: str) -> str:
        sight = self.named(thing)
        if sight is None:
            return NOTHING
        self._in_one_piece(sight)
        moved = np.subtract(sight.places[-1], sight.places[0])
        steps = tuple(int(np.sign(part)) if abs(part) > 1e-6 else 0 for part in moved)
        return next(name for name, direction in MOTIONS.items() if direction == steps)

    def _digit(self) -> str:
        return self._only(set(self.digits))

    def _word(self) -> str:
        return self._only(set(self.words))

    def _place(self, thing: str) -> str:
        sight = self.named(thing)
        assert sight is not None
        wide, tall = max(self.film.aspect, 1.0), max(1 / self.film.aspect, 1.0)
        rows, columns = ("top", "middle", "bottom"), ("left", "centre", "right")
        found = {f"{rows[int(y / tall * 3)]} {columns[int(x / wide * 3)]}" for x, y in sight.places}
        return self._only(found)

    def _relation(self, thing: str, other: str) -> str:
        first, second = self.named(thing), self.named(other)
        assert first is not None
        assert second is not None
        assert first.times == second.times, "they were not there together"
        sides = set()
        for (x, y), (left, top) in zip(first.places, second.places, strict=True):
            dx, dy = x - left, y - top
            assert max(abs(dx), abs(dy)) > 1.5 * min(abs(dx), abs(dy)), "nobody could tell"
            sides.add(("left" if dx < 0 else "right") if abs(dx) > abs(dy) else ("above" if dy < 0 else "below"))
        return self._only(sides)

    def _order(self, thing: str, other: str) -> str:
        first, second = self.named(thing), self.named(other)
        assert first is not None
        assert second is not None
        self._in_one_piece(first)
        self._in_one_piece(second)
        assert first.times[0] != second.times[0]
        return thing if first.times[0] < second.times[0] else other

    def _when(self, thing: str) -> str | float:
        sight = self.named(thing)
        if sight is None:
            return NOTHING
        self._in_one_piece(sight)
        return sight.times[0]

    def _duration(self, thing: str) -> str | float:
        sight = self.named(thing)
        assert sight is not None
        self._in_one_piece(sight)
        return sight.times[-1] - sight.times[0] + STEP

    def _during(self, thing: str, kind: str) -> str:
        sight = self.named(thing)
        if sight is None:
            return NOTHING
        self._in_one_piece(sight)
        read = {self.reading[time] for time in sight.times if time in self.reading}
        found = {text for text in read if text.isdigit() == (kind == "digit")}
        return self._only(found)

    def _relevance(self, question: str) -> str:
        return "no" if self.answer(question) == NOTHING else "yes"

    def _in_one_piece(self, sight: Sight) -> None:
        assert max(np.diff(sight.times), default=0) < 1.5 * STEP, "it was there more than once"

    def _only(self, found: set[str]) -> str:
        assert len(found) <= 1, f"{found}: ambiguous"
        return found.pop() if found else NOTHING

    def row(self) -> list[tuple[str, str, str]]:
        """(colour, shape, motion) of what is there half-way, colour by colour; films of one scene."""
        names = sorted(self.things, key=lambda pair: (list(COLOURS).index(pair[0]), list(SHAPES).index(pair[1])))
        return [(*pair, self._motion(" ".join(pair))) for pair in names]

    def sentence(self, text: str) -> bool:
        """Whether a sentence names everything that was seen, in order, and what could be read."""
        pattern = rf"({'|'.join(COLOURS)}) ({'|'.join(SHAPES)}) (?:moving |standing )({'|'.join(MOTIONS)})"
        caption = re.search(r", with the (digit|word) (\w+)\.$", text)
        read = [caption[2]] if caption else []
        return re.findall(pattern, text) == self.row() and read == list(self.texts)

    def structure(self, text: str) -> bool:
        """The same of a JSON object."""
        content = json.loads(text)
        read = [content["text"]] if content["text"] is not None else []
        return content["things"] == [" ".join(item) for item in self.row()] and read == list(self.texts)
