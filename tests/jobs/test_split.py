"""One budget, spent on tokens per unit and on units: the rule, its contradictions, and that runs do what plans say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.small_lm import SmallLM
from vtc_cli import Kept, TokenPruner, UsageError
from vtc_cli.cli.plans import plan_text
from vtc_cli.jobs.amounts import parse_budget
from vtc_cli.jobs.answering import answer_video
from vtc_cli.jobs.plan import plan_request
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.request import Request
from vtc_cli.jobs.run import Runner
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import methods_of
from vtc_cli.jobs.split import Split, split_budget
from vtc_cli.methods.registry import Chosen
from vtc_cli.report.terminal import rows
from vtc_cli.report.validation import problems
from vtc_cli.video.sampling import SamplingPlan

TOKENS, TAG, EACH = 180, 2, SmallLM().info.kv_bytes_per_token
WHAT = Question("what colour is it?")
SHORT = Settings(max_new_tokens=3)


def divided(budget: object, units: int | None = 50, **asked: Any) -> tuple[dict[str, Chosen], Split]:
    """The split over a video of `units` units of 180 tokens with a tag of 2 rows."""
    wanted = Settings(budget=None if budget is None else parse_budget(budget), **asked)
    model = SmallLM(grid=(12, 15), tag=TAG)
    sampling = SamplingPlan(1.0, 0.0, None, units, None)
    methods, split = split_budget(methods_of(wanted), wanted, model, (15, 12), sampling)
    assert split is not None
    return methods, split


def kept_by(methods: dict[str, Chosen], tokens: int = TOKENS) -> int:
    pruner = methods["pruner"].method
    assert isinstance(pruner, TokenPruner)
    return pruner.average(tokens)


@pytest.mark.parametrize("name", ["uniform", "random", "hiprune", "evs", "visionzip"])
@pytest.mark.parametrize(
    ("budget", "kept", "length", "reason"),
    [
        (50 * 182, 180, 50, "all 50 units fit whole"),
        (100_000, 180, 549, "all 50 units fit whole"),
        (50 * 182 - 1, 179, 50, "so that all 50 units stay"),
        (50 * 62, 60, 50, "so that all 50 units stay"),
        (50 * 22, 20, 50, "so that all 50 units stay"),
        (50 * 22 - 1, 20, 49, "thinned to the least; not all 50 units stay, window decides"),
        (22, 20, 1, "thinned to the least; not all 50 units stay, window decides"),
        (21, 19, 1, "so that one unit fits; not all 50 units stay, window decides"),
        (3, 1, 1, "so that one unit fits; not all 50 units stay, window decides"),
        (f"{50 * 62 * EACH}B", 60, 50, "so that all 50 units stay"),
    ],
)
def test_units_are_thinned_before_any_is_forgotten(
    name: str, budget: object, kept: int, length: int, reason: str
) -> None:
    methods, split = divided(budget, method=(name,))
    assert (split.kept, split.length, split.reason) == (kept, length, reason)
    assert kept_by(methods) == kept
    assert methods["pruner"].options["tokens"] == kept
    assert (split.tokens, split.around, split.units) == (TOKENS, TAG, 50)


@settings(deadline=None, max_examples=60)
@given(st.integers(3, 20_000), st.integers(1, 300), st.sampled_from(["uniform", "evs:least=0.1", "recent:units=7"]))
def test_the_split_keeps_to_the_budget_and_wastes_less_than_a_token_per_unit(
    budget: int, units: int, spec: str
) -> None:
    method = (spec,) if not spec.startswith("recent") else ("uniform", spec)
    methods, split = divided(budget, units, method=method)
    wanted = min(units, 7) if len(method) == 2 else units
    assert 1 <= split.kept <= TOKENS
    assert split.length * (split.kept + TAG) <= budget
    assert kept_by(methods) == split.kept
    if split.kept < 20:
        assert split.length < wanted or split.kept + TAG > budget - 1 or split.length == 1
    elif split.kept < TOKENS and split.length >= wanted:
        assert wanted * (split.kept + 1 + TAG) > budget


@pytest.mark.parametrize("option", ["retain=1/3", "tokens=60"])
def test_what_a_method_fixes_stays_and_the_budget_decides_the_rest(option: str) -> None:
    methods, split = divided(1000, method=(f"uniform:{option}",))
    assert (split.kept, split.length) == (60, 16)
    assert split.reason == f"{option} is given for uniform"
    assert kept_by(methods) == 60


def test_without_a_pruner_units_stay_whole_and_the_budget_is_a_length() -> None:
    methods, split = divided(1000)
    assert (split.kept, split.length, split.reason) == (180, 5, "no pruner, so units stay whole")
    assert "pruner" not in methods


def test_of_unknown_length_the_pruner_keeps_its_usual_share() -> None:
    methods, split = divided(1000, units=None, method=("uniform",))
    assert (split.kept, split.length, split.units) == (45, 21, None)
    assert "unknown" in split.reason
    assert kept_by(methods) == 45


def test_a_cache_that_holds_a_fixed_number_of_units_gets_the_best_of_those() -> None:
    _, split = divided(4 * 102, method=("uniform", "recent:units=4"))
    assert (split.kept, split.length, split.reason) == (100, 4, "so that all 4 units stay")
    _, split = divided(4 * 102, units=None, method=("uniform", "recent:units=4"))
    assert split.kept == 100


def test_a_pruner_that_takes_more_of_the_first_unit_still_fits() -> None:
    methods, split = divided(50 * 62, method=("evs:first=whole",))
    assert split.kept == 57
    pruner: Any = methods["pruner"].method
    assert pruner.budget(TOKENS) + TAG + 49 * (57 + TAG) <= 50 * 62


@dataclass
class Shared(TokenPruner):
    """Sized by a share only, as in the guide to plugins."""

    retain: float = 0.5

    def budget(self, tokens: int) -> int:
        return max(1, int(tokens * self.retain))

    def keep(self, unit: Any, budget: int, query: Any = None) -> Kept:
        return Kept(torch.arange(budget))


@dataclass
class Nearest(Shared):
    def budget(self, tokens: int) -> int:
        return max(1, round(tokens * self.retain))


@pytest.mark.parametrize("make", [Shared, Nearest])
def test_a_share_is_as_good_as_a_number(make: Any) -> None:
    for tokens in (1, 7, 24, 180, 196):
        for wanted in range(1, tokens + 1):
            budget = Settings(budget=parse_budget(10 * (wanted + TAG)))
            model = SmallLM(grid=(1, tokens), tag=TAG)
            chosen = {**methods_of(budget), "pruner": Chosen("shared", "pruner", make(), "tests", "0", {})}
            methods, split = split_budget(chosen, budget, model, (1, 1), SamplingPlan(1.0, 0.0, None, 10, None))
            assert split is not None
            assert kept_by(methods, tokens) == split.kept
            assert split.kept == max(wanted, int(tokens / 9 + 0.5)) or split.length < 10


@pytest.mark.parametrize(
    ("budget", "method", "problem"),
    [
        (2, ("uniform",), r"cache budget of 2 entries is smaller than one unit of 3 entries \(1 token and 2 around"),
        (61, ("uniform:retain=1/3",), "smaller than one unit of 62 entries"),
        (181, (), "smaller than one unit of 182 entries"),
        (181, ("evs:first=whole",), "smaller than one unit of 182 entries"),
        ("1000B", ("uniform:tokens=60",), "7 entries of 128 bytes each is smaller than one unit of 62"),
        (8192, ("window:budget=4096",), "two cache budgets: 8,192 for the session and 4,096 for its cache policy"),
        (8192, ("window:budget=1MB",), "two cache budgets: 8,192 .* 1,000,000 bytes"),
        (8192, ("infinipot-v:memory=1MB",), "two cache budgets"),
    ],
)
def test_contradictions_are_usage_errors(budget: object, method: tuple[str, ...], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        divided(budget, method=method)


@pytest.mark.parametrize(
    ("method", "budget", "hint"),
    [
        ("window:budget=5", None, "raise budget of window to 182 or more"),
        ("infinipot-v:memory=1kB", None, f"raise memory of infinipot-v to {182 * EACH}B or more"),
        ("window", 5, "raise --budget to 182 or more"),
    ],
)
def test_the_refusal_names_the_option_that_was_given(method: str, budget: object, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        divided(budget, method=(method,))
    assert hint in (caught.value.hint or "")


def test_they_are_found_before_the_model_is_loaded(model: Any, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vtc_cli.models.load_model", None)  # whoever calls it fails otherwise
    for method, budget in (
        ((), "5"),
        (("uniform:retain=1/2",), "15"),
        (("window:budget=5",), None),
        (("infinipot-v:memory=9kB",), None),
    ):
        wanted = replace(
            SHORT, model=model.info.name, method=method, budget=None if budget is None else parse_budget(budget)
        )
        with pytest.raises(UsageError, match="smaller than one unit"):
            Runner(wanted).open(str(clip))
    with pytest.raises(UsageError, match="two cache budgets"):
        Runner(replace(SHORT, model="nobody/nothing", method=("window:budget=5",), budget=parse_budget(9)))


@pytest.mark.parametrize("method", [("uniform",), ("uniform", "fastv:layer=1"), ("hiprune:retain=1/3",), ()])
def test_a_run_does_what_its_plan_says_and_both_tell_the_split(model: Any, clip: Path, method: Any) -> None:
    wanted = replace(SHORT, model=model.info.name, method=method, budget=parse_budget(90), fps=4.0)
    (plan,) = plan_request(Request((str(clip),), (WHAT,)), wanted)
    (record,) = answer_video(model, str(clip), [WHAT], wanted)
    assert problems(record) == []
    assert plan.cache is not None
    split = plan.as_json()["cache"]["split"]
    assert record["cache"]["split"] == split
    assert record["cache"]["entries_peak"] <= 90
    assert record["sampling"]["kept_per_unit"] == split["kept"]
    assert record["cache"]["evicted"] == plan.cache.evicted
    if method == ("uniform",):
        assert split["kept"] < split["tokens"]
        assert record["cache"]["evicted"] == 0
        assert record["methods"][0]["options"]["tokens"] == split["kept"]
    phrase = f"{split['kept']} of {split['tokens']} tokens per unit, room for {split['length']} unit"
    assert phrase in plan_text(plan)
    assert plan.flops is not None
    assert plan.flops.prefill == record["flops"]["prefill"]
    shown = [fact for _, lines, _ in rows(record) for line in lines for fact in line]
    assert any(fact.startswith(f"budget of 90: {phrase}") for fact in shown)
