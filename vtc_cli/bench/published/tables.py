"""Tables of published benchmarks: JSON, lines of JSON, CSV and TSV, parquet; and rows that say where they stand."""

from __future__ import annotations

import ast
import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vtc_cli.errors import MachineError, UsageError


class Row(dict[str, Any]):
    """One row. A field that is not there is an error that names file and row."""

    def __init__(self, fields: Mapping[str, Any], where: str):
        super().__init__(fields)
        self.where = where

    def __missing__(self, name: str) -> Any:
        raise UsageError(f"{self.where}: no field `{name}`", "is this the published file, and this edition of it?")


def read_json(path: Path) -> list[Row]:
    """The objects of a JSON file: a list of them, or lines of one each. Raises UsageError."""
    text = _text(path)
    try:
        content = json.loads(text)
    except ValueError:
        return _read_lines(text, path)
    if isinstance(content, dict):
        return [Row(content, str(path))]
    return rows(content, path)


def rows(found: Any, path: Path | str) -> list[Row]:
    """A list of objects as rows of a file, or of one of its rows. Raises UsageError for anything else."""
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise UsageError(f"{path}: expected a list of objects", "is this the published file?")
    return [Row(item, f"{path}, item {number}") for number, item in enumerate(found, 1)]


def read_csv(path: Path) -> Iterator[Row]:
    """Rows of a CSV file, or of a TSV. Raises UsageError."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file, _long_cells():
            reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            for fields in reader:
                yield Row({name: cell for name, cell in fields.items() if name}, f"{path}, line {reader.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}", "is this the published file?") from None


def read_parquet(paths: Iterable[Path], without: tuple[str, ...] = ("image",)) -> Iterator[Row]:
    """Rows of parquet files, with `file` and `row` that `Pictures` takes; the columns `without` are not read.

    Raises MachineError without pyarrow, UsageError for a file that is none.
    """
    parquet = pyarrow_parquet()
    import pyarrow

    for path in paths:
        try:
            with parquet.ParquetFile(path) as file:
                names = [name for name in file.schema_arrow.names if name not in without]
                number = 0
                for batch in file.iter_batches(columns=names):
                    for fields in batch.to_pylist():
                        yield Row({**fields, "file": path, "row": number}, f"{path}, row {number + 1}")
                        number += 1
        except (OSError, pyarrow.ArrowException) as error:
            raise UsageError(f"{path} cannot be read: {error}", "was it fetched whole?") from None


def pyarrow_parquet() -> Any:
    """The module `pyarrow.parquet`. Raises MachineError where it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise MachineError(
            "this benchmark is published as parquet, and pyarrow is not installed", "pip install 'vtc-cli[bench]'"
        ) from None
    return pyarrow.parquet


def listed(value: Any, where: str) -> list[str]:
    """A list of texts, or its text form in a cell (JSON, or as Python prints it). Raises UsageError."""
    if isinstance(value, str):
        for read in (json.loads, ast.literal_eval):
            try:
                value = read(value)
                break
            except (ValueError, SyntaxError):
                continue
    if not isinstance(value, list | tuple) or not value:
        raise UsageError(f"{where}: not a list of options: {str(value)[:80]!r}", "is this the published file?")
    return [str(item) for item in value]


def _read_lines(text: str, path: Path) -> list[Row]:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: not JSON ({error})", "was it fetched whole?") from None
        if not isinstance(item, dict):
            raise UsageError(f"{path}, line {number}: expected an object", "is this the published file?")
        found.append(Row(item, f"{path}, line {number}"))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "is this the published file?") from None


@contextmanager
def _long_cells() -> Iterator[None]:
    """Cells of any length while a table is read: some hold a whole picture."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)
