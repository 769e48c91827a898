"""The output file of a batch: append-only JSON lines that survive a kill, and what they say is already done."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.report.record import to_json

Finished = tuple[str, str, str]  # clip digest, question key, settings fingerprint


class LedgerError(MachineError):
    """A record could not be written: going on would only lose more answers."""


class Ledger:
    """One record per line; a line is complete or absent.

    Opening repairs a last line torn by a kill or a full disk. `repaired` counts the bytes that were dropped.
    Raises UsageError when the file is something else than records of vtc, or another run holds it.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.repaired = 0
        if str(path) in ("", "-") or (self.path.exists() and not self.path.is_file() and not self.path.is_dir()):
            # A device or a pipe keeps nothing to go on from, and reading it may never end.
            raise UsageError(
                f"--output {str(path)!r} is not a file records can be kept in", "--jsonl prints the records on stdout"
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise UsageError(f"cannot write {self.path}: {error.strerror or error}", "name another --output") from None
        try:
            self._lock()
            self.records = self._read()
        except BaseException:
            self.close()
            raise

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record and wait until the disk has it. Raises LedgerError; a line cut short is taken back."""
        line = to_json(record).encode() + b"\n"
        before = os.fstat(self._file).st_size
        try:
            while line:
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, before)
            raise LedgerError(
                f"cannot write {self.path}: {error.strerror or error}",
                "make room there and run the same command again: it goes on where it stopped",
            ) from None

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: no advisory locks; two runs on one file are the user's affair there
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"another run is writing to {self.path}", "wait for it, or name another --output"
            ) from None

    def _read(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        complete = 0
        with open(self._file, "rb", closefd=False) as file:
            for number, line in enumerate(file, 1):
                record = _record(line)
                if record is None and not (not line.endswith(b"\n") and line.lstrip()[:1] in (b"{", b"")):
                    raise UsageError(
                        f"{self.path}, line {number}: not a record of vtc", "name another --output; nothing was changed"
                    )
                if record is None:
                    break  # the torn last line
                records.append(record)
                complete += len(line)
                if not line.endswith(b"\n"):  # whole but unfinished: only the line break was lost
                    os.write(self._file, b"\n")
                    return records
        size = os.fstat(self._file).st_size
        if size > complete:
            self.repaired = size - complete
            os.ftruncate(self._file, complete)
        return records


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and "schema" in record else None
