"""Brief descriptions: a few words about each stretch of an event, and what follows from them for the whole.

Small models do not follow a long schema. They can say what is in a picture, so they are asked for no more; names that
stay the same, times and the summary are made here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vtc_cli.memory import KINDS
from vtc_mm_mem.concepts import ARTICLES, normalised
from vtc_mm_mem.description import (
    MOST_ENTITIES,
    MOST_STEPS,
    NAME,
    SENTENCE,
    Description,
    Entity,
    as_list,
    first_object,
    instead,
    limited,
    numbered,
    one_line,
)

Stretch = tuple[float, float]

MOST_THINGS, MOST_TEXTS = 16, 4  # of one stretch
LISTS = ("things", "objects", "entities", "items", "elements", "people", "animals")
TEXTS = ("text", "texts", "visible_text", "words")
SENTENCES = ("summary", "description", "scene", "caption")
NAMES = ("name", "label", "thing", "object", "item", "type", "class", "category", "shape")
COLOURS = ("colour", "color")

# How a thing moves or holds itself says what it does at the moment, not who it is. These are all the words that are
# taken for it; a phrase is a name up to the first of them.
ENDS = frozenset(
    """
    left right up down upward upwards downward downwards still static stationary motionless
    """.split()  # noqa: SIM905 (as words are read)
)
VERBS = frozenset(
    """
    moving going standing sitting lying walking running flying facing looking turning rising falling
    holding wearing
    """.split()  # noqa: SIM905 (as words are read)
)
LINKS = frozenset(
    """
    on in at with from to near behind under above below beside by next toward towards against over across
    is are that which who
    """.split()  # noqa: SIM905 (as words are read)
)
_NOTHING = frozenset({"", "null", "none", "nothing", "no text", "n/a"})


@dataclass(frozen=True)
class Scene:
    """What a narrator says of one stretch. sentence: of its own, where it wrote one."""

    things: tuple[Entity, ...]
    texts: tuple[str, ...] = ()
    sentence: str = ""

    @property
    def words(self) -> str:
        """All of it on one line; empty for nothing."""
        listed = ", ".join(dict.fromkeys(thing.gloss or thing.name for thing in self.things))
        read = f"text: {', '.join(self.texts)}" if self.texts else ""
        return "; ".join(part for part in (self.sentence, listed, read) if part)[:SENTENCE]


def read_brief(stretches: Sequence[Stretch], texts: Sequence[str]) -> Description:
    """The description of an event whose stretches were described one by one, in order. Never raises.

    What is named in one stretch and the next is one mention over both. It is valid where any stretch is; what was
    written of the others is left out.
    """
    scenes = [(when, scene) for when, text in zip(stretches, texts, strict=True) if (scene := read_scene(text))]
    if not scenes:
        return Description(next((said for said in map(instead, texts) if said), ""), valid=False)
    whole = Scene(
        tuple({thing.gloss or thing.name: thing for _, scene in scenes for thing in scene.things}.values()),
        tuple(dict.fromkeys(text for _, scene in scenes for text in scene.texts)),
        " ".join(dict.fromkeys(scene.sentence for _, scene in scenes if scene.sentence)),
    )
    told = [(when, scene.words) for when, scene in _runs(scenes)]
    steps = [(when, words) for when, words in told if words][:MOST_STEPS] if len(told) > 1 else []
    return Description(
        whole.words,
        tuple(words for _, words in steps),
        _mentions(scenes)[:MOST_ENTITIES],
        when=tuple(when for when, _ in steps),
    )


def read_scene(text: str) -> Scene | None:
    """One brief description, `{"things": ["red star left"], "text": "8"}` or what comes near it; None for nothing of
    the kind. Of an answer that was cut off, what is whole."""
    found = first_object(text)
    listed = _cut_list(text)
    if found is None or (listed is not None and not any(key in found for key in LISTS)):
        return None if listed is None else Scene(numbered(_things(listed)))
    items = [item for key in LISTS for item in as_list(found.get(key))]
    texts = [one_line(item, NAME) for key in TEXTS for item in as_list(found.get(key))]
    sentence = next((said for key in SENTENCES if (said := one_line(found.get(key), SENTENCE))), "")
    if not sentence and not any(key in found for key in (*LISTS, *TEXTS)):
        return None
    read = dict.fromkeys(item for item in texts if re.search(r"\w", item) and item.lower() not in _NOTHING)
    return Scene(numbered(_things(items)), tuple(read)[:MOST_TEXTS], sentence)


def name_of(phrase: str) -> str:
    """Who or what a phrase is about, the same whatever it does: `red star` of `red star left`.

    Leaves out articles in front, and what begins with a word of motion, posture or place: `a man walking to the left`
    is a `man`. Never empty for a phrase with a word in it.
    """
    words = re.split(r"[,;:()]", phrase, maxsplit=1)[0].split() or phrase.split()
    while len(words) > 1 and words[0].lower() in ARTICLES:
        words = words[1:]
    for place in range(1, len(words)):
        word, rest = words[place].lower(), [item.lower() for item in words[place + 1 :]]
        # `the still water` and `red running shoes` are names: such a word ends one only where no noun follows it.
        ends = not rest or rest[0] in ENDS | VERBS | LINKS | ARTICLES
        if word in LINKS or (word in ENDS | VERBS and ends):
            return " ".join(words[:place])
    return " ".join(words)


def _things(items: Sequence[Any]) -> Iterator[Entity]:
    return limited((_thing(item) for item in items), MOST_THINGS)


def _thing(item: Any) -> Entity | None:
    """A thing of a list: a phrase, or an object with a name, a kind and more about it."""
    kind = "object"
    if isinstance(item, dict):
        parts = {str(key).lower(): one_line(value, NAME) for key, value in item.items()}
        key = next((key for key in NAMES if parts.get(key)), None)
        if key is None:
            return None
        kind = next((parts[word] for word in ("kind", "type", "category") if parts.get(word) in KINDS), kind)
        colour = next((parts[word] for word in COLOURS if parts.get(word)), "")
        phrase = parts[key] if colour in parts[key] else f"{colour} {parts[key]}"
        more = [value for word, value in parts.items() if word not in (key, "kind", *COLOURS) and value not in KINDS]
        name, gloss = name_of(phrase), " ".join([phrase, *filter(None, more)])
    else:
        gloss = one_line(item, NAME)
        name = name_of(gloss)
    if gloss.lower() in _NOTHING or not re.search(r"\w", name):
        return None
    return Entity(kind, name, "" if gloss == name else gloss)


def _mentions(scenes: Sequence[tuple[Stretch, Scene]]) -> tuple[Entity, ...]:
    """Everything named, with its times: stretches that touch and name the same are one."""
    names: dict[tuple[str, str], str] = {}
    running: dict[tuple[str, str, int], int] = {}
    found: list[Entity] = []
    for (t0, t1), scene in scenes:
        read = [Entity("text", text, "can be read") for text in scene.texts]
        called = [
            replace(one, name=names.setdefault((one.kind, normalised(one.name)), one.name))
            for one in (*scene.things, *read)
        ]
        for entity in numbered(called):
            key = (entity.kind, entity.name, entity.which)
            place = running.get(key)
            if place is not None and found[place].t1 == t0:
                glosses = dict.fromkeys([*found[place].gloss.split("; "), entity.gloss])
                gloss = "; ".join(filter(None, glosses))[:SENTENCE]
                found[place] = replace(found[place], t1=t1, gloss=gloss)
            else:
                running[key] = len(found)
                found.append(replace(entity, t0=t0, t1=t1))
    return tuple(found)


def _runs(scenes: Sequence[tuple[Stretch, Scene]]) -> list[tuple[Stretch, Scene]]:
    """Stretches that touch and say the same, as one."""
    found: list[tuple[Stretch, Scene]] = []
    for (t0, t1), scene in scenes:
        if found and found[-1][0][1] == t0 and found[-1][1].words == scene.words:
            found[-1] = ((found[-1][0][0], t1), scene)
        else:
            found.append(((t0, t1), scene))
    return found


def _cut_list(text: str) -> list[Any] | None:
    """The whole items of a list of things: one that stands alone, or of an answer that breaks off in it."""
    start = re.search(rf'(?:^\W*|"(?:{"|".join(LISTS)})"\s*:\s*)\[', text)
    if start is None:
        return None
    decoder, place = json.JSONDecoder(), start.end()
    items: list[Any] = []
    while len(items) < MOST_THINGS:
        place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n,"))
        try:
            item, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        items.append(item)
    return items or None
