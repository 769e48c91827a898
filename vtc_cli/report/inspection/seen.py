"""What is known about a watched video for its pictures: plain values, and nothing drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from vtc_cli.memory.timeline import Timeline

SCHEMA = "vtc.inspect/1"


@dataclass(frozen=True)
class FrameSeen:
    """A chosen frame and what became of its unit.

    time: of the frame. span: first and last frame of the unit, seconds. grid: (rows, columns) of the unit's tokens.
    image: uint8 [H, W, 3], as the model sees it. kinds: why tokens were kept -> raster indices.
    attention: vision layer (1-based) -> [tokens] attention received, of the layers that were read for the method.
    held: [layers, tokens] share of key heads that hold each token when all was watched; None for a unit that is not in
    the cache yet, because the video ended within it.
    """

    time: float
    unit: int
    span: tuple[float, float]
    grid: tuple[int, int]
    image: np.ndarray
    kinds: Mapping[str, tuple[int, ...]]
    attention: Mapping[int, np.ndarray]
    held: np.ndarray | None

    @property
    def tokens(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def kept(self) -> tuple[int, ...]:
        """Raster indices of every kept token, ascending."""
        return tuple(sorted(index for indices in self.kinds.values() for index in indices))

    @property
    def thinned(self) -> bool:
        """Whether some layer no longer holds a token that was kept."""
        return self.held is not None and bool((self.held[:, list(self.kept)] < 1).any())


@dataclass(frozen=True)
class CacheSeen:
    """Which moments the cache holds.

    policy: its name. spans: of every unit watched, seconds. kept: tokens of each that entered the language model.
    entries: [layers, units] when all was watched, the mean over key heads. course: (seconds watched, [units so far]
    entries, the mean over layers) at a few moments of watching. evicted: entries dropped, in the layer of most.
    """

    policy: str
    spans: Sequence[tuple[float, float]]
    kept: Sequence[int]
    entries: np.ndarray
    course: Sequence[tuple[float, np.ndarray]]
    evicted: int


@dataclass(frozen=True)
class Inspected:
    """A video as a model watched it with some methods, or as a memory holds it, or both.

    frames, cache: none where it was not watched for them. facts: name -> text, for the reader of the page.
    """

    video: str
    methods: Sequence[str]
    question: str | None
    frames: Sequence[FrameSeen]
    cache: CacheSeen | None
    facts: Mapping[str, str]
    memory: Timeline | None = None


def as_json(seen: Inspected, files: Sequence[str]) -> dict[str, Any]:
    """Everything that is drawn, as plain values. files: names of the pictures beside it."""
    return {
        "schema": SCHEMA,
        "video": seen.video,
        "methods": list(seen.methods),
        "question": seen.question,
        "facts": dict(seen.facts),
        "frames": [_frame(frame) for frame in seen.frames],
        "cache": None if seen.cache is None else _cache(seen.cache),
        "memory": None if seen.memory is None else seen.memory.plain(),
        "files": list(files),
    }


def _cache(cache: CacheSeen) -> dict[str, Any]:
    return {
        "policy": cache.policy,
        "evicted": cache.evicted,
        "spans": [list(span) for span in cache.spans],
        "kept": list(cache.kept),
        "entries": _rounded(cache.entries),
        "course": [{"time": time, "entries": _rounded(entries)} for time, entries in cache.course],
    }


def _frame(frame: FrameSeen) -> dict[str, Any]:
    return {
        "time": frame.time,
        "unit": frame.unit,
        "span": list(frame.span),
        "grid": list(frame.grid),
        "kinds": {name: list(indices) for name, indices in frame.kinds.items()},
        "attention": {str(layer): _rounded(scores, 9) for layer, scores in frame.attention.items()},
        "held": None if frame.held is None else _rounded(frame.held),
    }


def _rounded(values: np.ndarray, digits: int = 4) -> Any:
    return values.astype("float64").round(digits).tolist()
