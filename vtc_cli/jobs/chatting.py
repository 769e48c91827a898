"""One video asked many times: watched once, or its memory opened, and kept at hand until the last question."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import UsageError, VtcError
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.recalling import MemoryRunner
from vtc_cli.jobs.remembering import Remembered
from vtc_cli.jobs.run import Runner
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import from_memory, methods_of, split_memory
from vtc_cli.jobs.sources import is_live
from vtc_cli.memory.place import FILE, path_of
from vtc_cli.memory.store import MemoryStore
from vtc_cli.memory.view import as_of
from vtc_cli.report.units import clock
from vtc_cli.video.frame import Clip, Frame

if TYPE_CHECKING:
    from vtc_cli.engine.session import Session
    from vtc_cli.jobs.watched import Watched
    from vtc_cli.models.contract import VideoLM

Record = dict[str, Any]
NO_MEMORY = "start it with --memory, which remembers the video first"


class Chat(ABC):
    """A video that waits for questions. Close it, or use it as a context manager.

    source: as the user named it. last: the record of the last answer. at: answer as of this moment, None for all.
    """

    source: str
    last: Record | None = None
    at: float | None = None

    def ask(self, question: Question) -> Record:
        """The record of one answer. An interrupted or failed question leaves no trace. Raises VtcError."""
        self.last = self._ask(question)
        return self.last

    @abstractmethod
    def failure(self, question: Question, error: VtcError) -> Record:
        """The record of a question that could not be answered."""

    @property
    @abstractmethod
    def store(self) -> MemoryStore | None:
        """The memory, open for reading; None without one."""

    @property
    @abstractmethod
    def session(self) -> Session | None:
        """What watched the video; None where a memory answers."""

    @property
    @abstractmethod
    def look(self) -> Callable[[Sequence[float]], Iterator[Frame]] | None:
        """Times -> the frames on screen then; None where the video is not at hand."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the video and the memory."""

    @abstractmethod
    def _ask(self, question: Question) -> Record: ...

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class WatchedChat(Chat):
    """Answers from the bounded cache of one pass over the video."""

    def __init__(self, runner: Runner, clip: Clip):
        self.source = clip.info.source
        self._runner, self._clip = runner, clip
        self._watched: Watched = runner.watch(clip)
        self._first = True

    @property
    def store(self) -> None:
        """See `Chat.store`."""
        return None

    @property
    def session(self) -> Session:
        """See `Chat.session`."""
        return self._watched.session

    @property
    def look(self) -> Callable[[Sequence[float]], Iterator[Frame]]:
        """See `Chat.look`."""
        return self._clip.at

    def failure(self, question: Question, error: VtcError) -> Record:
        """See `Chat.failure`."""
        return self._runner.failure(self.source, self._clip, question, error)

    def close(self) -> None:
        """See `Chat.close`."""
        self._clip.close()

    def _ask(self, question: Question) -> Record:
        if self.at is not None:
            raise UsageError("only a memory knows what was known at a moment", NO_MEMORY)
        clip = self._clip
        record = self._runner.reply(clip.info, self._watched, question, self._first, clip.damage)
        self._first = False
        return record


class MemoryChat(Chat):
    """Answers from a memory. runner: of settings without a moment, which comes with each question and may change.
    clip: the video, None where only the memory's file is at hand. at: the moment to begin with."""

    def __init__(
        self, runner: MemoryRunner, clip: Clip | None, found: Remembered | None = None, at: float | None = None
    ):
        self._runner, self._clip = runner, clip
        self.at = at
        self._took: float | None = None
        if found is None:
            assert clip is not None, "without a memory there must be a video"
            found, self._glance, self._took = runner.acquire(clip)
        else:
            found, self._glance = runner.stored(found)
        self._found = found
        self.source = clip.info.source if clip is not None else str(found.store.get("source"))

    @property
    def store(self) -> MemoryStore:
        """See `Chat.store`."""
        return self._found.store

    @property
    def session(self) -> None:
        """See `Chat.session`."""
        return None

    @property
    def look(self) -> Callable[[Sequence[float]], Iterator[Frame]] | None:
        """See `Chat.look`."""
        return self._clip.at if self._clip is not None else None

    def failure(self, question: Question, error: VtcError) -> Record:
        """See `Chat.failure`."""
        return self._runner.failure(self.source, self._clip, question, error)

    def close(self) -> None:
        """See `Chat.close`."""
        self._found.store.close()
        if self._clip is not None:
            self._clip.close()

    def _ask(self, question: Question) -> Record:
        glance = self._glance if as_of(self.store, self.at) is None else None
        record = self._runner.reply(self._found, question, clip=self._clip, at=self.at, glance=glance, took=self._took)
        self._took = None
        return record


