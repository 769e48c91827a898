"""Errors a user can act on: what happened, where, and the next thing to try.

Every error the tool raises on purpose is a `VtcError`; the command line prints it without a
traceback and leaves with its exit code. Anything else that escapes is a bug.
"""

from __future__ import annotations


class VtcError(Exception):
    """Something failed and the user can do something about it.

    message: what happened and where, in one sentence.
    hint: the next command or setting to try, or None.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint


class VideoError(VtcError):
    """The video cannot be read: missing, damaged before its first picture, no picture track."""


class UsageError(VtcError):
    """The request itself is wrong: unknown name, impossible value, two options that exclude each other."""

    exit_code = 2


class NumbersError(UsageError, ValueError):
    """What a method chooses by is infinite or no number: the model's number format is too narrow for it.

    what: which values, in the plural. A ValueError too, for pure functions that know nothing of a command line.
    """

    def __init__(self, what: str):
        super().__init__(
            f"{what} are infinite or not numbers",
            "the number format is too narrow for this model, or its weights are damaged: try --dtype float32",
        )


class MachineError(VtcError):
    """The machine lacks something: a library, a model, memory, a device, a network."""

    exit_code = 4
