"""Answers on stdout, and nothing else there: plain lines, one JSON object, or JSON lines."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from vtc_cli.errors import VtcError

Format = Literal["plain", "json", "jsonl"]


JOINERS = "\u200c\u200d"  # part of how Persian, Hindi and family emoji are written; they do nothing on their own


def printable(text: str) -> str:
    """The text without control characters: what a model writes must not drive a terminal."""
    return "".join(
        character if character.isprintable() or character in "\n\t" or character in JOINERS else " "
        for character in text
    )


def one_line(text: str) -> str:
    """The text on one line, control characters as `?`: a file name may hold any. Bytes that are no text stay."""
    return "".join(
        character if character.isprintable() or character in JOINERS or "\udc80" <= character <= "\udcff" else "?"
        for character in text
    )


def in_words(error: VtcError) -> list[str]:
    """The lines an error is told in: what happened and where, then what to do."""
    return [f"error: {one_line(error.message)}", *([one_line(error.hint)] if error.hint else [])]


class Printer:
    """Prints records in one of three forms.

    plain: the answer on one line, after `path<TAB>` with several videos; several questions are told apart by their
    order. json: one object when there is one answer, else one array at the end. jsonl: one object a line, flushed.
    """

    def __init__(self, form: Format, *, several_videos: bool, single: bool):
        self.form = form
        self.several_videos = several_videos
        self.single = single
        self._held: list[dict[str, Any]] = []

    def show(self, record: dict[str, Any], streamed: bool = False) -> None:
        """Print a record, or keep it for `finish`. streamed: its text is on the terminal already."""
        from vtc_cli.report.record import to_json

        if self.form == "json":
            self._held.append(record)
        elif self.form == "jsonl":
            self._line(to_json(record))
        elif streamed:
            self._line("")
        elif record["error"] is None:
            answer = " ".join(printable(record["answer"] or "").split())
            # A terminal must not obey a file name; a pipe gets the name's own bytes.
            name = one_line(record["video"]) if sys.stdout.isatty() else record["video"]
            self._line(f"{name}\t{answer}" if self.several_videos else answer)

    def finish(self) -> None:
        """Print what was kept."""
        from vtc_cli.report.record import to_json

        if self.form != "json" or not self._held:
            return
        if self.single:
            self._line(to_json(self._held[0], indent=2))
        else:
            self._line(json.dumps(self._held, indent=2))

    def _line(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
