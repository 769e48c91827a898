"""Commands typed among questions: `/memory`, `/evidence`, `/report` and their like. What they show goes to stderr."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vtc_cli.errors import UsageError

if TYPE_CHECKING:
    from vtc_cli.engine.session import Session
    from vtc_cli.memory.store import MemoryStore
    from vtc_cli.video.frame import Frame


class Leave(Exception):  # noqa: N818 (nothing went wrong)
    """The user is done."""


@dataclass(frozen=True)
class Slash:
    """One command. takes: what may follow its name, for the list. run: is given that, stripped."""

    name: str
    takes: str
    help: str
    run: Callable[[str], None]


class Subject(Protocol):
    """What the commands are about: a chat, or a watch that goes on."""

    last: dict[str, Any] | None

    @property
    def at(self) -> float | None: ...

    @property
    def source(self) -> str: ...
    @property
    def store(self) -> MemoryStore | None: ...
    @property
    def session(self) -> Session | None: ...
    @property
    def look(self) -> Callable[[Sequence[float]], Iterator[Frame]] | None: ...


class Slashes:
    """The commands of one conversation. `/help` and `/quit` are always among them."""

    def __init__(self, *commands: Slash):
        both = (*commands, Slash("help", "", "this list", self._help), Slash("quit", "", "end; so does Ctrl-D", leave))
        self._commands = {command.name: command for command in both}

    def run(self, line: str) -> None:
        """Run `/name rest`. Raises UsageError for a name that is not there, what the command raises, `Leave`."""
        name, _, rest = line.removeprefix("/").strip().partition(" ")
        found = self._commands.get(name.lower())
        if found is None:
            near = difflib.get_close_matches(name.lower(), self._commands, n=1)
            listed = ", ".join(f"/{known}" for known in self._commands)
            meant = f"did you mean /{near[0]}? " if near else ""
            raise UsageError(f"there is no command /{name}", f"{meant}there are {listed}")
        found.run(rest.strip())

    def _help(self, _: str) -> None:
        width = max(len(f"{item.name} {item.takes}".rstrip()) for item in self._commands.values())
        for item in self._commands.values():
            say(f"/{f'{item.name} {item.takes}'.rstrip():<{width}}  {item.help}")
        say("anything else is a question")


def leave(_: str = "") -> None:
    """End the conversation."""
    raise Leave


def say(text: str) -> None:
    """One or more lines on stderr; a model's words cannot drive the terminal."""
    from vtc_cli.cli.answers import printable

    print(printable(text), file=sys.stderr, flush=True)


def common(subject: Subject) -> tuple[Slash, ...]:
    """The commands that every conversation has."""
    return (
        Slash("evidence", "[DIR]", "what the last answer rests on; with DIR, save its frames", _evidence(subject)),
        Slash("memory", "[LEVEL:ID|WORDS]", "what is remembered; one row of it; or search it", _memory(subject)),
        Slash("report", "", "what the last answer cost", _report(subject)),
    )


def _last(subject: Subject) -> dict[str, Any]:
    if subject.last is None:
        raise UsageError("nothing has been answered yet", "ask something first")
    return subject.last


def _evidence(subject: Subject) -> Callable[[str], None]:
    def run(rest: str) -> None:
        record = _last(subject)
        spans = []
        for t0, t1, words in moments(record):
            spans.append((t0, t1))
            if not rest:
                say(words)
        if not spans:
            say("nothing is known of what the answer rests on")
        elif rest:
            _save(subject, rest, spans)

    return run


def _save(subject: Subject, folder: str, spans: Sequence[tuple[float, float]]) -> None:
    from pathlib import Path

    from vtc_cli.jobs.recollected import save_frames

    if subject.look is None:
        raise UsageError(f"{subject.source} cannot be looked at again, so there are no frames to save")
    for path in save_frames(subject.look, spans, Path(folder).expanduser(), Path(subject.source).stem):
        say(str(path))


def moments(record: Mapping[str, Any]) -> Iterator[tuple[float, float, str]]:
    """(start, end, words) of everything an answer rests on, the likeliest first."""
    from vtc_cli.report.units import clock

    recall = record["recall"]
    if recall is not None:
        for item in recall["intervals"]:
            name = f"{item['level']}:{item['id']}" if item["id"] is not None else item["level"]
            yield item["t0"], item["t1"], f"{clock(item['t0'])} to {clock(item['t1'])}  {name}"
        return
    for item in record["evidence"] or ():
        score = "" if item["score"] is None else f"  {item['score']:.0%} of what the answer looked at"
        yield item["time"], item["time"], f"{clock(item['time'])}{score}"


def _memory(subject: Subject) -> Callable[[str], None]:
    def run(rest: str) -> None:
        store = subject.store
        if store is None:
            if rest:
                raise UsageError("there is no memory to look into", "start with --memory")
            _cache(subject)
        elif not rest:
            _outline(store, subject.at)
        elif rest.partition(":")[2].isdigit():
            _row(store, rest, subject.at)
        else:
            _search(store, rest, subject.at)

    return run


def _cache(subject: Subject) -> None:
    from vtc_cli.report.units import clock, size

    session = subject.session
    held = session.held() if session is not None else []
    if session is None or not held or session.allowance is None:
        say("nothing has been watched yet")
        return
    first, last = held[0].start, held[-1].end
    say(
        f"the cache holds {session.entries:,} of {session.allowance.entries:,} entries ({size(session.kv_bytes)}) of "
        f"{len(held):,} moments, {clock(first)} to {clock(last)}; --memory would keep more, on disk"
    )


def _outline(store: MemoryStore, at: float | None) -> None:
    from vtc_cli.memory.showing import as_markdown, facts_of
    from vtc_cli.report.units import clock

    facts = facts_of(store, at)
    if at is not None:
        say(f"{'as of':<10} {clock(at)}")
    for name in ("path", "source", "complete", "duration", "clips", "events", "concepts"):
        say(f"{name:<10} {facts[name]}")
    say("\n" + as_markdown(store, at).rstrip())


def _row(store: MemoryStore, name: str, at: float | None) -> None:
    from vtc_cli.memory.showing import row_of

    for key, value in row_of(store, name, at).items():
        if value not in (None, []):
            say(f"{key:<14} {value}")


def _search(store: MemoryStore, words: str, at: float | None) -> None:
    from vtc_cli.memory.searching import search
    from vtc_cli.memory.timewords import when
    from vtc_cli.memory.view import MemoryView
    from vtc_cli.report.units import clock

    hits = search(store, words, when=when(words, MemoryView(store, at).duration), at=at, most=10)
    for hit in hits:
        passage = hit.passage
        level = "event" if passage.kind == "step" else passage.kind
        say(f"{clock(passage.t0)} to {clock(passage.t1)}  {level}:{passage.ref}  {passage.body}")
    if not hits:
        say("nothing found")


def _report(subject: Subject) -> Callable[[str], None]:
    def run(_: str) -> None:
        from vtc_cli.report.terminal import print_report

        sys.stdout.flush()
        print_report(_last(subject))

    return run
