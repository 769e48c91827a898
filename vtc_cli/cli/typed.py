"""What is typed or piped in, line by line: a prompt with editing on a terminal, plain lines otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

from vtc_cli.cli.screen import is_terminal

PROMPT = "> "
PIECE = 65_536
LONGEST = 2**20
"""Bytes of a line; a longer one is no question, and would be held in memory."""


def typed(prompt: str = PROMPT) -> Iterator[str]:
    """Lines until the end of the input, their ends removed. Ctrl-C at the prompt starts a new line.

    A prompt is shown where someone types; with editing and history where the terminal can do it.
    """
    if not is_terminal(sys.stdin):
        yield from lines(sys.stdin)
        return
    if is_terminal(sys.stdout):
        with suppress(ImportError):  # Windows, whose console edits by itself
            import readline  # noqa: F401 (gives `input` editing and history)
    while True:
        try:
            yield _input(prompt)
        except EOFError:
            print(file=sys.stderr)
            return
        except KeyboardInterrupt:
            print("\n(Ctrl-D ends)", file=sys.stderr)


def _input(prompt: str) -> str:
    if is_terminal(sys.stdout):
        return input(prompt)
    sys.stderr.write(prompt)  # stdout holds answers only, and goes elsewhere
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def lines(stream: TextIO) -> Iterator[str]:
    """Lines of a stream as they come, without the locks of Python's own buffers: a thread that waits in one would stop
    the process from ending. Bytes that are not UTF-8 come as lone surrogates, and are refused as a question."""
    rest = b""
    for piece in _pieces(stream):
        *whole, rest = (rest + piece).split(b"\n")
        yield from map(_text, whole)
        if len(rest) > LONGEST:
            yield _text(rest)
            rest = b""
    if rest:
        yield _text(rest)


def _pieces(stream: TextIO) -> Iterator[bytes]:
    try:
        file = stream.fileno()
    except (OSError, ValueError):  # not a file of the system
        yield stream.read().encode(errors="surrogateescape")
        return
    while piece := os.read(file, PIECE):
        yield piece


def _text(line: bytes) -> str:
    return line.decode(errors="surrogateescape").removesuffix("\r")
