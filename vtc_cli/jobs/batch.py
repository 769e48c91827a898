"""Many videos, many questions: skip what is done, isolate what fails, write what is answered at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vtc_cli.errors import MachineError, VtcError
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.ledger import Ledger, LedgerError
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.request import Request
from vtc_cli.video.frame import Clip

Record = dict[str, Any]


class Answerer(Protocol):
    """Who answers: a loaded model with its settings (`jobs.run.Runner`)."""

    def open(self, source: str) -> Clip:
        """The video, not yet decoded. Raises VtcError."""
        ...

    def identity(self, clip: Clip, question: Question) -> str | None:
        """The id its record will have (same clip, question, settings: same id); None where no one can know."""
        ...

    def prepare(self) -> object:
        """Load what answering needs, once. Raises VtcError."""
        ...

    def answer(self, clip: Clip, questions: Sequence[Question]) -> Iterator[Record]:
        """One record per question, in order; the video is watched once. Raises VtcError."""
        ...

    def failure(self, source: str, clip: Clip | None, question: Question, error: VtcError) -> Record:
        """The record of a question that could not be answered."""
        ...


@dataclass
class Tally:
    """How a run went, in questions."""

    answered: int = 0
    partial: int = 0
    failed: int = 0
    skipped: int = 0
    error: VtcError | None = None

    @property
    def exit_code(self) -> int:
        """0 all answered; 3 some failed or a video was damaged; when nothing was answered, the error's own code."""
        if not self.failed and not self.partial:
            return 0
        if self.answered or self.skipped or self.error is None:
            return 3
        return self.error.exit_code


def finished(records: Sequence[Mapping[str, Any]]) -> set[str]:
    """Ids of the questions earlier records answer. Those that failed are tried again."""
    return {record["id"] for record in records if record.get("error") is None and record.get("id")}


def run_batch(
    request: Request,
    answerer: Answerer,
    tally: Tally,
    *,
    ledger: Ledger | None = None,
    done: Collection[str] = (),
    events: Events | None = None,
) -> Iterator[Record]:
    """Records of every video and question, as they are answered; failures are records too.

    tally: filled in while iterating. ledger: has each record on disk before it is yielded. done: ids to skip.
    One failing video never stops the others; KeyboardInterrupt and a full disk do, and leave the ledger whole.
    """
    events = events or Events()
    keep = ledger.append if ledger is not None else _drop
    several = len(request.sources) > 1
    for source in request.sources:
        pending: list[Question] = list(request.questions)
        clip: Clip | None = None
        try:
            try:
                clip = answerer.open(source)
                if request.digest is not None and clip.info.digest != request.digest:
                    events.warning(f"{source} is not the video of the record: its content differs")
                pending = [question for question in pending if answerer.identity(clip, question) not in done]
            except Exception as error:
                yield from _fail(answerer, source, clip, pending, _known(error, source, several), tally, keep, events)
                continue
            tally.skipped += len(request.questions) - len(pending)
            if not pending:
                events.skipped(source, len(request.questions))
                continue
            answerer.prepare()  # what fails here fails for every video: it ends the batch
            try:
                for record in answerer.answer(clip, tuple(pending)):
                    tally.answered += 1
                    tally.partial += bool(record.get("partial"))
                    keep(record)
                    pending.pop(0)
                    yield record
            except LedgerError:
                raise
            except Exception as error:
                yield from _fail(answerer, source, clip, pending, _known(error, source, several), tally, keep, events)
        finally:
            if clip is not None:
                clip.close()


def _known(error: Exception, source: str, several: bool) -> VtcError:
    """The error as one a record can hold. A bug ends a run of one video, where going on would save nothing."""
    if isinstance(error, VtcError):
        return error
    if isinstance(error, MemoryError):
        return MachineError(f"{source}: the machine is out of memory", "lower --budget, --chunk or --pixels")
    if not several:
        raise error
    return VtcError(f"{source}: {type(error).__name__}: {error}", "run this video alone with --debug")


def _fail(
    answerer: Answerer,
    source: str,
    clip: Clip | None,
    pending: Sequence[Question],
    error: VtcError,
    tally: Tally,
    keep: Callable[[Record], None],
    events: Events,
) -> Iterator[Record]:
    tally.error = tally.error or error
    events.failed(source, error)
    for question in pending:
        tally.failed += 1
        record = answerer.failure(source, clip, question, error)
        keep(record)
        yield record


def _drop(record: Record) -> None:
    """Nobody keeps a file."""
