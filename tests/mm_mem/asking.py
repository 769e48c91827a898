"""Asking a memory of a film of numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log
from typing import Any

import numpy as np
import torch
from vtc_mm_mem.method import MMMem

from tests.mm_mem.fakes import Narration, looks, texture
from vtc_cli import Frame
from vtc_cli.memory import Inquiry, MemoryStore, Recall, Recollection

CHOICES = {"A": "one", "B": "two", "C": "three", "D": "four"}


@dataclass
class Film:
    """Frames once a second, and how often they were decoded again."""

    pictures: Sequence[np.ndarray]
    decoded: int = 0
    times: list[float] = field(default_factory=list)

    def again(self, times: Sequence[float]) -> list[Frame]:
        self.decoded += len(times)
        self.times += times
        return [self._frame(min(int(time), len(self.pictures) - 1)) for time in times]

    def sampled(self, start: float, end: float) -> list[Frame]:
        found = [self._frame(place) for place in range(len(self.pictures)) if start <= place <= end]
        self.decoded += len(found)
        return found

    def _frame(self, place: int) -> Frame:
        image = torch.from_numpy(np.asarray(self.pictures[place]).round().astype(np.uint8)).permute(2, 0, 1)
        return Frame(float(place), image)


def ask(
    store: MemoryStore,
    film: Film,
    narration: Narration,
    question: str,
    choices: Mapping[str, str] | None = None,
    *,
    at: float | None = None,
    **options: Any,
) -> Recollection:
    if store.get("embedder") is None:
        with store.transaction():
            store.set("embedder", narration.embedder)
    using = Recall(store, narration, again=film.again, sampled=film.sampled)
    return MMMem(**options).recall(Inquiry(question, choices, at), using)


def spread(nats: float, labels: Sequence[str], coverage: float = 1.0) -> dict[str, float]:
    """Log masses of this entropy: the first label has most, the others share the rest."""
    low, high = 1 / len(labels), 1 - 1e-12
    for _ in range(100):
        top = (low + high) / 2
        rest = (1 - top) / (len(labels) - 1)
        entropy = -top * log(top) - (len(labels) - 1) * (rest * log(rest) if rest > 0 else 0)
        low, high = (top, high) if entropy > nats else (low, top)
    rest = max((1 - top) / (len(labels) - 1), 1e-300)
    return {label: log((top if place == 0 else rest) * coverage) for place, label in enumerate(labels)}


def unsure(*stages: float | tuple[float, float], doubts: int = 0) -> Narration:
    """A narrator whose answers have these entropies, look by look and then the last one on; a pair adds the coverage.
    To be asked with `both_orders` off. doubts: so many times it says that its answer is not shown."""
    left, denied = list(stages), [True] * doubts

    def weigh(prompt: str, choices: Mapping[str, str], frames: Sequence[Frame]) -> Mapping[str, float]:
        if set(choices) == {"yes", "no"}:
            yes = 0.3 if "Proposed answer" in prompt and denied and denied.pop() else 0.7
            return {"yes": log(yes), "no": log(1 - yes)}
        now = left.pop(0) if len(left) > 1 else left[0]  # the last stage looks more than once
        nats, coverage = now if isinstance(now, tuple) else (now, 1.0)
        return spread(nats, list(choices), coverage)

    return Narration(weigh=weigh)


class Seer(Narration):
    """Knows the pictures of `texture` by their number: describes them, and finds them where a question names one."""

    def __init__(self, known: Sequence[int]):
        self._known = {
            number: looks(torch.from_numpy(texture(number).astype(np.uint8)).permute(2, 0, 1)) for number in known
        }
        super().__init__(write=self._write, weigh=self._weigh)

    def numbers(self, frames: Sequence[Frame]) -> list[int]:
        found = []
        for frame in frames:
            seen = looks(frame.image)
            near = {number: float(seen @ vector) for number, vector in self._known.items()}
            best = max(near, key=lambda number: near[number])
            if near[best] > 0.5:
                found.append(best)
        return found

    def _write(self, prompt: str, frames: Sequence[Frame]) -> str:
        names = [f"sign{number}" for number in dict.fromkeys(self.numbers(frames))]
        if "JSON" not in prompt:
            return ", ".join(name for name in names if name in re.findall(r"\w+", prompt)) or "nothing"
        entities = [{"kind": "text", "name": name, "gloss": f"the number {name}"} for name in names]
        return json.dumps({"summary": f"a wall with {' and '.join(names)}", "events": [], "entities": entities})

    def _weigh(self, prompt: str, choices: Mapping[str, str], frames: Sequence[Frame]) -> Mapping[str, float]:
        names = {f"sign{number}" for number in self.numbers(frames)}
        question = prompt.rsplit("Question:", 1)[-1] if "Question:" in prompt else prompt.rsplit("\n\n", 1)[-1]
        seen = any(name in question.replace("?", " ").split() for name in names)
        if set(choices) == {"yes", "no"}:
            return {"yes": log(0.9 if seen else 0.1), "no": log(0.1 if seen else 0.9)}
        # A sign was asked about that is not here: whatever is, was not.
        elsewhere = re.search(r"\bsign\d", question) is not None and not seen
        right = [label for label, text in choices.items() if text in names and not elsewhere]
        if not right and not seen:
            return {
                label: log(0.94 if text == "not shown in the video" else 0.06 / len(choices))
                for label, text in choices.items()
            }
        scores = {label: 3.0 if label in right else 0.0 for label in choices}
        total = sum(exp(score) for score in scores.values())
        return {label: score - log(total) for label, score in scores.items()}
