"""Films of numbers and a narrator that answers by rule: what is tested is the memory, not a model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from vtc_mm_mem.builder import Builder
from vtc_mm_mem.events import Closing
from vtc_mm_mem.judging import Judge
from vtc_mm_mem.manager import Manager

from vtc_cli import Frame
from vtc_cli.memory import MemoryStore, Moment, Task, Weighed, Written

SIZE = 32


def texture(seed: int) -> np.ndarray:
    """A picture [32, 32, 3] full of detail, different for each seed."""
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3)).astype(np.float32)


BLACK = np.zeros((SIZE, SIZE, 3), np.float32)


def scenes(*parts: tuple[np.ndarray, int]) -> Iterator[np.ndarray]:
    """Each picture for so many frames."""
    for picture, count in parts:
        for _ in range(count):
            yield picture


def noisy(pictures: Iterable[np.ndarray], sigma: float, seed: int = 0) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for picture in pictures:
        yield np.clip(picture + rng.normal(0, sigma, picture.shape), 0, 255)


def moments(pictures: Iterable[np.ndarray], fps: float = 1.0) -> Iterator[Moment]:
    """A film at `fps`, each frame encoded alone; its vector is what it looks like, centred."""
    for index, picture in enumerate(pictures):
        image = torch.from_numpy(np.asarray(picture).round().astype(np.uint8)).permute(2, 0, 1)
        yield Moment(index / fps, image, looks(image), index / fps)


def looks(image: torch.Tensor) -> np.ndarray:
    flat = image.float().flatten().numpy() / 255 - 0.5
    if flat.std() < 1e-6:
        flat = np.full_like(flat, -0.5)
    return (flat / np.linalg.norm(flat)).astype(np.float32)


def plain_description(prompt: str, frames: Sequence[Frame]) -> str:
    """What the narrator says of an event: the mean colour of each frame."""
    names = [f"thing {int(frame.image.float().mean()):d}" for frame in frames]
    entities = [
        {"kind": "object", "name": name, "gloss": f"seen first at {frames[0].time:g}"} for name in dict.fromkeys(names)
    ]
    return json.dumps({"summary": f"{len(frames)} pictures of {names[0]}", "events": names, "entities": entities})


Weigh = Callable[[str, Mapping[str, str], Sequence[Frame]], Mapping[str, float]]


@dataclass
class Narration:
    """A narrator that answers by rule and remembers what it was asked.

    weigh: prompt, choices, frames -> log mass per label. write: prompt, frames -> text.
    """

    write: Callable[[str, Sequence[Frame]], str] = plain_description
    weigh: Weigh = lambda prompt, choices, frames: {label: np.log(1 / len(choices)) for label in choices}
    embedder: str = "words in buckets"
    parameters: int | None = None
    asked: list[tuple[str, tuple[float, ...], str]] = field(default_factory=list)
    looked: list[tuple[tuple[float, ...], bool]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def look(self, frames: Sequence[Frame], *, room: int, detail: bool = False) -> Looking:
        assert frames
        assert room > 0
        self.looked.append((tuple(frame.time for frame in frames), detail))
        return Looking(self, list(frames), 4 * len(frames))

    def write_all(self, tasks: Iterable[Task], *, limit: int) -> list[Written | None]:
        tasks = list(tasks)
        self.batches.append(len(tasks))
        return [
            self.look(task.frames, room=1).write(task.prompt, limit=limit) if task.frames else None for task in tasks
        ]

    def tokens_of(self, frame: Frame) -> int:
        return 4

    def embed(self, text: str) -> np.ndarray | None:
        vector = np.zeros(64, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            vector[sum(word.encode()) % 64] += 1
        return vector if vector.any() else None

    def count(self, text: str) -> int:
        return len(text.split()) + 1


@dataclass
class Looking:
    narration: Narration
    frames: list[Frame]
    visual_tokens: int

    def beginning(self, text: str) -> AbstractContextManager[None]:
        return nullcontext()

    def write(self, prompt: str, *, limit: int, temperature: float = 0.0, seed: int = 0) -> Written:
        self._note("write", prompt)
        text = self.narration.write(prompt, self.frames)
        return Written(text, len(text.split()))

    def weigh(self, prompt: str, choices: Mapping[str, str]) -> Weighed:
        self._note("weigh", prompt + "\n" + "\n".join(f"{label}. {text}" for label, text in choices.items()))
        return Weighed(dict(self.narration.weigh(prompt, choices, self.frames)))

    def _note(self, kind: str, prompt: str) -> None:
        self.narration.asked.append((kind, tuple(frame.time for frame in self.frames), prompt))


def built(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    narration: Any = None,
    fps: float = 1.0,
    duration: float | None = None,
    prepare: Callable[[MemoryStore], None] | None = None,
    closing: Closing | None = None,
    judged: bool = False,
) -> MemoryStore:
    """A memory of a film."""
    store = MemoryStore.create(path, {})
    if prepare is not None:
        with store.transaction():
            prepare(store)
    narration = narration or Narration()
    decider = Judge(store, narration) if judged else None
    builder = Builder(store, narration, Manager(), closing or Closing(), decider=decider)
    last = -1.0
    for moment in moments(pictures, fps):
        builder.take(moment)
        last = moment.time
    builder.finish(last + 1 / fps if duration is None else duration)
    store.finish()
    return store
