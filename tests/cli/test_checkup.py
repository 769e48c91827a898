"""`vtc models check`: every step really looks, says what it found, and can fail."""

from __future__ import annotations

import json

import pytest
import torch

from tests.support.qwen_checkpoints import random_qwen3_5
from vtc_cli.models.qwen3_vl import Qwen3VL

STEPS = ["loading", "pictures", "answer", "streaming", "pruners", "layer policies", "cache policies"]


def test_a_model_that_runs_passes_every_step(vtc, checkpoint):
    shown = vtc("models", "check", checkpoint, "--json")
    assert shown.code == 0, shown.out
    report = json.loads(shown.out)
    assert report["ok"] is True
    assert [(step["name"], step["state"]) for step in report["steps"]] == [(name, "ok") for name in STEPS]
    found = {step["name"]: step["found"] for step in report["steps"]}
    assert "qwen3-vl" in found["loading"]
    assert "uniform:retain=1/2" in found["pruners"]
    plain = vtc("models", "check", checkpoint)
    assert plain.out.splitlines()[-1] == f"{checkpoint} runs here"


def test_a_stage_that_a_family_lacks_is_no_failure(vtc, tmp_path):
    report = json.loads(vtc("models", "check", random_qwen3_5(tmp_path / "hybrid"), "--json").out)
    assert report["ok"] is True
    steps = {step["name"]: step for step in report["steps"]}
    assert steps["layer policies"]["state"] == "without"
    assert "state of fixed size" in steps["layer policies"]["found"]


def test_without_plugins_there_is_nothing_to_try(vtc, checkpoint, monkeypatch):
    monkeypatch.setenv("VTC_PLUGINS", "window")
    report = json.loads(vtc("models", "check", checkpoint, "--json").out)
    states = {step["name"]: step["state"] for step in report["steps"]}
    assert (states["pruners"], states["cache policies"]) == ("without", "ok")


@pytest.mark.parametrize("damage", ["positions", "pictures", "numbers"])
def test_a_model_that_goes_wrong_fails_the_step_that_shows_it(vtc, checkpoint, monkeypatch, damage):
    encode, forward = Qwen3VL.encode, Qwen3VL.forward

    def wrong_forward(self, span, cache, **options):
        logits = forward(self, span, cache, **options)
        return logits + len(span) if damage == "positions" else torch.full_like(logits, torch.nan)

    def blind(self, prepared, *rest, **options):
        prepared.patches.zero_()
        return encode(self, prepared, *rest, **options)

    if damage == "pictures":
        monkeypatch.setattr(Qwen3VL, "encode", blind)
    else:
        monkeypatch.setattr(Qwen3VL, "forward", wrong_forward)
    shown = vtc("models", "check", checkpoint, "--json")
    assert shown.code == 1
    failed = [step["name"] for step in json.loads(shown.out)["steps"] if step["state"] == "failed"]
    assert ("pictures" if damage == "pictures" else "streaming") in failed


def test_a_model_that_does_not_load_is_a_finding(vtc, tmp_path):
    shown = vtc("models", "check", tmp_path, "--json")
    assert shown.code == 4
    (step,) = json.loads(shown.out)["steps"]
    assert (step["name"], step["state"]) == ("loading", "failed")
    assert "config.json" in step["found"]
    assert vtc("models", "check", "nobody/nothing").code == 4
