"""Answering from memories: made in the pass that watches a video where there is none, and found in seconds after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError, UsageError, VtcError
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.looking import Looking
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.recollected import Circumstances, recalled_record, save_frames
from vtc_cli.jobs.remembering import Remembered, Rememberer, Watch
from vtc_cli.jobs.run import Runner
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import methods_of, split_memory, turn_room
from vtc_cli.jobs.snapshots import bounded, check_snapshot, keep_snapshot, stored_look
from vtc_cli.jobs.unwritable import complete_there
from vtc_cli.jobs.watched import Watched, method_facts
from vtc_cli.memory.contract import Inquiry, Recall
from vtc_cli.memory.lock import check_writable
from vtc_cli.memory.place import path_of
from vtc_cli.memory.view import as_of
from vtc_cli.report.facts import Seconds
from vtc_cli.report.identity import fingerprint, record_id
from vtc_cli.video.frame import Clip, ClipInfo, Frame

if TYPE_CHECKING:
    from vtc_cli.engine.session import Session
    from vtc_cli.memory.narrator import ModelNarrator, SessionLook
    from vtc_cli.models.contract import Unit, VideoLM

Record = dict[str, Any]


class MemoryRunner:
    """Answers about one video after another from their memories; see `jobs.batch.Answerer`.

    evidence: folder for the frames that answers rest on. force: make memories anew. snapshot: `remember` keeps what is
    in view at the end of a video, too.
    Raises UsageError at once for methods or settings that do not go with a memory.
    """

    def __init__(
        self,
        settings: Settings,
        events: Events | None = None,
        model: VideoLM | None = None,
        *,
        evidence: Path | None = None,
        force: bool = False,
        snapshot: bool = False,
    ):
        if settings.start or settings.end is not None or settings.max_frames is not None:
            raise UsageError(
                "a memory holds the whole video: --start, --end and --max-frames do not go with it",
                "name the time in the question, or use --at",
            )
        chosen, beside = split_memory(settings)
        methods_of(beside, question_known=False)
        if snapshot:
            beside = bounded(beside)
        self.events = events or Events()
        self._runner = Runner(beside, self.events, model)
        self.settings = replace(settings, model=self._runner.settings.model)
        self.rememberer = Rememberer(chosen, self._runner.settings, self.events)
        self._fingerprint = fingerprint(self.settings.as_dict())
        self._evidence, self._force, self._snapshot = evidence, force, snapshot
        self._saved = 0
        self._load_seconds: float | None = None

    def open(self, source: str) -> Clip:
        """See `Answerer.open`. Raises UsageError for a video that cannot be recognised again."""
        clip = self._runner.open(source)
        try:
            path_of(clip.info)
        except VtcError:
            clip.close()
            raise
        return clip

    def identity(self, clip: Clip, question: Question) -> str | None:
        """See `Answerer.identity`."""
        assert clip.info.digest is not None, "open() has seen to it"
        return record_id(clip.info.digest, question.text, self._fingerprint, question.choices)

    def prepare(self) -> VideoLM:
        """See `Answerer.prepare`."""
        began = time.perf_counter()
        model = self._runner.prepare()
        if self._load_seconds is None:
            self._load_seconds = time.perf_counter() - began
        return model

    def failure(self, source: str, clip: Clip | None, question: Question, error: VtcError) -> Record:
        """See `Answerer.failure`."""
        record = self._runner.failure(source, clip, question, error)
        identity = clip.info.digest if clip is not None and clip.info.digest is not None else source
        number = record_id(identity, question.text, self._fingerprint, question.choices)
        return {**record, "id": number, "settings": {**self.settings.as_dict(), "fingerprint": self._fingerprint}}

    def remember(self, clip: Clip) -> Remembered:
        """The memory of a video: the one that is there, or made now without a question in mind. Raises VtcError."""
        try:
            check_writable(path_of(clip.info).parent)
        except MachineError:
            there = None if self._force else self._complete_there(clip)
            if there is None:
                raise
            return there
        model = self.prepare()
        if self._snapshot:
            check_snapshot(model, self.watcher.methods)
        watched: list[Watched] = []
        watch = self._watching(clip, (), watched)
        found = self._made(clip, watch if self._snapshot else None)
        if not self._snapshot:
            return found

        def session() -> Session:
            if not watched:  # the memory was there, or was gone on with: what is in view is that of a whole run
                watch(lambda frames, units: None)
            return watched[0].session

        try:
            keep_snapshot(found.store, model, self.watcher.settings, session)
        except BaseException:
            found.store.close()
            raise
        return found

    def answer(self, clip: Clip, questions: Sequence[Question]) -> Iterator[Record]:
        """See `Answerer.answer`. Where there is no memory yet, watching makes it, and the cache of watching answers
        what a glance can."""
        found, watched, took = self.acquire(clip, questions)
        try:
            for number, question in enumerate(questions):
                glance = watched if as_of(found.store, self.settings.at) is None else None
                yield self.reply(found, question, clip=clip, glance=glance, took=took if number == 0 else None)
        finally:
            found.store.close()

    def acquire(
        self, clip: Clip, questions: Sequence[Question] = ()
    ) -> tuple[Remembered, SessionLook | None, float | None]:
        """The memory of a video, the one that is there or made now; what the model still has in view where it has just
        watched the video, or kept a snapshot of; and the seconds that making it took, None where it was there. Raises
        VtcError."""
        from vtc_cli.memory.narrator import SessionLook

        model = self.prepare()
        began = time.perf_counter()
        watched: list[Watched] = []
        found = None if self._force else self.rememberer.find(clip, model)
        stored: SessionLook | None = None
        if found is not None:
            found, stored = self.stored(found, questions)
        else:
            watch = self._watching(clip, questions, watched)
            found = self._made(clip, watch)
        took = time.perf_counter() - began if found.built else None
        self._force = False
        return found, SessionLook(watched[0].session) if watched else stored, took

    def stored(self, found: Remembered, questions: Sequence[Question] = ()) -> tuple[Remembered, SessionLook | None]:
        """A memory and its snapshot, None where none can be used; a note then says why, if one was made. Nothing is
        read for answers as of a moment, which it would know more than."""
        if as_of(found.store, self.settings.at) is not None:
            return found, None
        turn = turn_room(2 * max(map(self._words, questions), default=0), self.settings)
        look, why_not = stored_look(found.store, self.prepare(), self.watcher.settings, turn)
        return (replace(found, notes=(*found.notes, why_not)) if why_not else found), look

    @property
    def watcher(self) -> Runner:
        """What watches videos beside the memory."""
        return self._runner

    def narrator(self, model: VideoLM) -> ModelNarrator:
        """The model as it looks at pictures for a memory."""
        from vtc_cli.memory.narrator import ModelNarrator

        pruner = self._runner.methods.get("pruner")
        method: Any = pruner.method if pruner is not None else None
        return ModelNarrator(model, pruner=method, pixels=self.settings.pixels, system=self.settings.system)

    def _made(self, clip: Clip, watch: Watch | None) -> Remembered:
        """See `Rememberer.remember`."""
        model = self.prepare()
        return self.rememberer.remember(clip, model, self.narrator(model), force=self._force, watch=watch)

    def _complete_there(self, clip: Clip) -> Remembered | None:
        """The memory of a video where nothing can be written, None where something would have to be."""

        def looking() -> tuple[VideoLM, ModelNarrator]:
            model = self.prepare()
            if self._snapshot:
                check_snapshot(model, self.watcher.methods)
            return model, self.narrator(model)

        return complete_there(self.rememberer, clip, looking, self.watcher.settings if self._snapshot else None)

    def _watching(
        self, clip: Clip, questions: Sequence[Question], watched: list[Watched]
    ) -> Callable[[Callable[[Sequence[Frame], Sequence[Unit]], None]], None]:
        """Watches the video in bounded memory, and shows each unit as it comes."""

        def watch(show: Callable[[Sequence[Frame], Sequence[Unit]], None]) -> None:
            room = max((self._words(question) for question in questions), default=0)
            one = self._runner._watch(clip, None, turn_room(2 * room, self.settings), observe=show)
            if (rest := one.session.unfinished()) is not None:
                show(rest[0], [rest[1]])
            watched.append(one)

        return watch

    def _words(self, question: Question) -> int:
        from vtc_cli.models.contract import Cursor

        model = self.prepare()
        if question.choices:
            model.label_ids(list(question.choices))
        return len(model.question(Cursor(), question.text, question.choices))

    def reply(
        self,
        found: Remembered,
        question: Question,
        *,
        clip: Clip | None = None,
        at: float | None = None,
        glance: SessionLook | None = None,
        took: float | None = None,
        info: ClipInfo | None = None,
        sampled: Callable[[float, float], Sequence[Frame]] | None = None,
    ) -> Record:
        """The record of one answer from an open memory. Raises VtcError.

        clip: the video, to look again; without it, stored pictures are all there is, and what `sampled` gives of the
        last seconds. at: answer as of this moment, the settings' own when None. glance: see `Inquiry`. took: seconds of
        making the memory, if this run made it. info: of the source, where there is no clip.
        """
        model = self.prepare()
        settings = self.settings if at is None else replace(self.settings, at=at)
        narrator, store = self.narrator(model), found.store
        self.events.asking(question)
        began = time.perf_counter()
        looking = Looking(clip, store) if clip is not None else None
        inquiry = Inquiry(
            question.text,
            question.choices,
            settings.at,
            settings.max_new_tokens,
            settings.temperature,
            settings.seed,
            glance,
            glance.origin if glance is not None else "",
        )
        using = Recall(store, narrator, sampled=sampled)
        if looking is not None:
            using = replace(using, again=looking.again, sampled=looking.sampled)
        recalled = self.rememberer.method.recall(inquiry, using)
        seconds = time.perf_counter() - began
        self.events.token(recalled.answer)
        source = clip.info.source if clip is not None else info.source if info is not None else str(store.get("source"))
        if self._evidence is not None and clip is not None:
            self._saved += 1
            spans = [(item.t0, item.t1) for item in recalled.intervals]
            save_frames(clip.at, spans, self._evidence, f"{Path(source).stem}-{self._saved:03d}")
        facts = method_facts(self._runner.methods, model.info)
        memory = method_facts({"memory": self.rememberer.chosen}, model.info)
        about = Circumstances(
            video=source,
            question=question,
            settings=settings.as_dict(),
            clip=clip.info if clip is not None else info,
            damage=clip.damage if clip is not None else None,
            model=model.info,
            methods=[*(facts if took is not None else [item for item in facts if item.stage == "pruner"]), *memory],
            memory=store.path.parent.name,
            at=settings.at,
            built=took is not None,
            decoded=looking.decoded if looking is not None else 0,
            seconds=Seconds(load=self._load_seconds, watch=took, recall=seconds),
            notes=found.notes,
        )
        return recalled_record(recalled, about)
