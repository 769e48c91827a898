"""Answers on stdout, and nothing else there: plain lines, one JSON object, or JSON lines."""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

Format = Literal["plain", "json", "jsonl"]


def printable(text: str) -> str:
    """The text without control characters: what a model writes must not drive a terminal."""
    return "".join(character if character.isprintable() or character.isspace() else " " for character in text)


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
            self._line(f"{record['video']}\t{answer}" if self.several_videos else answer)

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
