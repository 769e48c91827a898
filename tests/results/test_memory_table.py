"""What the lines of the memory benchmark come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.memory_page import PAGE, TABLES, page
from benchmarks.memory_table import markdown, summarise


def answer(film: str, number: int, method: str, right: bool, kind: str = "needle") -> dict[str, Any]:
    return {"length": 600, "film": film, "kind": kind, "number": number, "method": method, "right": right,
            "tokens": 2000, "seconds": 2.0, "any_holds_truth": number > 0, "first_holds_truth": False,
            "flops": 10}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = []
    for film in ("a", "b", "c"):
        for number in range(10):
            found.append(answer(film, number, "mm-mem", True))
            found.append(answer(film, number, "uniform", number < 3))
    found.append(answer("a", 11, "uniform", True))  # of which the other was not asked
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, found)) + '\n{"torn', encoding="utf-8")
    costs = [
        {"length": 600, "method": "index", "duration": 600.0, "seconds": 30.0, "bytes": 1_000_000},
        {"length": 600, "method": "infinipot-v", "seconds": 100.0, "flops": 1000},
    ]
    (tmp_path / "costs.jsonl").write_text("\n".join(map(json.dumps, costs)) + "\n", encoding="utf-8")
    return tmp_path


def test_shares_and_paired_differences(folder: Path) -> None:
    found = summarise(folder)
    rows = {(row["kind"], row["method"]): row for row in found["rows"]}
    assert (rows["needle", "mm-mem"]["n"], rows["needle", "mm-mem"]["share"]) == (30, 1.0)
    assert rows["needle", "uniform"]["n"] == 31
    assert rows["needle", "mm-mem"]["evidence_holds_truth"] == 0.9
    pairs = {(row["kind"], row["method"]): row for row in found["against"]}
    assert set(pairs) == {("needle", "uniform"), ("all", "uniform")}
    pair = pairs["needle", "uniform"]
    assert (pair["n"], pair["films"], pair["difference"]) == (30, 3, 0.7)
    assert pair["low"] <= 0.7 <= pair["high"]


def test_what_indexing_and_a_question_cost(folder: Path) -> None:
    (costs,) = summarise(folder)["index"]
    assert costs["times_real_time"] == 20
    assert costs["bytes_per_hour"] == 6_000_000
    assert costs["seconds_of_watching_over_a_question"] == 50
    assert costs["flops_of_watching_over_a_question"] == 100


def test_the_table_of_the_page(folder: Path) -> None:
    machine = {"processor": "a processor", "threads": 1}
    text = markdown(
        {**summarise(folder), "kinds": ["needle"], "date": "2026-01-01", "command": "x", "machine": machine}
    )
    assert "| `mm-mem` | 100.0 % (88.6 to 100.0) |" in text
    assert "| +70.0 (+70.0 to +70.0) |" in text
    assert "20 times the speed of the film, 6.00 MB per hour" in text
    assert "50 times the seconds and 100 times the arithmetic" in text


def test_the_page_says_what_the_figures_say() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"<!-- results: {name} -->" in text for name in TABLES)
    assert text == page(text)
