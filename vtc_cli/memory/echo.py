"""A narrator that is asked everything once: the same pictures and the same words get the answer they got before.

A search over thresholds builds almost the same memory again and again. Nothing about an answer changes: it depends on
the pictures and the prompt alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from typing import Any

import numpy as np

from vtc_cli.memory.contract import Look, Narrator, Task, Written
from vtc_cli.memory.posteriors import Weighed
from vtc_cli.video.frame import Frame

Key = tuple[Any, ...]


class EchoingNarrator:
    """See `Narrator`. Wraps another one. asked, heard: prompts that were put to it, and those it really answered."""

    def __init__(self, narrator: Narrator):
        self.narrator = narrator
        self.embedder = narrator.embedder
        self.parameters = narrator.parameters
        self.model: Any = getattr(narrator, "model", None)
        self.answers: dict[Key, Any] = {}
        self.asked = self.heard = 0

    def look(self, frames: Sequence[Frame], *, room: int, detail: bool = False) -> Look:
        return EchoingLook(self, list(frames), room, detail, (_digest(frames), detail))

    def write_all(self, tasks: Iterable[Task], *, limit: int) -> list[Written | None]:
        """See `Narrator.write_all`: those that are new, together."""
        tasks = list(tasks)
        keys = [("task", _digest(task.frames), task.prompt, limit) for task in tasks]
        new = {key: task for key, task in zip(keys, tasks, strict=True) if key not in self.answers}
        self.asked += len(tasks)
        self.heard += len(new)
        self.answers.update(zip(new, self.narrator.write_all(list(new.values()), limit=limit), strict=True))
        return [self.answers[key] for key in keys]

    def tokens_of(self, frame: Frame) -> int:
        return self.narrator.tokens_of(frame)

    def embed(self, text: str) -> np.ndarray | None:
        return self.once(("embed", text), lambda: self.narrator.embed(text))

    def count(self, text: str) -> int:
        return int(self.once(("count", text), lambda: self.narrator.count(text)))

    def once(self, key: Key, ask: Any) -> Any:
        """The answer filed under `key`, asked for if it is not there."""
        self.asked += 1
        if key not in self.answers:
            self.heard += 1
            self.answers[key] = ask()
        return self.answers[key]


def _digest(frames: Sequence[Frame]) -> str:
    digest = blake2b(digest_size=16)
    for frame in frames:
        digest.update(f"{frame.time!r} {tuple(frame.image.shape)}".encode())
        digest.update(frame.image.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


class EchoingLook:
    """See `Look`. The pictures are looked at when they are new, or a question about them is."""

    def __init__(self, echo: EchoingNarrator, frames: list[Frame], room: int, detail: bool, key: Key):
        self._echo, self._frames, self._room, self._detail, self._key = echo, frames, room, detail, key
        self._real: Look | None = None
        self.visual_tokens = int(echo.once((*key, "tokens"), lambda: self._look().visual_tokens))

    def beginning(self, text: str) -> AbstractContextManager[None]:
        """See `Look.beginning`. What is echoed costs nothing."""
        return nullcontext()

    def write(self, prompt: str, *, limit: int, temperature: float = 0.0, seed: int = 0) -> Written:
        """See `Look.write`."""
        key = (*self._key, "write", prompt, limit, temperature, seed)
        found: Written = self._echo.once(
            key, lambda: self._look().write(prompt, limit=limit, temperature=temperature, seed=seed)
        )
        return found

    def weigh(self, prompt: str, choices: Mapping[str, str]) -> Weighed:
        """See `Look.weigh`."""
        key = (*self._key, "weigh", prompt, tuple(choices.items()))
        found: Weighed = self._echo.once(key, lambda: self._look().weigh(prompt, choices))
        return found

    def _look(self) -> Look:
        if self._real is None:
            self._real = self._echo.narrator.look(self._frames, room=self._room, detail=self._detail)
        return self._real
