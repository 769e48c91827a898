"""The examples of docs/inspect.md and docs/report.md run, in order."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def blocks() -> list[tuple[str, list[str]]]:
    return [
        (name, [line.removeprefix("$ ") for line in block.splitlines()])
        for name in ("inspect.md", "report.md")
        for block in re.findall(r"```console\n(.*?)```", (DOCS / name).read_text(encoding="utf-8"), re.DOTALL)
    ]


@pytest.mark.parametrize(("page", "lines"), blocks(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_examples_run(vtc, place, footage, page, lines):
    shutil.copy(footage / "clip.mp4", place / "clip.mp4")
    (place / "questions.txt").write_text("What moves?\nWhere to?\n")
    for line in lines:
        words = shlex.split(line)
        result = vtc(*words[1:])
        assert result.code == 0, f"{line}\n{result.err}"
        assert result.out
        output = place / words[words.index("-o") + 1]
        assert output.exists(), line


def test_both_pages_have_examples():
    assert {name for name, _ in blocks()} == {"inspect.md", "report.md"}


def test_the_kinds_in_the_page_are_the_methods_own():
    """What the table says of HiPrune is what its pruner gives."""
    import torch

    from vtc_cli import Unit
    from vtc_cli.methods.registry import choose

    page = (DOCS / "inspect.md").read_text(encoding="utf-8")
    scores = {layer: torch.rand(64, generator=torch.Generator().manual_seed(layer)) for layer in (2, 4)}
    unit = Unit(0, (0.0, 1.0), torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), (8, 8), scores=scores)
    for name in ("hiprune", "hiprune++", "visionzip"):
        method = choose(f"{name}:retain=1/2").method
        query = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
        kept = method.keep(unit, method.budget(64), query)
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        told = set(re.findall(r"`([a-z]+)`", row.split("|")[2]))
        expected = set(method.kinds(unit, kept, query))
        assert told == (expected if name != "hiprune++" else {"text"})
        assert name != "hiprune++" or "text" in expected
