"""Questions as people write them: one on the command line, or a file of lines or JSON objects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vtc_cli.errors import UsageError

FIELDS = ("question", "choices", "id", "answer")


@dataclass(frozen=True)
class Question:
    """One question. choices: label -> text of the option, None for a free answer.

    id: the asker's own name for it, None when there is none. truth: the right answer, where the file gives one;
    it never reaches the model.
    """

    text: str
    choices: Mapping[str, str] | None = None
    id: str | None = None
    truth: str | None = None


def parse_choices(items: Sequence[str]) -> dict[str, str] | None:
    """`["A=red", "B=blue"]` as label -> text, None when empty. Raises UsageError."""
    choices: dict[str, str] = {}
    for item in items:
        label, equals, text = item.partition("=")
        label, text = label.strip(), text.strip()
        check_text(item, "--choice")
        if not equals or not label or not text:
            raise UsageError(f"--choice {item!r} is not LABEL=TEXT", "write it like --choice A=red --choice B=blue")
        if label in choices:
            raise UsageError(f"--choice {label}= is given twice", "every choice needs its own label")
        choices[label] = text
    if len(choices) == 1:
        raise UsageError("one --choice is no choice", "give at least two, like --choice A=yes --choice B=no")
    return choices or None


def read_questions(path: str, text: str | None = None) -> list[Question]:
    """The questions of a file: one per line, or one JSON object per line.

    path: shown in messages, and read unless `text` is given. A line starting with `#` and an empty line are skipped
    in a text file. JSON fields: question, choices (object label -> text, or a list), id, answer. The whole file is
    checked before anything is watched. Raises UsageError naming the line.
    """
    if text is None:
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise UsageError(
                f"cannot read the questions file {path}: {error.strerror or error}",
                "it holds one question per line, or one JSON object per line; `-` is stdin",
            ) from None
        except UnicodeDecodeError:
            raise _not_text(f"the questions file {path}") from None
    # Lines end where an editor ends them; `splitlines` would also cut at characters that JSON allows inside a text.
    lines = [(number, line.strip()) for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line]
    structured = bool(lines) and (lines[0][1].startswith("{") or path.endswith((".jsonl", ".ndjson")))
    questions = [
        _from_json(line, f"{path}, line {number}") if structured else Question(line)
        for number, line in lines
        if structured or not line.startswith("#")
    ]
    if not questions:
        raise UsageError(f"no questions in {path}", "write one question per line")
    for question in questions:
        for words in (question.text, *(question.choices or {}).items()):
            check_text("".join(words), f"a question in {path}")
    _distinct_ids(questions, path)
    return questions


def check_text(text: str, what: str) -> None:
    """Raises UsageError for words no tokenizer can read: none, or bytes that are not UTF-8."""
    if not text.strip():
        raise UsageError(f"{what} is empty", 'ask something, like "what happens?"')
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _not_text(what) from None


def _not_text(what: str) -> UsageError:
    return UsageError(f"{what} is not UTF-8 text", "convert it: iconv -f latin1 -t utf-8")


def _from_json(line: str, where: str) -> Question:
    item = parse_object(line, where)
    known_fields(item, FIELDS, where)
    return question_of(item, where)


def parse_object(line: str, where: str) -> dict[str, Any]:
    """The JSON object on one line. where: the file and line, for messages. Raises UsageError."""
    try:
        item = json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{where}: not JSON ({error.msg} at column {error.colno})", "in JSONL every line is one whole object"
        ) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise UsageError(f"{where}: not JSON that can be read ({error})") from None
    if not isinstance(item, dict):
        raise UsageError(f"{where}: expected an object with a `question`")
    return item


def known_fields(item: Mapping[str, Any], fields: Sequence[str], where: str) -> None:
    """Raise UsageError for a field that looks like a slip of the pen; others may stand there for someone else."""
    for name in item:
        if name not in fields and (close := get_close_matches(name, fields, n=1, cutoff=0.75)):
            raise UsageError(f"{where}: unknown field {name!r}", f"did you mean {close[0]!r}?")


def question_of(item: Mapping[str, Any], where: str) -> Question:
    """The question of an object with `question`, `choices`, `id` and `answer`. Raises UsageError."""
    question = item.get("question")
    if not isinstance(question, str) or not question.strip():
        raise UsageError(f"{where}: `question` is missing or empty")
    name, truth = item.get("id"), item.get("answer")
    return Question(
        question.strip(),
        _choices(item.get("choices"), where),
        None if name is None else str(name),
        None if truth is None else str(truth),
    )


def _choices(value: Any, where: str) -> dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value) and len(value) <= len(ascii_uppercase):
        value = dict(zip(ascii_uppercase, value, strict=False))
    if (
        not isinstance(value, dict)
        or len(value) < 2
        or not all(isinstance(text, str) and text and label for label, text in value.items())
    ):
        raise UsageError(f"{where}: `choices` must be a list of 2 to 26 texts, or an object label -> text")
    return dict(value)


def _distinct_ids(questions: Sequence[Question], path: str) -> None:
    seen: set[str] = set()
    for question in questions:
        if question.id is None:
            continue
        if question.id in seen:
            raise UsageError(f"{path}: two questions have the id {question.id!r}", "give each its own, or none")
        seen.add(question.id)
