"""Figures of two stretches of films are those of all the films, whatever is left of the first one's answers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from benchmarks import plan, results
from benchmarks.condensed import condense
from benchmarks.figures import MissingResultError
from benchmarks.pooled import pool
from benchmarks.running import Run
from tests.results import invented
from tests.support.checkpoints import random_qwen3_vl
from vtc_cli.bench.rows import rows_of
from vtc_cli.bench.statistics import paired_interval, wilson
from vtc_cli.bench.suites.tiny import Wanted

SAME = ("n", "right", "accuracy", "low", "high", "difference", "won", "lost", "p")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    return str(random_qwen3_vl(tmp_path_factory.mktemp("pooled") / "random"))


def part_of(limit: int) -> plan.Part:
    rows = rows_of(["uniform:retain=1/2", "random:retain=1/2"])
    return plan.Part("small", "pruners", "short", rows, Wanted(("exists",), 6.0, 7), limit)


def figures(part: plan.Part, folder, checkpoint: str) -> dict:
    run = Run(part, folder, checkpoint, tokens=3)
    while run.film():
        pass
    run.close()
    return results.dated(condense(run))


def test_two_stretches_come_to_what_all_films_come_to(checkpoint, tmp_path):
    early = figures(part_of(4), tmp_path / "early", checkpoint)
    later = part_of(10).after(early)
    assert (later.first, later.limit) == (early["films"], 6)
    late = figures(later, tmp_path / "late", checkpoint)
    assert (tmp_path / "late" / f"small-from-{early['films']}.jsonl").is_file()
    found, whole = pool(early, late), figures(part_of(10), tmp_path / "whole", checkpoint)
    assert late["questions"] == 6
    for name in ("films", "questions", "planned", "facts"):
        assert found[name] == whole[name]
    assert found["chance"] == pytest.approx(whole["chance"])
    assert [stretch["questions"] for stretch in found["stretches"]] == [4, 6]
    for row, expected in zip(found["rows"], whole["rows"], strict=True):
        assert {name: row["score"][name] for name in SAME} == pytest.approx(
            {name: expected["score"][name] for name in SAME}
        )
        assert row["skills"] == expected["skills"]
        for name in ("retention", "entries", "kv_bytes_peak", "watches", "frames"):
            assert row["costs"][name] == pytest.approx(expected["costs"][name])
        assert row["costs"]["flops"] == pytest.approx(expected["costs"]["flops"])
        for other, difference in row["against"].items():
            assert difference["mean"] == pytest.approx(expected["against"][other]["mean"])


def test_the_interval_of_a_pooled_difference_is_that_of_a_bootstrap_over_all_films():
    rng = np.random.default_rng(0)
    sums, sizes = rng.integers(-6, 3, 63).tolist(), [16] * 63
    ends = [paired_interval(sums[:40], sizes[:40]), paired_interval(sums[40:], sizes[40:])]
    parts = [invented.part("caches"), invented.part("caches")]
    for part, some, (low, high) in zip(parts, (slice(0, 40), slice(40, 63)), ends, strict=True):
        n, lost = sum(sizes[some]), -sum(sums[some])
        bounds = wilson(n // 2, n)
        for row in part["rows"]:
            row["score"] = {
                "n": n, "right": n // 2, "accuracy": 0.5, "low": bounds[0], "high": bounds[1],
                "difference": -lost / n, "difference_low": low, "difference_high": high, "won": 0, "lost": lost, "p": 0,
            }  # fmt: skip
    row = pool(*map(_with_costs, parts))["rows"][1]["score"]
    low, high = paired_interval(sums, sizes)
    assert row["difference"] == pytest.approx(sum(sums) / sum(sizes))
    assert row["difference_low"] == pytest.approx(low, abs=0.1 * (high - low))
    assert row["difference_high"] == pytest.approx(high, abs=0.1 * (high - low))
    assert math.isclose(row["p"], 2 / 2 ** row["lost"])


def _with_costs(part: dict) -> dict:
    names = ("frames", "visual_in", "visual_kept", "rows", "evicted", "compactions", "entries")
    for row in part["rows"]:
        row["costs"] |= {"watches": 1, "entries_peak": 1, "budget_entries": None, **dict.fromkeys(names, 1.0)}
    return part


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"facts": {"seed": 8}}, "another `facts`"),
        ({"model": {**invented.MODEL, "revision": "blake2b:other"}}, "different weights"),
        ({"rows": []}, "other rows: .*hiprune:retain=1/3"),
    ],
)
def test_what_is_not_the_same_comparison_is_not_put_together(change, said):
    early = invented.part("pruners")
    with pytest.raises(MissingResultError, match=f"pruners: .*{said}"):
        pool(early, {**early, **change})


def test_the_command_asks_more_where_the_answers_are_gone(checkpoint, tmp_path, monkeypatch):
    where = ["--only", "pruners", "--model", checkpoint, "--results", str(tmp_path / "figures"), "--runs"]
    monkeypatch.setattr(plan, "parts", lambda questions, seed: (part_of(questions),))
    read = lambda: json.loads((tmp_path / "figures" / "small.json").read_text())  # noqa: E731
    assert results.main([*where, str(tmp_path / "one"), "--limit", "3"]) == 0
    first = read()
    assert results.main([*where, str(tmp_path / "two"), "--limit", "8", "--further"]) == 0
    both = read()
    assert (first["questions"], both["questions"], both["planned"], both["done"]) == (3, 8, 8, True)
    assert both["rows"][1]["score"]["right"] >= first["rows"][1]["score"]["right"]
    assert results.main([*where, str(tmp_path / "three"), "--limit", "8", "--further"]) == 0
    assert read() == both
    assert not list((tmp_path / "three").rglob("*.jsonl"))
