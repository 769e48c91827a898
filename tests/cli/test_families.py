"""Families of models from the command line: an answer and its record, and what is refused before anything is loaded."""

from __future__ import annotations

import json

import pytest

from tests.support.qwen_checkpoints import random_qwen2_5_vl, random_qwen3_5


@pytest.mark.parametrize(("build", "family"), [(random_qwen2_5_vl, "qwen2.5-vl"), (random_qwen3_5, "qwen3.5")])
def test_a_family_answers_with_methods(vtc, footage, tmp_path, build, family):
    folder = build(tmp_path / "model", vision_depth=6)
    methods = ["-m", "hiprune:retain=1/2", "-m", "infinipot-v", "--budget", "60"]
    shown = vtc("ask", footage / "clip.mp4", "what is it?", "--model", folder, *methods, "--fps", "4", "--json")
    assert shown.code == 0, shown.err
    record = json.loads(shown.out)
    assert record["model"]["family"] == family
    assert record["tokens"]["visual_kept"] * 2 == record["tokens"]["visual_in"] > 0
    again = vtc("ask", footage / "clip.mp4", "what is it?", "--model", folder, *methods, "--fps", "4", "--json")
    assert json.loads(again.out)["answer"] == record["answer"]


def test_a_stage_that_a_family_cannot_run_is_refused_before_weights_are_read(vtc, footage, tmp_path, monkeypatch):
    folder = random_qwen3_5(tmp_path / "model")

    def loaded(*args, **options):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("vtc_cli.models.load.load_model", loaded)
    shown = vtc("ask", footage / "clip.mp4", "what is it?", "--model", folder, "-m", "fastv")
    assert (shown.code, shown.out) == (2, "")
    assert "`fastv` is a layer policy, and the qwen3.5 family runs none: most of its layers" in " ".join(
        shown.err.split()
    )
    planned = vtc("ask", footage / "clip.mp4", "what is it?", "--model", folder, "-m", "fastv", "--dry-run")
    assert planned.code == 2
