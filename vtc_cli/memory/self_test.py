"""Whether a memory made with some model is found again by words, by meaning, and by both: tried on sentences."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vtc_cli.memory.rows import Passage
from vtc_cli.memory.searching import search
from vtc_cli.memory.store import MemoryStore

# What a memory might hold; the question in its words; the question in others, which share none that counts.
SENTENCES = (
    ("a man in a red coat walks a dog", "who walks a dog?", "which person has a pet on a leash?"),
    ("a woman pours coffee into a cup", "what is poured into the cup?", "which hot drink is served?"),
    ("children play football on a field", "what do children play?", "where are kids having a match?"),
    (
        "a train arrives at the station",
        "when does the train arrive?",
        "how long until the railway platform?",
    ),
    ("a chef cuts onions with a knife", "what does the chef cut?", "how are vegetables being sliced by the cook?"),
    ("heavy rain falls on the street", "where does rain fall?", "is there bad weather outside?"),
    ("a bird sits on a branch and sings", "which bird sings?", "what animal makes music in a tree?"),
    ("two cars crash at a crossroads", "where do the cars crash?", "how did vehicles collide in an accident?"),
    ("a teacher writes numbers on a board", "who writes on the board?", "when is mathematics explained in class?"),
    ("a ship leaves the harbour at night", "when does the ship leave?", "which boat sails away from port after dark?"),
    ("a doctor looks at an x-ray picture", "what picture does the doctor look at?", "is a physician examining bones?"),
    ("the phone rings and nobody answers", "does anybody answer the phone?", "which missed call was there?"),
    ("a baby sleeps in a white bed", "where does the baby sleep?", "is the infant resting?"),
    ("firemen put out a burning house", "who put out the house?", "how were flames extinguished in the building?"),
    ("a guitarist plays alone on stage", "what is played on stage?", "which musician performs a solo concert?"),
    ("snow covers the mountain tops", "what covers the mountain?", "are high peaks frozen in winter?"),
)


@dataclass(frozen=True)
class Recalled:
    """Questions whose sentence was found first: by words, by meaning, and with both fused, of `asked`."""

    asked: int
    words: int
    meaning: int
    both: int


def try_search(embed: Callable[[str], np.ndarray | None]) -> tuple[Recalled, Recalled]:
    """Questions in the words of what is looked for, and in others. embed: the model's, see `Narrator.embed`."""
    with (
        tempfile.TemporaryDirectory(prefix="vtc-search-") as folder,
        MemoryStore.create(Path(folder) / "index.sqlite", {}) as store,
    ):
        with store.transaction():
            for number, (body, _, _) in enumerate(SENTENCES, 1):
                t0 = 10.0 * number
                store.add(Passage(number, "event", number, t0, t0 + 10, t0 + 10, body, embed(body)))
        same, other = (_recalled(store, [item[place] for item in SENTENCES], embed) for place in (1, 2))
        return same, other


def _recalled(store: MemoryStore, questions: list[str], embed: Callable[[str], np.ndarray | None]) -> Recalled:
    words = meaning = both = 0
    for number, question in enumerate(questions, 1):
        hits = search(store, question, embed(question), most=len(SENTENCES))
        words += any(hit.words == 1 and hit.passage.id == number for hit in hits)
        meaning += any(hit.meaning == 1 and hit.passage.id == number for hit in hits)
        both += bool(hits) and hits[0].passage.id == number
    return Recalled(len(questions), words, meaning, both)
