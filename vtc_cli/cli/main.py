"""The `vtc` command: collects the subcommands and turns every way of failing into a message and an exit code."""

from __future__ import annotations

import codecs
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import Annotated, Any, TextIO

import typer

from vtc_cli import __version__
from vtc_cli.cli import (
    ask,
    bench,
    chat,
    config,
    demo,
    doctor,
    index,
    inspect,
    memory,
    methods,
    models,
    probe,
    report,
    train,
    tune,
    watch,
    world,
)
from vtc_cli.cli.answers import in_words
from vtc_cli.cli.help import Group
from vtc_cli.errors import MachineError, VtcError

BUG = "this is a bug in vtc; run the same command with --debug and report what it prints"

WRITE_ANYTHING = "vtc.write-anything"
NO_ROOM = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO") if hasattr(errno, name))

app = typer.Typer(
    name="vtc",
    cls=Group,
    rich_markup_mode=None,  # plain help: the same on every terminal, in logs and in the documentation
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"vtc {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[  # taken out of the arguments in `run`, so that it works anywhere on the line
        bool, typer.Option("--debug", help="Show the traceback of an error; allowed anywhere.")
    ] = False,
) -> None:
    """Ask questions about videos of any length, in bounded memory.

    \b
    Examples:
      vtc demo                                        see it work, offline
      vtc ask clip.mp4 "what happens at the end?"     one question
      vtc ask *.mp4 --questions q.txt -o out.jsonl    many, resumable
      vtc doctor                                      what works on this machine
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


for module in (
    ask,
    chat,
    watch,
    index,
    memory,
    demo,
    bench,
    report,
    inspect,
    probe,
    models,
    methods,
    doctor,
    config,
    world,
    train,
    tune,
):
    module.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `vtc` command. Never returns normally: raises SystemExit."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _open_closed()
    if isinstance(sys.stdout, TextIOWrapper):
        codecs.register_error(WRITE_ANYTHING, _write_anything)
        sys.stdout.reconfigure(errors=WRITE_ANYTHING)
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    # `--debug` is allowed anywhere, also before the command: it is what people append to a failed line.
    debug = "--debug" in arguments[: arguments.index("--") if "--" in arguments else None]
    if debug:
        arguments = [
            item for position, item in enumerate(arguments) if item != "--debug" or _after_dashes(arguments, position)
        ]
    try:
        _stand_somewhere()
        code = app(args=arguments, prog_name="vtc", standalone_mode=False)
        sys.stdout.flush()
        if code == 130:
            print("interrupted", file=sys.stderr)
        return int(code or 0)
    except BrokenPipeError:
        return _quiet_pipe()
    except SystemExit as exit:
        # typer ends the process itself when it meets a broken pipe, with exit code 1 and our error as the context.
        if isinstance(exit.__context__, BrokenPipeError):
            return _quiet_pipe()
        raise
    except Exception as error:
        if debug:
            import traceback

            traceback.print_exc()
        return _explain(error)
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted", file=sys.stderr)
        return 130


def _after_dashes(arguments: Sequence[str], position: int) -> bool:
    return "--" in arguments[:position]


def _explain(error: Exception) -> int:
    """One or two lines on stderr; the exit code."""
    if isinstance(error, VtcError):
        lines, code = in_words(error), error.exit_code
    elif (usage := _usage(error)) is not None:
        lines, code = usage, 2
    elif isinstance(error, OSError) and error.errno in NO_ROOM:
        lines, code = [f"error: the output cannot be written: {error.strerror}", "make room, or write elsewhere"], 4
    elif isinstance(error, typer.Abort):
        lines, code = ["interrupted"], 130
    else:
        lines, code = [f"error: {type(error).__name__}: {error}", BUG], 1
    with suppress(OSError):  # nobody can be told
        print("\n  ".join(lines), file=sys.stderr)
    _let_go()
    return code


def _usage(error: Any) -> list[str] | None:
    """The lines for what the argument parser refused, None for any other error."""
    if not hasattr(error, "format_message"):
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "vtc"
    message = str(error.format_message()).strip()
    close = getattr(error, "possibilities", None)
    hint = f"`{path} --help` shows how it is used"
    if close:
        message = str(error.message).rstrip(".")
        hint = "did you mean " + " or ".join(sorted(close)) + "?"
    return [f"error: {message[:1].lower()}{message[1:]}", hint]


def _stand_somewhere() -> None:
    """Raises MachineError in a folder that has been deleted: libraries end the process there, each in its own way."""
    try:
        os.getcwd()
    except OSError as error:
        raise MachineError(f"the current folder cannot be used: {error.strerror}", "cd to another one") from None


def _write_anything(error: UnicodeError) -> tuple[str | bytes, int]:
    """How stdout writes what its encoding lacks: a file name that is no text as the bytes it came in, else `?`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff" and sys.platform != "win32":
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return {"→": "->", "×": "x", "·": "-"}.get(character, "?"), error.start + 1


def _open_closed() -> None:
    """Give standard streams that were closed (`>&-`) to nothing: else the next file opened would take their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Descriptors are given out from the lowest free one, so this takes the very number that was closed.
            stream = open(os.devnull, mode)  # noqa: SIM115 (lives as long as the process)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _quiet_pipe() -> int:
    # The reader of our output has gone (`vtc ... | head -1`): it has what it wanted.
    _let_go()
    return 0


def _let_go() -> None:
    """Point streams that cannot be written at nothing, so that the interpreter's last flush does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and _broken(stream):
            os.dup2(nowhere, stream.fileno())


def _broken(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return True
    return False
