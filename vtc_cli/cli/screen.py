"""What a run shows on stderr while it goes: a progress bar on a terminal, warnings, failures."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from vtc_cli.cli.answers import in_words, one_line, printable
from vtc_cli.jobs.events import Events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vtc_cli.errors import VtcError
    from vtc_cli.video.frame import ClipInfo


def is_terminal(stream: TextIO) -> bool:
    """True where a person watches: a TTY that can move its cursor."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False


class Screen(Events):
    """Shows a run on stderr. quiet: errors only. stream: tokens of the answer go to stdout as they come.

    progress: show it (True), do not (False), or only on a terminal (None).
    """

    def __init__(self, *, quiet: bool = False, stream: bool = False, progress: bool | None = None):
        self.quiet = quiet
        self.stream = stream
        self.streamed = ""
        self._lively = progress if progress is not None else is_terminal(sys.stderr) and not quiet
        self._bar: Any = None
        self._written = False

    def loading(self, model: str) -> None:
        self._status(f"loading {model}")

    def watching(self, source: str, info: ClipInfo, frames: int | None) -> None:
        self._clear()
        if self._lively:
            from tqdm import tqdm

            name = os.path.basename(source) or source
            self._bar = tqdm(
                total=frames, desc=f"watching {name}", unit=" frames", file=sys.stderr, leave=False, delay=0.3
            )

    def frame(self, time: float) -> None:
        if self._bar is not None:
            self._bar.update(1)

    def watched(self) -> None:
        self._clear()

    def token(self, text: str) -> None:
        if self.stream:
            self.streamed += text
            sys.stdout.write(printable(text))
            sys.stdout.flush()

    def skipped(self, source: str, questions: int) -> None:
        self._say(f"{source}: already answered, skipped")

    def told(self, text: str) -> None:
        self._say(text)

    def warning(self, text: str) -> None:
        self._say(f"warning: {text}")

    def failed(self, source: str, error: VtcError) -> None:
        self._clear()
        self._break_line()
        print("\n  ".join(in_words(error)), file=sys.stderr)

    def answered(self) -> None:
        """The answer that was streamed has had its line break."""
        self.streamed = ""

    def close(self) -> None:
        """Leave nothing half drawn."""
        self._clear()
        self._break_line()

    def _break_line(self) -> None:
        """End the line of an answer that was cut short, so that what is said next does not continue it."""
        if self.streamed:
            self.answered()
            with suppress(OSError):
                sys.stdout.write("\n")
                sys.stdout.flush()

    def _say(self, text: str) -> None:
        if not self.quiet:
            self._clear()
            print(one_line(text), file=sys.stderr)

    def _status(self, text: str) -> None:
        if self._lively:
            self._clear()
            # Off a terminal (`--progress` into a file) a line cannot be taken back.
            passing = is_terminal(sys.stderr)
            sys.stderr.write(text + (" ..." if passing else " ...\n"))
            sys.stderr.flush()
            self._written = passing

    def _clear(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._written:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._written = False


@contextmanager
def library_noise(verbose: bool) -> Iterator[None]:
    """Keep what libraries log and warn off the terminal, unless `verbose`.

    Their own settings win: a level set through the libraries' environment variables is not touched.
    """
    import logging
    import warnings

    if verbose:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
        logging.captureWarnings(True)
        yield
        return
    from huggingface_hub.utils import logging as hub_logging

    if "HF_HUB_VERBOSITY" not in os.environ:
        hub_logging.set_verbosity_error()  # it announces every retry; the error that follows says it once
    # Hybrid decoders tell, once for each function, that a kernel is not installed.
    kernels = logging.getLogger("transformers.integrations.hub_kernels")
    level = kernels.level
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        kernels.setLevel(logging.ERROR)
    root = logging.getLogger()
    silent = logging.NullHandler()
    root.addHandler(silent)  # without any handler, `logging` prints warnings to stderr itself
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            root.removeHandler(silent)
            kernels.setLevel(level)