def open_chat(
    source: str,
    settings: Settings,
    events: Events | None = None,
    model: VideoLM | None = None,
    *,
    memory: bool | None = None,
) -> Chat:
    """A chat about a video, or about the memory in a file (`.../index.sqlite`).

    memory: answer from the video's memory, made first where there is none (True); never (False); or where there is one
    that goes with the settings (None), else the video is watched, and which of the two it is is said.
    Raises VtcError; UsageError for a method that looks at the question, which comes after watching.
    """
    events = events or Events()
    if Path(source).name == FILE:
        return _from_file(Path(source).expanduser(), settings, events, model)
    if source == "-":
        raise UsageError("the standard input cannot be the video: the questions come there", "save it to a file first")
    if is_live(source) and settings.end is None and settings.max_frames is None:
        raise UsageError(f"{source} has no end", f"ask it while it goes on: vtc watch {source}")
    if memory or (memory is None and from_memory(settings)):
        return _remembering(source, settings, events, model)
    if memory is False and from_memory(settings):
        raise UsageError("--no-memory excludes a method that is a memory", "leave one of them out")
    methods_of(settings, question_known=False)
    if settings.at is not None or settings.subs is not None:
        raise UsageError("--at and --subs go with a memory", "add --memory")
    runner = Runner(settings, events, model)
    clip = runner.open(source)
    try:
        if memory is None and (chat := _found(clip, settings, events, model)) is not None:
            return chat
        return WatchedChat(runner, clip)
    except BaseException:
        clip.close()
        raise


def _remembering(source: str, settings: Settings, events: Events, model: VideoLM | None) -> Chat:
    runner = MemoryRunner(replace(settings, at=None), events, model)
    clip = runner.open(source)
    try:
        return MemoryChat(runner, clip, at=settings.at)
    except BaseException:
        clip.close()
        raise


def _found(clip: Clip, settings: Settings, events: Events, model: VideoLM | None) -> Chat | None:
    """A chat with the complete memory of a video, None where there is none that goes with the settings."""
    if clip.info.digest is None or not path_of(clip.info).is_file():
        return None
    source = clip.info.source
    if settings.start or settings.end is not None or settings.max_frames is not None:
        return None  # part of the video is asked for, and a memory holds all of it
    runner = MemoryRunner(settings, events, model)
    try:
        found = runner.rememberer.find(clip)
    except UsageError as error:
        events.warning(f"{error.message}; watching the video instead")
        return None
    if found is None:
        events.warning(f"the memory of {source} is not complete; watching the video instead")
        return None
    events.told(f"answering from the memory of {source}; --no-memory watches the video instead")
    try:
        runner.prepare()
        return MemoryChat(runner, clip, found)
    except BaseException:
        found.store.close()
        raise


def _from_file(path: Path, settings: Settings, events: Events, model: VideoLM | None) -> Chat:
    """A chat with a memory alone; the video is looked at again where it is still where it was."""
    runner = MemoryRunner(replace(settings, start=0.0, end=None, max_frames=None, at=None), events, model)
    store = MemoryStore.open(path)
    try:
        chosen, _ = split_memory(settings)
        if (made := store.get("method")) != chosen.name:
            raise UsageError(f"{path} was made by the method {made}, not {chosen.name}", f"choose it: -m {made}")
        runner.rememberer.check(store, str(path))
        clip = _video_of(store)
        notes = [] if clip is not None else ["the video is not at hand: stored pictures are all there is"]
        if not store.complete:
            notes.append(f"the memory is not complete: it reaches {clock(store.reaches or 0.0)}")
        runner.prepare()
        return MemoryChat(runner, clip, Remembered(store, built=False, notes=tuple(notes)), settings.at)
    except BaseException:
        store.close()
        raise


def _video_of(store: MemoryStore) -> Clip | None:
    from vtc_cli.video import open_clip

    source = Path(str(store.get("source"))).expanduser()
    if not source.is_file():
        return None
    try:
        clip = open_clip(str(source))
    except VtcError:
        return None
    if path_of(clip.info).parent.name == store.path.absolute().parent.name:
        return clip
    clip.close()  # another film lies there now
    return None
