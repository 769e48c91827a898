"""Running a comparison: film by film, every row watches the same frames and answers the same questions."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

from vtc_cli.bench import lines
from vtc_cli.bench.clips import NoiseClip
from vtc_cli.bench.rows import Row, settings_of
from vtc_cli.bench.shared_vision import SharedVision, without_unmeasured
from vtc_cli.bench.still import StillClip
from vtc_cli.bench.suite import Case, Suite, Task, limited
from vtc_cli.errors import UsageError, VideoError, VtcError
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.ledger import Ledger, LedgerError
from vtc_cli.jobs.run import Runner
from vtc_cli.jobs.settings import Settings
from vtc_cli.video.frame import Clip

if TYPE_CHECKING:
    from vtc_cli.engine.session import Session
    from vtc_cli.models.contract import ModelInfo, VideoLM

Line = lines.Line
SHARED = ("fps", "pixels", "system", "temperature", "max_new_tokens")  # settings that decide every row's answers
EVERY = sys.maxsize  # as a limit: all questions of a suite


@dataclass(frozen=True)
class Plan:
    """A comparison. rows: `none` is the first. settings: what all rows share; its methods are not used.

    limit: questions per skill. share_vision: the tower sees each film once for all rows; what watching took is then
    not measured.
    """

    suite: Suite
    rows: tuple[Row, ...]
    settings: Settings
    limit: int
    share_vision: bool = False

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise UsageError(f"--limit must be at least 1 question per skill, not {self.limit}")
        if self.limit >= EVERY and self.suite.sizes is None:
            raise UsageError(f"the suite {self.suite.name} has no end", "say how many questions: --limit 30")

    @property
    def answers(self) -> int:
        """How many there will be when every skill finds its questions."""
        sizes = self.suite.sizes
        return len(self.rows) * sum(
            min(self.limit, sizes[skill] if sizes else self.limit) for skill in self.suite.skills
        )


@dataclass(frozen=True)
class LeftOut:
    """A film that could not be read, and how many questions nobody was asked for that."""

    case: str
    questions: int
    error: VideoError


class BenchEvents(Events):
    """What a comparison tells besides the events of each watching."""

    def row(self, row: Row, case: Case) -> None:
        """A row begins with a film."""

    def answered(self, count: int) -> None:
        """So many more answers are there."""

    def dropped(self, row: Row, error: VtcError) -> None:
        """A row failed and is not run any further; the others go on."""

    def left_out(self, film: LeftOut) -> None:
        """A film cannot be read; the others go on."""


@dataclass
class Bench:
    """One run of a plan. ledger: an open file of earlier lines, to which new ones are added; None keeps no file.

    failures: rows that failed, with their first error. left_out: films that could not be read. Raises UsageError for
    what cannot be, most of it before the model is loaded.
    """

    plan: Plan
    ledger: Ledger | None = None
    events: BenchEvents = field(default_factory=BenchEvents)
    failures: dict[str, VtcError] = field(default_factory=dict, init=False)
    left_out: list[LeftOut] = field(default_factory=list, init=False)
    facts: dict[str, Any] = field(default_factory=dict, init=False)
    info: ModelInfo | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._runners: dict[tuple[str, int | None], Runner] = {}
        self._listener = _Listener(self.events)
        self._model: VideoLM | None = None
        self._shared: SharedVision | None = None
        self._film: str | None = None
        self._done: dict[str, Line] = {}
        for row in self.plan.rows:
            self._runner(row)

    def run(self) -> Iterator[Line]:
        """Every line of the plan, those of earlier runs among them: film by film, row by row, in the plan's order.

        A row other than `none` that fails is left out from then on, and so is a film that cannot be read.
        Raises VideoError when that is every film.
        """
        asked = False
        for case in limited(self.plan.suite, self.plan.limit):
            try:
                if self._model is None:
                    self._begin(case)
                for line in self._case(case):
                    asked = True
                    yield line
            except VideoError as error:
                self.left_out.append(LeftOut(case.id, len(case.tasks), error))
                self.events.left_out(self.left_out[-1])
        if not asked and self.left_out:
            first = self.left_out[0].error
            raise VideoError(f"not one film of {self.plan.suite.name} can be read: {first.message}", first.hint)
        if not asked:
            raise UsageError(f"the suite {self.plan.suite.name} has no questions for these settings")

    def _begin(self, case: Case) -> None:
        """Check every row against the first film, load the model, and find what is done already."""
        with closing(case.open()) as clip:
            for row in self.plan.rows:
                self._runner(row).check(clip.info)
        self._model = self._runner(self.plan.rows[0]).prepare()
        self.info = self._model.info
        settings = self.plan.settings.as_dict()
        model = {"model": self.info.name, "revision": self.info.revision, "dtype": self.info.dtype}
        shared = [*SHARED, *(name for name in lines.SPARSE if settings[name] is not None)]
        self.facts = {**self.plan.suite.facts, **model, **{name: settings[name] for name in shared}}
        if self.plan.share_vision:
            self.facts["share_vision"] = True
            self._shared = SharedVision(self._model)
            self._model = self._shared.model
            self._runners.clear()  # the one that loaded it holds the model that does not share
        self._head = lines.head(self.facts)
        if self.ledger is not None:
            self._done = lines.known(self.ledger.records, self._head, str(self.ledger.path))
            if not self.ledger.records:
                self.ledger.append(self._head)
            self.ledger.records.clear()

    def _case(self, case: Case) -> Iterator[Line]:
        if self._shared is not None and (case.film is None or case.film != self._film):
            self._shared.forget()  # but a film asked about at several moments begins alike each time
        self._film = case.film
        keys = {row.name: [self._key(row, case, task) for task in case.tasks] for row in self.plan.rows}
        clip: Clip | None = None
        entries: int | None = None
        try:
            for row in self.plan.rows:
                if row.name in self.failures:
                    continue
                found = {name: self._done[name] for name in keys[row.name] if name in self._done}
                missing = [task for task, name in zip(case.tasks, keys[row.name], strict=True) if name not in found]
                if missing:
                    clip = clip or case.open()
                    self.events.row(row, case)
                try:
                    for made in self._row(row, case, missing, clip, entries):
                        found[made["key"]] = made
                except (LedgerError, VideoError):  # a film is no better for the next row
                    raise
                except VtcError as error:
                    if row is self.plan.rows[0]:
                        raise
                    self.failures[row.name] = error
                    self.events.dropped(row, error)
                    continue
                ordered = [found[name] for name in keys[row.name]]
                if row is self.plan.rows[0]:
                    entries = ordered[0]["record"]["tokens"]["rows"]
                self.events.answered(len(ordered) - len(missing))
                yield from ordered
        finally:
            if clip is not None:
                clip.close()

    def _row(
        self, row: Row, case: Case, tasks: Sequence[Task], clip: Clip | None, entries: int | None
    ) -> Iterator[Line]:
        """Lines of the questions one row has not answered yet, each in the file before the next is asked."""
        if not tasks or clip is None:
            return
        runner = self._runner(row, entries)
        runner.prepare(self._model)
        if isinstance(clip, StillClip) and self.info is not None:
            clip.fill(self.info.frames_per_unit)
        shown = NoiseClip(clip, crc32(case.id.encode())) if row.blind else clip
        by_question = any(chosen.method.by_question() for chosen in runner.methods.values())
        records = runner.answer(shown, [task.question for task in tasks])
        for task, record in zip(tasks, records, strict=True):
            name = self._key(row, case, task)
            if self._shared is not None:
                record = without_unmeasured(record)
            made = lines.line(name, row, case, task, record, self._listener.held(), by_question)
            if self.ledger is not None:
                self.ledger.append(made)
            self.events.answered(1)
            yield made

    def _key(self, row: Row, case: Case, task: Task) -> str:
        budget = settings_of(row, self.plan.settings).budget
        return lines.key(self._head["fingerprint"], row, None if budget is None else str(budget), case, task)

    def _runner(self, row: Row, entries: int | None = None) -> Runner:
        """A row's runner; for a row with a share, that of films whose whole cache would hold `entries`."""
        name = (row.name, entries if row.share is not None else None)
        if name not in self._runners:
            self._runners[name] = Runner(settings_of(row, self.plan.settings, entries), self._listener)
        return self._runners[name]


class _Listener(Events):
    """Passes the events of watching on, and remembers the session that is being asked."""

    def __init__(self, events: BenchEvents):
        self._events = events
        self._session: Session | None = None

    def loading(self, model: str) -> None:
        self._events.loading(model)

    def frame(self, time: float) -> None:
        self._events.frame(time)

    def warning(self, text: str) -> None:
        self._events.warning(text)

    def ready(self, session: Session) -> None:
        self._session = session

    def held(self) -> list[Any]:
        """The units in the cache now."""
        assert self._session is not None, "asked before watching"
        return self._session.held()
