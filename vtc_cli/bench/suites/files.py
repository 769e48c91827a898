"""`files`: questions of one's own about films of one's own, from a JSONL or CSV file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vtc_cli.bench.scoring.expected import expected
from vtc_cli.bench.table_suite import Item, TableSuite
from vtc_cli.errors import UsageError
from vtc_cli.jobs.questions import check_text, known_fields, parse_object, question_of
from vtc_cli.jobs.sources import is_path
from vtc_cli.video import open_clip, parse_time
from vtc_cli.video.frame import Clip
from vtc_cli.video.source import IMAGE_SUFFIXES

NAME = "files"
FIELDS = ("video", "question", "options", "choices", "answer", "time", "tolerance", "skill", "id")
CHOICE, OPEN = "choice", "open"  # skills of rows that name none
SEPARATOR = "|"  # of options in a cell

Row = dict[str, Any]


def files_suite(
    questions: Path, videos: Path | None, skills: Sequence[str] | None = None, seed: int | None = None
) -> TableSuite:
    """The suite of a file of questions.

    questions: JSONL, or CSV (TSV) with a header; fields `video`, `question`, `answer`, and where wanted `options`,
    `time` (seconds or a clock: only what was shown until then is watched), `tolerance` (of a number), `skill`, `id`.
    videos: the folder that `video` is relative to; None for that of the file. seed: draws the order of the films, which
    is that of the file without one. Nothing is opened yet.
    Raises UsageError naming the line.
    """
    folder = questions.parent if videos is None else videos
    if videos is not None and not videos.is_dir():
        raise UsageError(f"--videos {videos} is not a folder", "name the folder that `video` is relative to")
    items: list[Item] = []
    seen: dict[str, str] = {}
    for where, row in _rows(questions):
        known_fields(row, FIELDS, where)
        item = _item(row, where)
        name = item.question.id
        if name is not None and name in seen:
            raise UsageError(f"{where}: the id {name!r} is that of {seen[name]}", "give each its own, or none")
        if name is not None:
            seen[name] = where
        items.append(item)
    if not items:
        raise UsageError(f"no questions in {questions}", "write one JSON object per line, or CSV with a header")
    return TableSuite(NAME, items, partial(_open, folder), skills=skills, seed=seed)


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(where, fields) of every row; an empty cell of a table is no field."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"cannot read the questions file {path}: {error.strerror or error}", "--questions takes JSONL or CSV"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", "convert it: iconv -f latin1 -t utf-8") from None
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv") or (suffix not in (".jsonl", ".ndjson") and not text.lstrip().startswith("{")):
        yield from _table(text, "\t" if suffix == ".tsv" else ",", path)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{path}, line {number}"
            yield where, parse_object(line, where)


def _table(text: str, delimiter: str, path: Path) -> Iterator[tuple[str, Row]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = reader.fieldnames or []
        if not {"video", "question"} <= set(header):
            raise UsageError(
                f"{path}, line 1: the header has no `video` and `question`", f"known columns: {', '.join(FIELDS)}"
            )
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if None in cells:
                raise UsageError(f"{where}: more cells than the header has", "quote a cell that holds the separator")
            row: Row = {name.strip(): cell.strip() for name, cell in cells.items() if cell is not None and cell.strip()}
            if row:
                yield where, row
    except csv.Error as error:
        raise UsageError(
            f"{path}, line {reader.line_num}: not CSV ({error})", 'quote cells with " where needed'
        ) from None


def _item(row: Row, where: str) -> Item:
    video = row.get("video")
    if not isinstance(video, str) or not video.strip():
        raise UsageError(f"{where}: `video` is missing or empty")
    question = question_of({**row, "choices": _options(row, where)}, where)
    check_text("".join([question.text, *(question.choices or {}).values()]), where)
    skill = row.get("skill", CHOICE if question.choices else OPEN)
    if not isinstance(skill, str) or not skill.strip() or "," in skill:
        raise UsageError(f"{where}: `skill` must be a word or a few, without a comma")
    try:
        right = expected(row.get("answer"), question.choices, _tolerance(row.get("tolerance")))
    except ValueError as error:
        raise UsageError(f"{where}: {error}", "docs/bench.md says what an answer may be") from None
    asked = type(question)(question.text, question.choices, question.id, right.truth)
    return Item(
        video.strip(), asked, skill.strip(), right.check, end=_time(row.get("time"), where), chance=right.chance
    )


def _options(row: Row, where: str) -> Any:
    """Options as a list or an object; cells hold them separated, as a JSON list, or one in each column A, B, C."""
    if "options" in row and "choices" in row:
        raise UsageError(f"{where}: `options` and `choices` are the same: give one of them")
    value = row.get("options", row.get("choices"))
    if isinstance(value, str):
        if not value.startswith(("[", "{")):
            return [part.strip() for part in value.split(SEPARATOR)]
        try:
            return json.loads(value)
        except ValueError:
            raise UsageError(f"{where}: `options` is no JSON list", f"or separate them by {SEPARATOR}") from None
    if value is None:
        return {label: row[label] for label in ascii_uppercase if label in row} or None
    return value


def _tolerance(value: Any) -> float:
    try:
        return 0.0 if value is None else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"`tolerance` is no number: {value!r}") from None


def _time(value: Any, where: str) -> float | None:
    if value is None:
        return None
    try:
        seconds = parse_time(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, UsageError):
        raise UsageError(f"{where}: `time` is no time: {value!r}", "write seconds (90) or a clock (1:30)") from None
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{where}: `time` must be above zero, not {value!r}", "nothing has been shown at zero")
    return seconds


def _open(folder: Path, video: str) -> Clip:
    source = str(folder / video) if is_path(video) else video
    path = Path(source)
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        from vtc_cli.bench.still import still

        return still(path.read_bytes(), source)
    return open_clip(source)
