"""What --dry-run says about memory: weights where they will be, a cache in what they leave, what would be refused."""

from __future__ import annotations

import json

import pytest

from vtc_cli.engine import budget
from vtc_cli.jobs.setup import QUESTION_ROOM
from vtc_cli.report.units import size


@pytest.fixture
def planned(vtc, footage, checkpoint):
    def run(*options):
        shown = vtc("ask", footage / "clip.mp4", "what?", "--model", checkpoint, *options, "--dry-run", "--json")
        assert shown.code == 0, shown.err
        return json.loads(shown.out)

    return run


def test_weights_are_told_by_place(vtc, footage, checkpoint, planned):
    pytest.importorskip("accelerate")
    whole, apart = planned(), planned("--device-map", "auto", "--max-memory", "0.9MB")
    assert whole["memory"]["elsewhere"] == {}
    assert whole["memory"]["weights"] == whole["model"]["weight_bytes"] == apart["model"]["weight_bytes"]
    assert apart["memory"]["weights"] <= 900_000
    assert apart["memory"]["weights"] + apart["memory"]["elsewhere"]["disk"] == apart["model"]["weight_bytes"]
    loaded = json.loads(
        vtc("ask", footage / "clip.mp4", "what?", "--model", checkpoint, "--device-map", "auto", "--max-memory",
            "0.9MB", "--json").out
    )  # fmt: skip
    assert loaded["model"]["device_reason"] == apart["model"]["device_reason"]
    shown = vtc("ask", footage / "clip.mp4", "what?", "--model", checkpoint, "--dry-run", "--device-map", "auto",
                "--max-memory", "0.9MB")  # fmt: skip
    assert "on cpu; more weights: " in shown.out
    assert " on disk" in shown.out


def test_the_cache_is_planned_in_what_the_weights_leave(planned, monkeypatch):
    taken = planned()["model"]["weight_bytes"]
    monkeypatch.setattr(budget, "free_bytes", lambda device: taken + 6_000_000)
    plan = planned("--fps", "8", "--max-new-tokens", "1")
    assert plan["notes"] == []
    room = 1_500_000 // plan["cache"]["bytes_per_token"] - plan["tokens"]["prefix"] - (QUESTION_ROOM + 1)
    assert (plan["cache"]["budget_entries"], plan["cache"]["reason"]) == (room, "25% of 0.0 GB free on cpu")
    monkeypatch.setattr(budget, "free_bytes", lambda device: taken)
    (note,) = planned("--budget", "200")["notes"]
    assert note == f"weights take {size(taken)}, and {size(taken)} are free on cpu: a run would be refused now"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--max-memory", "1GB"), "nothing is spread"),
        (("--adapter", "./nowhere"), "there is no adapter folder"),
        (("--compile", "--device-map", "auto"), "exclude each other"),
    ],
)
def test_options_that_a_run_refuses_are_refused_by_a_plan(vtc, footage, checkpoint, options, words):
    pytest.importorskip("peft")
    pytest.importorskip("accelerate")
    refused = vtc("ask", footage / "clip.mp4", "what?", "--model", checkpoint, *options, "--dry-run")
    assert (refused.code, refused.out) == (2, "")
    assert words in refused.err
