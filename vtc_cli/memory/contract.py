"""What a memory is given and what it gives back: moments while watching, a narrator, questions and their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vtc_cli.memory.posteriors import Posterior, Weighed

if TYPE_CHECKING:
    from torch import Tensor

    from vtc_cli.memory.store import MemoryStore
    from vtc_cli.video.frame import Frame


@dataclass(frozen=True)
class Moment:
    """One watched frame, as a memory sees it.

    image: uint8 [3, h, w] at the model's size. vector: unit vector [d], the mean of the visual tokens of its unit.
    began: time of the first frame that was encoded together with it; watching can go on from there.
    """

    time: float
    image: Tensor
    vector: np.ndarray
    began: float


@dataclass(frozen=True)
class Resume:
    """Where building goes on. again: watch from the batch of frames that begins at this time; the same frames must be
    encoded together as before. done: moments until this time, itself included, are in the memory already."""

    again: float
    done: float


class MemoryBuilder(Protocol):
    """Takes in a video from where the store stands. What it has taken in is on disk clip by clip."""

    @property
    def resume(self) -> Resume | None:
        """Where to go on; None at the beginning."""
        ...

    def take(self, moment: Moment) -> None:
        """The next moment, in time order."""
        ...

    def finish(self, duration: float) -> None:
        """The video is over: everything open is closed. Raises VideoError when there was no moment at all."""
        ...


@dataclass(frozen=True)
class Written:
    """What a narrator wrote. tokens: of it."""

    text: str
    tokens: int


class Look(Protocol):
    """A narrator looking at a few pictures; several prompts about them cost the pictures once.

    visual_tokens: rows of the pictures in the language model.
    """

    visual_tokens: int

    def beginning(self, text: str) -> AbstractContextManager[None]:
        """Prompts of the block that begin with `text` may cost only what comes after it; their answers are the same."""
        ...

    def write(self, prompt: str, *, limit: int, temperature: float = 0.0, seed: int = 0) -> Written:
        """Text in answer to a prompt, at most `limit` tokens."""
        ...

    def weigh(self, prompt: str, choices: Mapping[str, str]) -> Weighed:
        """How much mass each label gets at the first place of the answer, over the whole vocabulary."""
        ...


@dataclass(frozen=True)
class Task:
    """Something to be written about pictures of its own."""

    frames: Sequence[Frame]
    prompt: str


class Narrator(Protocol):
    """Who looks at pictures and puts them into words: a model, or what stands in for one in tests.

    embedder: names the space of `embed`; vectors of different spaces are never compared. parameters: how many its model
    has, None where there is no such number.
    """

    embedder: str
    parameters: int | None

    def look(self, frames: Sequence[Frame], *, room: int, detail: bool = False) -> Look:
        """Look at frames, at least one, each a moment of its own. room: tokens of prompts and answers to keep free.
        detail: at the model's own resolution, with no visual token pruned."""
        ...

    def write_all(self, tasks: Iterable[Task], *, limit: int) -> list[Written | None]:
        """What a look at each task's frames would write, in order; None where it does not fit, or there is no frame.

        They are independent of each other, so a model may write them side by side; their pictures need not be there at
        the same time.
        """
        ...

    def tokens_of(self, frame: Frame) -> int:
        """Visual tokens of a frame that is looked at, at the most: where none is pruned."""
        ...

    def embed(self, text: str) -> np.ndarray | None:
        """A vector [d] for comparing texts; None where there is none."""
        ...

    def count(self, text: str) -> int:
        """Tokens of a prompt."""
        ...


@dataclass(frozen=True)
class Inquiry:
    """A question put to a memory.

    choices: label -> text, None for a free answer. at: answer as of this moment, None for the whole video.
    limit: tokens of a written answer. glance: answers from what the model still has in its cache from watching, where
    it has just watched, or a snapshot was kept. glanced: which of the two, for the trace.
    """

    question: str
    choices: Mapping[str, str] | None = None
    at: float | None = None
    limit: int = 256
    temperature: float = 0.0
    seed: int = 0
    glance: Look | None = None
    glanced: str = ""


@dataclass(frozen=True)
class Interval:
    """A stretch that an answer rests on. level: `event`, `clip`, `mention`, `subtitle` or `frame`; id: in that table,
    None for a frame. [t0, t1) seconds."""

    level: str
    id: int | None
    t0: float
    t1: float


@dataclass(frozen=True)
class Step:
    """One stage of a search. text: the evidence in words. intervals: what was looked at. shares: of the answers.
    note: what is particular about it, None mostly."""

    stage: str
    posterior: Posterior
    answers: Mapping[str, str]
    intervals: tuple[Interval, ...]
    text: str
    frames: tuple[float, ...]
    calls: int
    visual_tokens: int
    note: str | None = None


@dataclass(frozen=True)
class Recollection:
    """An answer from a memory, and how it came about.

    label: of the choices given, None for a free answer. stopped: `confident`, `bottom`, `calls`, `tokens`, `seconds`.
    supported: whether what was found shows the answer at all. trace: every look, in order; stage: the one answered
    from. confidence: the share of the answer, where it is not the likeliest of the posterior.
    """

    answer: str
    label: str | None
    stage: str
    posterior: Posterior
    supported: bool
    stopped: str
    intervals: tuple[Interval, ...]
    trace: tuple[Step, ...]
    calls: int
    visual_tokens: int
    tokens: int
    notes: tuple[str, ...] = ()
    confidence: float | None = None


@dataclass(frozen=True)
class Recall:
    """What a memory may use to answer: its store, a narrator, and a way to look at the video again.

    again: times in seconds -> the frames on screen then, in order; None where the video is not at hand.
    sampled: (start, end) -> the frames that were watched in this stretch, both ends included, decoded again.
    """

    store: MemoryStore
    narrator: Narrator
    again: Callable[[Sequence[float]], Sequence[Frame]] | None = None
    sampled: Callable[[float, float], Sequence[Frame]] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
