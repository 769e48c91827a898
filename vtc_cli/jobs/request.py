"""What is asked about what: the command's words and files become a list of videos and a list of questions."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from vtc_cli.errors import UsageError
from vtc_cli.jobs.questions import Question, check_text, parse_choices, read_questions
from vtc_cli.jobs.sources import VIDEO_SUFFIXES, expand, is_path, split_list


@dataclass(frozen=True)
class Request:
    """Every question is asked about every video."""

    sources: tuple[str, ...]
    questions: tuple[Question, ...]
    digest: str | None = None  # what the one video should contain, when a recorded run is repeated

    @property
    def single(self) -> bool:
        """One video and one question: the answer needs no label."""
        return len(self.sources) == 1 and len(self.questions) == 1


def read_request(
    inputs: Sequence[str],
    *,
    files: str | None = None,
    null: bool = False,
    questions: str | None = None,
    choices: Sequence[str] = (),
    stdin: BinaryIO | None = None,
) -> Request:
    """The request behind one command line.

    inputs: videos, then the question unless `questions` names a file; a question `@FILE` names one too.
    files: a list of paths, `-` for stdin. stdin: read once, by at most one of the three who may. Raises UsageError.
    """
    named, asked = list(inputs), questions
    text: str | None = None
    if asked is None:
        if not named:
            raise UsageError("no video and no question", 'write it like: vtc ask clip.mp4 "what happens?"')
        last = named.pop()
        if last.startswith("@") and len(last) > 1:
            asked = last[1:]
        else:
            text = last
    if null and files is None:
        raise UsageError("-0 describes --files, which is not given")
    claims = [
        claim
        for claim, made in (
            ("the video `-`", "-" in named),
            ("--files -", files == "-"),
            ("--questions -", asked == "-"),
        )
        if made
    ]
    if len(claims) > 1:
        raise UsageError(f"stdin cannot be {' and '.join(claims)} at once", "put one of them in a file")
    if text is not None:
        _check_question(text, bool(named or files))
        found = [Question(text.strip(), parse_choices(choices))]
    else:
        assert asked is not None
        _check_names(named, asked)
        found = read_questions("stdin" if asked == "-" else asked, _stdin(stdin) if asked == "-" else None)
        if shared := parse_choices(choices):
            found = [question if question.choices else replace(question, choices=shared) for question in found]
    if files is not None:
        named += _listed(files, null, stdin)
    sources = expand(named)
    if not sources:
        raise UsageError("no video", "name a file, a folder, a URL, `-` for stdin, or --files LIST")
    return Request(tuple(sources), tuple(found))


def read_sources(
    inputs: Sequence[str], *, files: str | None = None, null: bool = False, stdin: BinaryIO | None = None
) -> list[str]:
    """The videos that a command without questions names. Raises UsageError."""
    if null and files is None:
        raise UsageError("-0 describes --files, which is not given")
    if "-" in inputs and files == "-":
        raise UsageError("stdin cannot be the video `-` and --files - at once", "put one of them in a file")
    named = [*inputs, *(_listed(files, null, stdin) if files is not None else [])]
    sources = expand(named)
    if not sources:
        raise UsageError("no video", "name a file, a folder, `-` for stdin, or --files LIST")
    return sources


def _check_question(text: str, has_video: bool) -> None:
    check_text(text, "the question")
    looks_like_video = Path(text).suffix.lower() in VIDEO_SUFFIXES or (
        is_path(text) and " " not in text and os.path.exists(text)
    )
    if looks_like_video and " " not in text.strip():
        raise UsageError(
            f"the last argument is the question, and {text!r} is a video", f'add one: vtc ask {text} "what happens?"'
        )
    if not has_video:
        raise UsageError(f"no video to ask {text!r} about", 'write it like: vtc ask clip.mp4 "what happens?"')


def _check_names(named: Sequence[str], asked: str) -> None:
    """With a questions file every word names a video; a question among them is not one."""
    last = named[-1] if named else ""
    if is_path(last) and last.rstrip().endswith("?") and not os.path.exists(last):
        raise UsageError(
            f"there is a question, {last!r}, and a file of questions, {asked}",
            "give one of them; every other word is a video",
        )


def _listed(files: str, null: bool, stdin: BinaryIO | None) -> list[str]:
    if files == "-":
        return split_list(_stdin(stdin), null, "stdin")
    try:
        return split_list(Path(files).read_bytes().decode("utf-8", "surrogateescape"), null, files)
    except OSError as error:
        raise UsageError(
            f"cannot read the list {files}: {error.strerror or error}", "--files takes a text file of paths, or `-`"
        ) from None


def _stdin(stdin: BinaryIO | None) -> str:
    return (stdin or sys.stdin.buffer).read().decode("utf-8", "surrogateescape")
