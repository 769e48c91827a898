"""The terminal side of `vtc chat`: lines in, answers out, commands between them."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from vtc_cli.cli.answers import Printer
from vtc_cli.cli.screen import Screen, is_terminal, library_noise
from vtc_cli.cli.slash import Leave, Slash, Slashes, common, say
from vtc_cli.cli.typed import typed
from vtc_cli.errors import UsageError, VtcError

if TYPE_CHECKING:
    from vtc_cli.jobs.chatting import Chat
    from vtc_cli.jobs.questions import Question
    from vtc_cli.jobs.settings import Settings


def converse(
    video: str,
    settings: Settings,
    *,
    memory: bool | None,
    jsonl: bool,
    quiet: bool,
    progress: bool | None,
    verbose: bool,
) -> int:
    """Answer lines until they end. Returns the exit code."""
    from vtc_cli.jobs.chatting import open_chat

    stream = not jsonl and is_terminal(sys.stdout)
    screen = Screen(quiet=quiet, stream=stream, progress=progress)
    with library_noise(verbose), closing(screen), open_chat(video, settings, screen, memory=memory) as chat:
        talk = _Talk(chat, screen, Printer("jsonl" if jsonl else "plain", several_videos=False, single=False))
        someone = is_terminal(sys.stdin)
        if someone and not quiet:
            say("ask anything; /help lists the commands, Ctrl-D ends")
        for line in typed():
            try:
                talk.hear(line.strip())
            except Leave:
                break
            except KeyboardInterrupt:
                if not someone:  # whoever pipes questions in means the whole of it
                    raise
                screen.close()
                say("(interrupted)")
        # Someone who types has seen what failed; a script learns it here.
        return 3 if talk.failed and not someone else 0


class _Talk:
    """What becomes of one line."""

    def __init__(self, chat: Chat, screen: Screen, printer: Printer):
        self._chat, self._screen, self._printer = chat, screen, printer
        self._slashes = Slashes(
            Slash("at", "[TIME|end]", "answer as of this moment; `end` undoes it", self._at), *common(chat)
        )
        self.failed = 0

    def hear(self, line: str) -> None:
        """A command, a question, or nothing. What goes wrong is told, and the talk goes on; raises `Leave`."""
        if not line:
            return
        if not line.startswith("/"):
            self._ask(line)
            return
        try:
            self._slashes.run(line)
        except VtcError as error:
            self.failed += 1
            self._screen.failed(self._chat.source, error)

    def _ask(self, line: str) -> None:
        from vtc_cli.jobs.questions import Question, check_text

        question = Question(line)
        try:
            check_text(line, "the question")
            record = self._chat.ask(question)
        except VtcError as error:
            self.failed += 1
            self._screen.failed(self._chat.source, error)
            if self._printer.form == "jsonl":
                self._printer.show(self._chat.failure(_readable(question), error))
            elif not self._screen.stream:
                print(flush=True)  # line for line, answers stay beside their questions
            return
        self._printer.show(record, streamed=bool(self._screen.streamed))
        self._screen.answered()

    def _at(self, rest: str) -> None:
        from vtc_cli.report.units import clock
        from vtc_cli.video.timecode import parse_time

        if self._chat.store is None:
            raise UsageError("only a memory knows what was known at a moment", "start with --memory")
        if rest:
            self._chat.at = None if rest.lower() == "end" else parse_time(rest)
        at = self._chat.at
        say("answering from the whole video" if at is None else f"answering as of {clock(at)}; `/at end` undoes it")


def _readable(question: Question) -> Question:
    """The question as text that JSON can hold: bytes that were no text are shown as such."""
    from dataclasses import replace

    return replace(question, text=question.text.encode(errors="surrogateescape").decode(errors="replace"))
