"""Files of results: the records of `vtc ask -o` and the lines of `vtc bench -o`, told apart by their schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtc_cli.bench.lines import HEAD, LINE
from vtc_cli.errors import UsageError
from vtc_cli.report.record import SCHEMA

Record = dict[str, Any]
SUMMARY = "vtc.bench.summary/1"
HERE = (SCHEMA, HEAD, LINE)

# What every part of the page reads without asking whether it is there.
OF_RECORD: dict[str, tuple[type, ...]] = {
    "id": (str,), "created": (str,), "video": (str,), "question": (str,), "answer": (str, type(None)),
    "partial": (bool,), "reused": (bool,), "notes": (list,), "error": (dict, type(None)),
    "evidence": (list, type(None)), "clip": (dict, type(None)), "model": (dict, type(None)), "settings": (dict,),
    "sampling": (dict, type(None)), "methods": (list,), "cache": (dict, type(None)), "tokens": (dict, type(None)),
    "seconds": (dict,), "flops": (dict, type(None)), "memory": (dict,), "timeline": (dict, type(None)),
    "versions": (dict,), "machine": (dict,),
}  # fmt: skip
OF_LINE: dict[str, tuple[type, ...]] = {
    "row": (str,), "case": (str,), "skill": (str,), "question": (str,), "truth": (str,), "answer": (str, type(None)),
    "right": (bool,), "by_question": (bool,), "record": (dict,),
}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """The lines of one run of `vtc bench`. facts: what all its rows share."""

    facts: Mapping[str, Any]
    lines: tuple[Record, ...]


@dataclass(frozen=True)
class Source:
    """One file. path: as given. digest: `blake2b:<hex>` of its bytes. answers: records of `vtc ask`.

    notes: what a reader should know about the file, one sentence each.
    """

    path: str
    digest: str
    answers: tuple[Record, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()


def read_source(path: str | Path) -> Source:
    """What a file of results holds.

    A last line without its line break that is not whole was cut by a kill: it is left out, and `notes` says so.
    Raises UsageError, naming the line: no such file, nothing in it, something else than results, or results of another
    edition's schema.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}", "name a file of vtc ask or vtc bench") from (
            None
        )
    answers: list[Record] = []
    sections: list[tuple[Mapping[str, Any], list[Record]]] = []
    notes: list[str] = []
    for number, item in _items(str(path), content, notes):
        where = f"{path}, line {number}"
        schema = _schema(item, where)
        if schema == HEAD:
            facts = item.get("facts")
            if not isinstance(facts, dict):
                raise UsageError(f"{where}: says it is {HEAD}, and has no `facts`", "write the file again")
            sections.append((facts, []))
        elif schema == LINE:
            if not sections:
                raise UsageError(
                    f"{where}: a line of vtc bench without the first line of its file", "give the whole file"
                )
            _check(item, OF_LINE, where)
            _check(item["record"], OF_RECORD, f"{where}, its record")
            sections[-1][1].append(item)
        else:
            _check(item, OF_RECORD, where)
            answers.append(item)
    if not answers and not any(lines for _, lines in sections):
        raise UsageError(f"{path} holds no results", "make some: vtc ask ... -o FILE, or vtc bench ... -o FILE")
    digest = f"blake2b:{hashlib.blake2b(content, digest_size=16).hexdigest()}"
    comparisons = tuple(Comparison(facts, tuple(lines)) for facts, lines in sections if lines)
    return Source(str(path), digest, tuple(answers), comparisons, tuple(notes))


def _items(path: str, content: bytes, notes: list[str]) -> Iterator[tuple[int, Any]]:
    """(line, JSON value) of every line; of a file that is one JSON value, its items."""
    lines = content.splitlines(keepends=True)
    if (whole := _indented(content, lines)) is not None:
        yield from ((1, item) for item in whole)
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            if number == len(lines) and not line.endswith(b"\n") and line.lstrip()[:1] == b"{":
                notes.append(f"{path}: the last line was cut short, and is left out ({len(line):,} bytes)")
                return
            raise UsageError(
                f"{path}, line {number}: not a line of JSON", "give files that vtc ask or vtc bench wrote with -o"
            ) from None


def _indented(content: bytes, lines: Sequence[bytes]) -> list[Any] | None:
    """The items of what `vtc ask --json` prints: one object or list over several lines. None for other files."""
    if len(lines) < 2 or lines[0].strip() not in (b"{", b"["):
        return None
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return whole if isinstance(whole, list) else [whole]


def _schema(item: Any, where: str) -> str:
    schema = item.get("schema") if isinstance(item, dict) else None
    if schema in HERE:
        return str(schema)
    if schema == SUMMARY:
        raise UsageError(
            f"{where}: a summary of vtc bench, which has lost the single answers", "give the file written with -o"
        )
    if not isinstance(schema, str):
        raise UsageError(f"{where}: not a result of vtc", "give files that vtc ask or vtc bench wrote with -o")
    known = next((name for name in HERE if name.rpartition("/")[0] == schema.rpartition("/")[0]), None)
    if known is None:
        raise UsageError(f"{where}: `{schema}` is nothing a report is made of", "give files of vtc ask or vtc bench")
    raise UsageError(f"{where}: written as {schema}, and this vtc reads {known}", "use the vtc that wrote it")


def _check(item: Mapping[str, Any], wanted: Mapping[str, tuple[type, ...]], where: str) -> None:
    for name, types in wanted.items():
        if name not in item:
            raise UsageError(f"{where}: has no `{name}`, so it is not whole", "write the file again")
        if not isinstance(item[name], types):
            raise UsageError(f"{where}: `{name}` is not what {item['schema']} says", "write the file again")
