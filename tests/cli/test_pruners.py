"""Pruners on the command line: what a method cannot do is said before the model is loaded, in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.qwen_checkpoints import random_qwen2_5_vl
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


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with six vision layers, of which the first, third and fifth look through windows."""
    return random_qwen2_5_vl(tmp_path_factory.mktemp("windowed") / "random", vision_depth=6)


@pytest.fixture
def refused(vtc: Any, footage: Any, monkeypatch: Any) -> Callable[..., str]:
    """refused(*options): the one error of `vtc ask` and of its plan, exit code 2; whoever loads a model fails."""

    def load(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("vtc_cli.models.load_model", load)

    def ask(*options: object) -> str:
        said = set()
        for flags in ([], ["--dry-run"]):
            result = vtc("ask", footage / "clip.mp4", "what?", *options, *flags)
            assert (result.code, result.out) == (2, ""), result.err
            errors = [line for line in result.err.splitlines() if line.startswith("error:")]
            assert len(errors) == 1
            said.add(result.err)
        assert len(said) == 1, "the plan gives another reason"
        return said.pop()

    return ask


@pytest.mark.parametrize(("spec", "message"), WRONG)
def test_wrong_options_are_refused_before_the_model_is_loaded(refused: Any, spec: str, message: str) -> None:
    said = refused("-m", spec)
    assert message in said
    assert spec.split(":")[0] in said.splitlines()[0]


@pytest.mark.parametrize(
    ("options", "held", "unit", "way_out"),
    [
        ("--budget 31", "31 entries", 32, "--budget to 32"),
        ("--budget 32767B", "31 entries of 1,024 bytes each", 32, "--budget to 32768B"),
        ("--budget 31 -m infinipot-v", "31 entries", 32, "--budget to 32"),
        ("-m infinipot-v:budget=31", "31 entries", 32, "budget of infinipot-v to 32"),
        ("--budget 31 -m snapkv", "31 entries", 32, "--budget to 32"),
        ("--budget 5 -m hiprune:retain=1", "5 entries", 32, "--budget to 32"),
        ("--budget 15 -m hiprune:retain=1/3", "15 entries", 16, "--budget to 16"),
        ("--budget 19 -m hiprune:retain=1/2 -m infinipot-v", "19 entries", 20, "--budget to 20"),
        ("--budget 8 -m hiprune", "8 entries", 9, "--budget to 9"),
    ],
)
def test_a_budget_below_one_unit_beside_the_prefix_is_refused_before_the_model_is_loaded(
    refused: Any, options: str, held: str, unit: int, way_out: str
) -> None:
    """A unit of the clip has 24 tokens, or what the pruner leaves of them, and 8 rows around; 1,024 bytes each."""
    error, hint = refused(*options.split()).splitlines()
    assert f"the cache budget of {held} is smaller than one unit of {unit} entries" in error
    assert f"raise {way_out} or more" in hint


@pytest.mark.parametrize("options", ["--budget 32 -m infinipot-v", "--budget 16 -m hiprune:retain=1/3"])
def test_a_budget_of_one_unit_is_enough_whatever_the_prefix(vtc: Any, footage: Any, options: str) -> None:
    asked = ["ask", footage / "clip.mp4", "what?", *options.split(), "--json"]
    plan = json.loads(vtc(*asked, "--dry-run").out)
    assert plan["tokens"]["prefix"] > 0
    assert plan["cache"]["budget_entries"] == int(options.split()[1])
    assert vtc(*asked).code == 0


@pytest.mark.parametrize("option", ["layer=1", "layer=3", "deep=3", "deep=5"])
@pytest.mark.parametrize("name", ["hiprune", "hiprune++"])
def test_a_layer_that_looks_through_windows_is_refused_before_the_model_is_loaded(
    refused: Any, windowed: Path, name: str, option: str
) -> None:
    said = refused("--model", windowed, "-m", f"{name}:{option}")
    assert f"{name}`: {option} attends within windows" in said
    assert "layers that see all of it: 2, 4, 6" in said


def test_layers_that_see_all_of_the_picture_are_taken_where_others_look_through_windows(
    vtc: Any, footage: Any, windowed: Path
) -> None:
    asked = ["ask", footage / "clip.mp4", "what?", "--model", windowed, "--dry-run", "--json"]
    for spec, layers in (("hiprune", (2, 6)), ("hiprune:layer=4", (4, 6)), ("hiprune:layer=2,deep=4", (2, 4))):
        plan = json.loads(vtc(*asked, "-m", spec).out)
        options = next(item["options"] for item in plan["methods"] if item["name"] == "hiprune")
        assert (options["layer"], options["deep"]) == layers


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
