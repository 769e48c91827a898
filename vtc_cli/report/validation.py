"""The JSON schema of a record, and what is wrong with a record by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from vtc_cli.errors import MachineError


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `vtc.answer/1`, as shipped in the package."""
    text = resources.files("vtc_cli").joinpath("report", "schema", "answer.v1.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def problems(record: Mapping[str, Any]) -> list[str]:
    """What in `record` does not follow the schema, one line each; empty when it does.

    Raises MachineError without the `jsonschema` library (in the `dev` extra).
    """
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        raise MachineError("checking a record needs the library jsonschema", "pip install jsonschema") from None
    validator = Draft202012Validator(schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
    found = sorted(validator.iter_errors(record), key=lambda error: [str(part) for part in error.absolute_path])
    lines = ["/".join(str(part) for part in error.absolute_path) + ": " + error.message for error in found]
    lines += _uneven(record.get("timeline"))
    return lines


def _uneven(timeline: Any) -> list[str]:
    """Equal lengths of columns are beyond what JSON Schema can say."""
    if not isinstance(timeline, Mapping):
        return []
    lengths = {name: len(column) for name, column in timeline.items() if isinstance(column, list)}
    return [] if len(set(lengths.values())) <= 1 else [f"timeline: columns of different lengths {lengths}"]
