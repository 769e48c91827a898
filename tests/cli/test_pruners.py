"""Pruners on the command line: what a method cannot do is said before the model is loaded, in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vtc_cli.errors import UsageError
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import methods_of

WRONG = [
    ("hiprune:retain=0", "retain must be above 0"),
    ("hiprune:retain=2", "retain must be above 0"),
    ("hiprune:retain=abc", "not a number"),
    ("hiprune:alpha=7", "alpha must be between 0 and 1"),
    ("hiprune:layer=5", "layer=5 is outside the vision tower"),
    ("hiprune++:deep=9", "deep=9 is outside the vision tower"),
    ("hiprune:tokens=9999", "tokens=9999 is more than the 24 tokens of a unit"),
    ("hiprune++:beta=2", "beta must be between 0 and 1"),
    ("uniform:tokens=9999", "tokens=9999 is more than the 24 tokens of a unit"),
    ("visionzip:layer=5", "vision layer 5, and this model's tower has layers 1 to 4"),
]


@pytest.mark.parametrize(("spec", "message"), WRONG)
def test_wrong_options_are_refused_before_the_model_is_loaded(
    vtc: Any, footage: Any, monkeypatch: Any, spec: str, message: str
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("vtc_cli.models.load_model", refuse)
    for flags in ([], ["--dry-run"]):
        result = vtc("ask", footage / "clip.mp4", "what?", "-m", spec, *flags)
        assert result.code == 2, result.err
        assert message in result.err
        errors = [line for line in result.err.splitlines() if line.startswith("error:")]
        assert len(errors) == 1
        assert spec.split(":")[0] in errors[0]


def test_a_budget_below_the_prefix_and_one_unit_is_refused(vtc: Any, footage: Any) -> None:
    result = vtc("ask", footage / "clip.mp4", "what?", "-m", "hiprune:retain=1", "--budget", "5")
    assert result.code == 2
    assert "budget" in result.err


@pytest.mark.parametrize("spec", ["hiprune:retain=1/3", "hiprune++:retain=1/3,quota=additive,beta=0.2"])
def test_answers_and_plans_agree_on_what_is_kept(vtc: Any, footage: Any, spec: str) -> None:
    asked = ["ask", footage / "clip.mp4", "what?", "-m", spec, "--json"]
    record, plan = json.loads(vtc(*asked).out), json.loads(vtc(*asked, "--dry-run").out)
    plan = plan[0] if isinstance(plan, list) else plan
    kept = 8 if spec.startswith("hiprune:") else 10
    assert record["tokens"]["visual_kept"] == plan["tokens"]["visual_kept"] == kept * plan["tokens"]["units"]


def test_whole_units_beside_a_pruner_are_refused_before_the_model_is_loaded(
    vtc: Any, footage: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("vtc_cli.models.load_model", None)  # whoever calls it fails otherwise
    for other in ("uniform", "fastv:layer=1"):
        result = vtc("ask", footage / "clip.mp4", "what?", "-m", other, "-m", "infinipot-v:pooling=official")
        assert result.code == 2
        assert "method `infinipot-v` needs units with all their rows" in result.err
        assert f"leave `{other.split(':')[0]}` out" in result.err


def test_records_show_the_layers_that_were_chosen(vtc: Any, footage: Any) -> None:
    record = json.loads(vtc("ask", footage / "clip.mp4", "what?", "-m", "hiprune", "--json").out)
    options = {item["name"]: item["options"] for item in record["methods"]}
    assert (options["hiprune"]["layer"], options["hiprune"]["deep"]) == (2, 4)
    assert (options["hiprune"]["retain"], options["hiprune"]["tokens"]) == (0.25, None)
    assert options["window"]["budget"] is None
    assert record["flops"]["method"] > 0


def test_two_questions_about_one_video_are_watched_for_one_by_one(vtc: Any, footage: Any, place: Any) -> None:
    (place / "q.txt").write_text("what?\nwho is it?\n")
    result = vtc("ask", footage / "clip.mp4", "--questions", "q.txt", "-m", "hiprune++:retain=1/4", "--jsonl")
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [record["reused"] for record in records] == [False, False]
    plain = vtc("ask", footage / "clip.mp4", "--questions", "q.txt", "-m", "hiprune:retain=1/4", "--jsonl")
    assert [json.loads(line)["reused"] for line in plain.out.splitlines()] == [False, True]


def test_where_questions_come_later_the_method_without_them_is_named() -> None:
    settings = Settings(method=("hiprune++",))
    assert methods_of(settings)["pruner"].name == "hiprune++"
    with pytest.raises(UsageError, match=r"`hiprune\+\+` chooses tokens by the question") as caught:
        methods_of(settings, question_known=False)
    assert "`hiprune`" in (caught.value.hint or "")
    assert methods_of(Settings(method=("hiprune",)), question_known=False)["pruner"].name == "hiprune"
