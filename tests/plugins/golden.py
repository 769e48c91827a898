"""Vectors made by the authors' code, where they are at hand beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parents[3] / "shared" / "golden"


def index(folder: str) -> dict[str, Any]:
    """The folder's index; no families and no cases where there is none."""
    path = SHARED / folder / "index.json"
    if not path.is_file():
        return {"families": {}, "cases": []}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
