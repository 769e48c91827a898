"""Run commands in a terminal and save what it showed as one SVG picture.

    python docs/record_terminal.py -o docs/images/demo.svg "vtc demo"

`make pictures` makes those of the README with it. Each command is shown after a prompt, with the output it really gave;
a command that fails stops the recording.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

from vtc_cli.report.svg import picture

PROMPT = b"\x1b[1;32m$\x1b[0m "


def record(command: str, columns: int, lines: int) -> tuple[bytes, int]:
    """What `command`, run by the shell, wrote to a terminal of that size, and its exit status."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(lines)}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        command, shell=True, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    shown = bytearray()
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    return bytes(shown), process.wait()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux: the other side of the terminal is closed
        return b""


def main() -> int:
    parser = argparse.ArgumentParser(description="Run commands in a terminal and save what it showed as SVG.")
    parser.add_argument("commands", nargs="+", metavar="COMMAND")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("--title", default="vtc")
    arguments = parser.parse_args()

    transcript = b""
    for command in arguments.commands:
        shown, status = record(command, arguments.columns, arguments.lines)
        if status:
            sys.stderr.buffer.write(shown)
            print(f"error: {command!r} ended with status {status}; nothing was saved", file=sys.stderr)
            return 1
        transcript += PROMPT + command.encode() + b"\r\n" + shown
        if not transcript.endswith(b"\n"):
            transcript += b"\r\n"
        transcript += b"\r\n"
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(picture(transcript, arguments.columns, arguments.title), encoding="utf-8")
    print(f"saved {arguments.output}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
