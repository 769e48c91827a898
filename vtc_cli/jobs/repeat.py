"""Repeating a recorded run: the video, the question and every setting come from the record of an answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtc_cli.errors import UsageError
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.request import Request
from vtc_cli.jobs.settings import SETTING_FIELDS


@dataclass(frozen=True)
class Recorded:
    """What a record says about its run. digest: of the video's content, None for a stream. settings: as recorded."""

    video: str
    question: Question
    digest: str | None
    settings: dict[str, Any]


def read_recorded(path: str) -> Recorded:
    """The one record in a JSON or JSONL file, `-` for stdin. Raises UsageError when it holds none or several."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read the record {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a record of vtc") from None
    record = _only(text, path)
    try:
        question = Question(record["question"], record["choices"], record["question_id"])
        digest = record["clip"]["digest"] if record["clip"] else None
        settings = {name: value for name, value in record["settings"].items() if name in SETTING_FIELDS}
        return Recorded(record["video"], question, digest, settings)
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a record of vtc: {error} is missing") from None


def repeat_request(recorded: Recorded, inputs: Sequence[str], other: object) -> Request:
    """The request of a record. inputs: the video, where it lies elsewhere now. Raises UsageError for anything more."""
    if len(inputs) > 1 or other:
        raise UsageError(
            "--from brings its own question", "give nothing but --from RECORD, settings, and the video if it has moved"
        )
    return Request((inputs[0] if inputs else recorded.video,), (recorded.question,), recorded.digest)


def _only(text: str, path: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = [json.loads(line) for line in text.split("\n") if line.strip()]
        except (ValueError, RecursionError):
            raise UsageError(f"{path} is not a record of vtc: not JSON") from None
    records = found if isinstance(found, list) else [found]
    if len(records) != 1:
        raise UsageError(
            f"{path} holds {len(records)} records", "keep the one to repeat: sed -n 3p out.jsonl > one.json"
        )
    if not isinstance(records[0], dict) or not str(records[0].get("schema", "")).startswith("vtc.answer/"):
        raise UsageError(f"{path} is not a record of vtc")
    return records[0]
