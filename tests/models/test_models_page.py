"""The page on models has every family, and says of each what the registry says.

The table is written by `WRITE_DOCS=1 pytest tests/models/test_models_page.py`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vtc_cli.models.registry import FAMILIES, STAGES

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
TABLE = re.compile(r"<!-- families -->\n(?:\n(?:\|.*\n)+)?")
COLUMNS = {"pruner": "pruners", "layers": "layer policies", "cache": "cache policies"}


def table() -> str:
    rows = [f"| family | {' | '.join(COLUMNS[stage] for stage in STAGES)} | for example |", "|---" * 5 + "|"]
    for family in FAMILIES:
        stages = " | ".join("no" if stage in family.cannot else "yes" for stage in STAGES)
        examples = ", ".join(f"`{name}`" for name in family.recommended[:2])
        rows.append(f"| `{family.name}` | {stages} | {examples} |")
    return "\n".join(["<!-- families -->", "", *rows, ""])


def test_the_table_is_the_registry() -> None:
    page = PAGE.read_text(encoding="utf-8")
    expected = TABLE.sub(lambda _: table(), page)
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(expected, encoding="utf-8")
        return
    assert page == expected, "run WRITE_DOCS=1 pytest tests/models/test_models_page.py"
    assert page.count("<!-- families -->") == 1
