"""The tables of docs/memory.md, from the files that the measurements of memories publish."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import manager_table, memory_table
from benchmarks.page import filled

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "memory.md"
TABLES = {"memory": memory_table.markdown, "manager": manager_table.markdown}


def page(text: str) -> str:
    """The page with the tables that the published figures make."""
    found = {name: json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in TABLES}
    return filled(text, {name: markdown(found[name]) for name, markdown in TABLES.items()})


def publish(name: str, figures: object) -> None:
    """Write one file of figures, and the page. name: of `TABLES`."""
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
