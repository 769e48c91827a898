"""The terminal side of `vtc watch`: a thread that hears, signals that stop, answers with their time."""

from __future__ import annotations

import queue
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from vtc_cli.cli.answers import Printer, printable
from vtc_cli.cli.screen import Screen, is_terminal, library_noise
from vtc_cli.cli.slash import Leave, Slashes, common, say
from vtc_cli.cli.typed import lines
from vtc_cli.errors import UsageError, VtcError

if TYPE_CHECKING:
    from vtc_cli.jobs.live import LiveWatch, Pace
    from vtc_cli.jobs.questions import Question
    from vtc_cli.jobs.settings import Settings

WAITING = 64
"""Lines that may wait to be heard; then whoever writes them waits."""


def pace_of(*, speed: str, retry: str, keep: str, every: float | None) -> Pace:
    """How to watch, from the words of the command line. Raises UsageError."""
    from vtc_cli.jobs.live import Pace
    from vtc_cli.video.timecode import parse_time

    try:
        times = None if speed == "max" else float(speed)
    except ValueError:
        raise UsageError(f"--speed {speed} is not a number", "write times real time, like 2, or max") from None
    return Pace(times, parse_time(retry), every, parse_time(keep))


def follow(
    source: str,
    settings: Settings,
    questions: Sequence[str],
    pace: Pace,
    *,
    jsonl: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Watch until the source, the input or the user ends it. Returns the exit code."""
    from vtc_cli.jobs.live import LiveWatch
    from vtc_cli.jobs.questions import Question, check_text

    for text in questions:
        check_text(text, "the question")
    screen = Screen(quiet=quiet, progress=False)
    printer = Printer("jsonl" if jsonl else "plain", several_videos=False, single=False)
    with library_noise(verbose), closing(screen):
        watch = LiveWatch(source, settings, screen, pace=pace, standing=[Question(text) for text in questions])
        ears = _Ears(watch, screen, listen=source != "-")
        if source == "-" and not questions and not watch.remembers:
            raise UsageError(
                "nothing can be asked: the video comes where questions would be typed",
                'ask again and again: --every 10 "what happens?"',
            )
        failed = 0
        with ears.interrupts():
            if ears.someone and not quiet:
                say("ask at any time; /help lists the commands, Ctrl-D ends")
            for record in watch.run(ears.hear, ears.stay):
                failed += record["error"] is not None
                _show(record, printer, screen)
        if questions and watch.last is None and not ears.stopped and not failed:
            say("the source ended before the first question was due")
    if ears.interrupted:
        return 130
    return 3 if failed or ears.failed else 0


def _show(record: dict[str, Any], printer: Printer, screen: Screen) -> None:
    from vtc_cli.report.units import clock

    if printer.form == "jsonl":
        printer.show(record)
    if record["error"] is not None:
        screen.failed(record["video"], VtcError(record["error"]["message"], record["error"]["hint"]))
    elif printer.form == "plain":
        answer = " ".join(printable(record["answer"] or "").split())
        sys.stdout.write(f"{clock(record['live']['known'])}\t{answer}\n")
        sys.stdout.flush()


class _Ears:
    """Hears typed lines beside the watch, runs commands, and knows when to stop.

    The end of the input ends the watch, unless standing questions or a memory are what it is for. After the source has
    ended, someone on a terminal, and a pipe without standing questions, may go on asking.
    """

    def __init__(self, watch: LiveWatch, screen: Screen, *, listen: bool):
        self._watch, self._screen, self._listen = watch, screen, listen
        self._lines: queue.Queue[str | None] = queue.Queue(WAITING)
        self._slashes = Slashes(*common(watch))
        self._silent = not listen
        self._told_over = False
        self.someone = listen and is_terminal(sys.stdin)
        self.stopped = False
        self.interrupted = False
        self.failed = 0
        if listen:
            threading.Thread(target=self._read, name="vtc-typed", daemon=True).start()

    def hear(self) -> Question | None:
        """The next typed question; commands before it are run. None when nothing waits."""
        from vtc_cli.jobs.questions import Question, check_text

        while not self.stopped:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return None
            if line is None:
                self._silent = True
                return None
            try:
                if (line := line.strip()).startswith("/"):
                    self._slashes.run(line)
                elif line:
                    check_text(line, "the question")
                    return Question(line)
            except Leave:
                self.stopped = True
            except VtcError as error:
                self.failed += 1
                self._screen.failed(self._watch.source, error)
        return None

    def stay(self, over: bool) -> bool:
        """Whether to go on. over: the source has ended."""
        kept_alive = bool(self._watch.standing) or self._watch.remembers
        if self.stopped or (self._silent and (over or self.someone or not kept_alive)):
            return False
        if not over:
            return True
        if not self.someone and kept_alive:
            return not self._lines.empty()  # what had been typed by then is still answered
        if self.someone and not self._told_over and not self._screen.quiet:
            say("the source has ended; questions can still be asked, Ctrl-D ends")
        self._told_over = True
        return True

    @contextmanager
    def interrupts(self) -> Iterator[None]:
        """Ctrl-C during an answer ends the answer where someone types; else the watch, between two frames, so that what
        is being written is finished. A second one ends everything at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupt(self, number: int, frame: Any) -> None:
        if self._watch.answering and self.someone:
            raise KeyboardInterrupt
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = self.interrupted = True
        if self._watch.answering:
            raise KeyboardInterrupt

    def _read(self) -> None:
        try:
            for line in lines(sys.stdin):
                self._lines.put(line)
        except (OSError, ValueError):  # closed, or nothing that can be read
            pass
        self._lines.put(None)
