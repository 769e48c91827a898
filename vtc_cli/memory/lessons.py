"""Watched films with questions whose answers are known: what thresholds are tuned on and managers are trained on."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from vtc_cli.errors import MachineError
from vtc_cli.memory.contract import Inquiry, Moment, Narrator, Recall, Resume
from vtc_cli.memory.preparing import prepare
from vtc_cli.memory.rows import Passage
from vtc_cli.memory.store import MemoryStore
from vtc_cli.memory.subtitles import Subtitle

if TYPE_CHECKING:
    from vtc_cli.methods.stages import VideoMemory

LEAST_SHARE = 1e-4
"""No right answer counts as less likely than this: one hopeless question must not outweigh all others."""

SPOKEN = ("event", "step", "mention")
"""Kinds of passages that a memory has written itself."""


class KeptMoments:
    """The moments of one film in a file without a name: an hour of them takes no memory.

    It is given to `Taking` in place of a builder. Raises MachineError when there is no room.
    """

    resume: Resume | None = None

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="vtc-lesson-")  # noqa: SIM115 (closed by `close`)
        self._places: list[tuple[float, float, int, tuple[int, ...], int]] = []

    def take(self, moment: Moment) -> None:
        """Keep one more."""
        place = self._file.seek(0, 2)
        vector = np.asarray(moment.vector, np.float32)
        try:
            self._file.write(moment.image.contiguous().numpy().tobytes() + vector.tobytes())
        except OSError as error:
            raise MachineError(
                f"the frames of a film cannot be kept: {error.strerror or error}",
                "make room in the folder for temporary files, or name another with TMPDIR",
            ) from None
        self._places.append((moment.time, moment.began, place, tuple(moment.image.shape), len(vector)))

    def finish(self, duration: float) -> None:
        """See `MemoryBuilder.finish`; nothing is open here."""

    def __iter__(self) -> Iterator[Moment]:
        for time, began, place, shape, width in self._places:
            size = math.prod(shape)
            self._file.seek(place)
            image = torch.frombuffer(bytearray(self._file.read(size)), dtype=torch.uint8).view(shape)
            vector = np.frombuffer(self._file.read(4 * width), np.float32).copy()
            yield Moment(time, image, vector, began)

    def __len__(self) -> int:
        return len(self._places)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


@dataclass(frozen=True)
class Lesson:
    """One film and its exam.

    name: for people. digest: of its content; what is cached about it is filed under this. duration: seconds.
    exam: (question with choices, the right label). about: of each question, (start, end) seconds in which the answer
    can be seen, None where that is not known; empty where it is known of none.
    """

    name: str
    digest: str
    duration: float
    moments: KeptMoments
    exam: tuple[tuple[Inquiry, str], ...]
    subtitles: tuple[Subtitle, ...] = ()
    about: tuple[tuple[float, float] | None, ...] = ()


class Log(Protocol):
    """Lines that outlive a run, each whole or not there; see `jobs.ledger.Ledger`. records: those that are there."""

    records: list[dict[str, Any]]

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one more; it has the key `schema`."""
        ...


@dataclass(frozen=True)
class TrainingRequest:
    """How a manager is trained. folder: the run's own. output: where the result goes. log: of the run, for what is dear
    to find out again. seed: of everything drawn.

    options: of the training, as plain values; the method knows which. step: called with a line of words as it goes on.
    """

    folder: Path
    output: Path
    log: Log
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    step: Callable[[str], None] | None = None


@dataclass(frozen=True)
class Marks:
    """How a memory did in an exam.

    logs: natural log of the share that the right answer got, per question. right: how many it gave. tokens: of text
    that the memory wrote. minutes: of film.
    """

    logs: tuple[float, ...]
    right: int
    tokens: int
    minutes: float

    def score(self, price: float) -> float:
        """J, in nats a question: the mean log share of the right answer, less `price` for each token per minute."""
        return math.fsum(self.logs) / len(self.logs) - price * self.per_minute

    @property
    def per_minute(self) -> float:
        """Text tokens kept per minute of film."""
        return self.tokens / self.minutes

    @staticmethod
    def together(parts: Sequence[Marks]) -> Marks:
        """The marks of several films as if they were one."""
        return Marks(
            tuple(log for part in parts for log in part.logs),
            sum(part.right for part in parts),
            sum(part.tokens for part in parts),
            math.fsum(part.minutes for part in parts),
        )


def examine(method: VideoMemory, lesson: Lesson, narrator: Narrator) -> Marks:
    """Build the memory of a film and put its exam to it. Only what was remembered is looked at, not the film again."""
    with (
        tempfile.TemporaryDirectory(prefix="vtc-lesson-") as folder,
        MemoryStore.create(Path(folder) / "index.sqlite", {}) as store,
    ):
        prepare(store, narrator, lesson.subtitles)
        builder = method.build(store, narrator)
        for moment in lesson.moments:
            builder.take(moment)
        builder.finish(lesson.duration)
        return mark(method, store, lesson.exam, narrator, lesson.duration)


def mark(
    method: VideoMemory,
    store: MemoryStore,
    exam: Sequence[tuple[Inquiry, str]],
    narrator: Narrator,
    duration: float,
) -> Marks:
    """Put an exam to a memory that is there."""
    logs, right = [], 0
    for inquiry, label in exam:
        found = method.recall(inquiry, Recall(store, narrator))
        logs.append(math.log(max(found.posterior.shares[label], LEAST_SHARE)))
        right += found.label == label
    return Marks(tuple(logs), right, written_tokens(store, narrator), duration / 60)


def written_tokens(store: MemoryStore, narrator: Narrator) -> int:
    """Tokens of the text that a memory wrote itself; what is said in the film is not its doing."""
    marks = ", ".join("?" * len(SPOKEN))
    bodies = [row.body for row in store.rows(Passage, f"kind IN ({marks})", SPOKEN, "id")]
    return narrator.count("\n".join(bodies)) - narrator.count("") if bodies else 0


def held_out(lessons: Sequence[Lesson], share: float) -> tuple[list[Lesson], list[Lesson]]:
    """(those to learn from, those to check on): the last `share` of the films, at least one where there are two."""
    count = min(len(lessons) - 1, max(1, round(len(lessons) * share))) if share > 0 and len(lessons) > 1 else 0
    return list(lessons[: len(lessons) - count]), list(lessons[len(lessons) - count :])
