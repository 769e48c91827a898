"""Names for settings and answers that stay the same between runs and machines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def fingerprint(settings: Mapping[str, Any]) -> str:
    """32 hex digits of BLAKE2b over the settings.

    The order of keys does not matter, and neither does 1 against 1.0; a `fingerprint` among them is left out, so
    that a record's own settings give it back. Values must be plain (what JSON can hold, no NaN), else
    TypeError or ValueError.
    """
    return _digest({name: value for name, value in settings.items() if name != "fingerprint"})


def record_id(clip: str, question: str, settings: str, choices: Mapping[str, str] | None = None) -> str:
    """32 hex digits naming one question about one clip under one set of settings.

    clip: the clip's digest, or the source as named where a stream has none. settings: their fingerprint.
    choices: part of the question, in the order shown to the model.
    """
    return _digest([clip, question, list(choices.items()) if choices else None, settings])


def _digest(value: Any) -> str:
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
