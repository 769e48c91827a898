"""HiPrune and HiPrune++ as methods: options, budgets, layers by model, the question, scores that cannot be used."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vtc_hiprune import cosine, select, select_with_text

from tests.engine.small_lm import SmallLM, film
from tests.support.checkpoints import random_pixels, random_qwen3_vl
from vtc_cli import Frame, ModelInfo, Session, TokenPruner, Unit, UsageError, load_model
from vtc_cli.methods import choose
from vtc_cli.models.contract import TowerDims

NAMES = ("hiprune", "hiprune++")
QUERY = torch.randn(5, 8, generator=torch.Generator().manual_seed(9))


def pruner(spec: str) -> TokenPruner:
    method = choose(spec).method
    assert isinstance(method, TokenPruner)
    return method


def unit(index: int = 0, grid: tuple[int, int] = (6, 8), layers: tuple[int, ...] = (2, 4), seed: int = 0) -> Unit:
    generator = torch.Generator().manual_seed(1000 * seed + index)
    count = grid[0] * grid[1]
    scores = {layer: torch.rand(count, generator=generator) for layer in layers}
    return Unit(index, (0.0, 1.0), torch.randn(count, 8, generator=generator), grid, scores=scores)


def model(layers: int = 32, windowed: tuple[int, ...] = ()) -> ModelInfo:
    tower = TowerDims(layers, 8, 1, 8, 8, 1, 8, windowed=windowed)
    return replace(SmallLM().info, name="some/model", tower=tower)


@pytest.mark.parametrize(
    ("options", "tokens", "kept"),
    [
        ("retain=0.334", 1024, 342), ("retain=0.223", 1024, 228), ("retain=0.112", 1024, 115), ("retain=2/9", 576, 128),
        ("retain=1/3", 576, 192), ("retain=1", 9, 9), ("retain=1/100", 9, 1), ("tokens=5", 64, 5), ("retain=10%", 9, 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", NAMES)
def test_how_many_tokens_are_kept(name: str, options: str, tokens: int, kept: int) -> None:
    method = pruner(f"{name}:{options}")
    assert method.budget(tokens) == method.average(tokens) == kept
    item = unit(grid=(1, tokens))
    assert len(method.keep(item, kept, QUERY).indices) == kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("retain=0", "retain must be above 0"), ("retain=1.5", "retain must be"), ("retain=-1/3", "retain must be"),
        ("retain=abc", "not a number, fraction"), ("tokens=-1", "tokens must be"), ("tokens=x", "not a whole number"),
        ("alpha=1.1", "alpha must be between 0 and 1"), ("alpha=-1", "alpha must be"), ("layer=-1", "layer must be 0"),
        ("deep=-2", "deep must be 0"), ("layer=middle", "not a whole number"), ("edge=soft", "not one of the choices"),
        ("split=some", "not one of the choices"), ("retian=1/2", "no option `retian`"), ("alpha=nan", "not a finite"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", NAMES)
def test_impossible_options_are_refused_in_one_line(name: str, options: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        choose(f"{name}:{options}")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("options", ["beta=1.5", "beta=-1", "sign=0", "sign=2", "quota=half"])
def test_impossible_text_options_are_refused(options: str) -> None:
    with pytest.raises(UsageError):
        choose(f"hiprune++:{options}")
    with pytest.raises(UsageError, match="no option"):
        choose(f"hiprune:{options}")


@pytest.mark.parametrize(
    ("layers", "windowed", "options", "expected"),
    [
        (32, (), "", "16,32"), (27, (), "", "14,27"), (24, (), "", "12,24"), (8, (), "", "4,8"), (1, (), "", "1,1"),
        (32, tuple(n for n in range(1, 33) if n % 8), "", "16,32"), (32, tuple(range(1, 32)), "", "32,32"),
        (4, (1, 3), "", "2,4"), (8, (), "layer=5", "5,8"), (8, (), "layer=5,deep=7", "5,7"), (8, (4, 8), "", "3,7"),
    ],
)  # fmt: skip
def test_layers_follow_the_tower(layers: int, windowed: tuple[int, ...], options: str, expected: str) -> None:
    assert pruner(f"hiprune:{options}" if options else "hiprune").needs_on(model(layers, windowed)) == {
        f"attention:{expected}"
    }
    assert pruner("hiprune++").needs_on(model(8)) == {"attention:4,8", "query"}


@pytest.mark.parametrize(
    ("family", "layers", "width", "expected"),
    [("llava", 23, 1024, "9,23"), ("llava-next", 23, 1024, "9,23"), ("llava-onevision", 26, 1152, "13,26"),
     ("llava", 12, 768, "6,12"), ("qwen3-vl", 23, 1024, "12,23")],
)  # fmt: skip
def test_the_published_layer_is_the_default_of_its_tower(family: str, layers: int, width: int, expected: str) -> None:
    info = model(layers)
    info = replace(info, family=family, tower=replace(info.tower, hidden=width))
    assert pruner("hiprune").needs_on(info) == {f"attention:{expected}"}
    chosen = pruner("hiprune").options_on(info)
    assert f"{chosen['layer']},{chosen['deep']}" == expected


def test_records_show_what_takes_part() -> None:
    assert pruner("hiprune:layer=5").options_on(model(8)) == {
        "retain": 0.25, "tokens": None, "alpha": 0.1, "layer": 5, "deep": 8, "edge": "strict", "split": "uniform"
    }  # fmt: skip
    counted = pruner("hiprune:tokens=7").options_on(model(8))
    assert (counted["retain"], counted["tokens"]) == (None, 7)


@pytest.mark.parametrize(
    ("options", "windowed", "message"),
    [
        ("layer=9", (), "layer=9 is outside the vision tower of some/model, which has layers 1 to 8"),
        ("deep=40", (), "deep=40 is outside"),
        ("layer=3", (1, 2, 3), "layer=3 attends within windows .* layers that see all of it: 4, 5, 6, 7, 8"),
        ("", tuple(range(1, 9)), "no layer .* sees the whole picture"),
    ],
)
def test_layers_that_cannot_be_read_are_refused(options: str, windowed: tuple[int, ...], message: str) -> None:
    method = pruner(f"hiprune:{options}" if options else "hiprune")
    with pytest.raises(ValueError, match=message):
        method.needs_on(model(8, windowed))


def test_the_choice_is_that_of_the_pure_functions() -> None:
    method, item = pruner("hiprune:retain=1/3,alpha=0.5,edge=official,layer=2"), unit()
    method.needs_on(model(4))
    expected = select(item.scores[2], item.scores[4], (6, 8), 16, 0.5, "official")
    assert torch.equal(method.keep(item, 16).indices, expected)
    plus = pruner("hiprune++:retain=1/3,alpha=0.5,beta=0.2,sign=-1,layer=2")
    plus.needs_on(model(4))
    near = cosine(item.tokens, QUERY)
    expected = select_with_text(item.scores[2], item.scores[4], near, (6, 8), 16, 0.5, 0.2, sign=-1)
    assert torch.equal(plus.keep(item, 16, QUERY).indices, expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 48), st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.integers(0, 99))
def test_an_added_quota_comes_on_top(tokens: int, beta: float, seed: int) -> None:
    method, item = pruner(f"hiprune++:tokens={tokens},beta={beta},quota=additive"), unit(seed=seed)
    budget = method.budget(48)
    assert budget == min(48, tokens + round(beta * tokens))
    kept = set(method.keep(item, budget, QUERY).indices.tolist())
    assert len(kept) == budget
    plain = pruner("hiprune").keep(item, tokens).indices.tolist()
    assert set(plain) <= kept


def test_everything_is_kept_without_looking_at_scores() -> None:
    item = replace(unit(), scores={})
    for name in NAMES:
        assert pruner(f"{name}:retain=1").keep(item, 48, QUERY).indices.tolist() == list(range(48))


def test_units_larger_than_the_tokens_asked_for_are_refused() -> None:
    with pytest.raises(ValueError, match="tokens=49 is more than the 48 tokens of a unit"):
        pruner("hiprune:tokens=49").budget(48)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("layer", [2, 4])
def test_scores_that_are_not_numbers_name_their_layer(value: float, layer: int) -> None:
    item, method = unit(index=7), pruner("hiprune:layer=2")
    method.needs_on(model(4))
    item.scores[layer][5] = value
    with pytest.raises(UsageError, match=rf"vision layer {layer} in unit 7 are infinite or not numbers"):
        method.keep(item, 12)


def test_identical_units_keep_the_same_places() -> None:
    for split in ("uniform", "global"):
        method = pruner(f"hiprune:retain=2/9,split={split}")
        kept = []
        for index in range(6):
            item = replace(unit(), index=index)
            kept.append(method.keep(item, method.budget(48)).indices.tolist())
        assert kept == [kept[0]] * 6
        assert len(kept[0]) == 11


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.sampled_from([1 / 9, 1 / 4, 0.6]))
def test_a_global_split_never_spends_more_than_a_uniform_one(seed: int, retain: float) -> None:
    method, spent, share = pruner(f"hiprune:retain={retain},split=global"), 0, round(48 * retain)
    sizes = []
    for index in range(12):
        item = unit(index, seed=seed)
        item.scores[4].pow_(index % 4 + 1)  # from even to peaked
        assert method.average(48) == share
        budget = method.budget(48)
        kept = method.keep(item, budget).indices
        assert 1 <= len(kept) <= budget <= 48
        spent += len(kept)
        sizes.append(len(kept))
        assert spent <= share * (index + 1)
    assert len(set(sizes)) > 1
    assert spent >= 0.6 * share * 12
    method.reset()
    assert method.budget(48) == share


def test_a_global_split_gives_more_to_units_whose_scores_stand_out() -> None:
    method = pruner("hiprune:retain=1/4,split=global")
    plain, busy = unit(), unit(1)
    plain.scores[4] = torch.ones(48)
    busy.scores[4] = torch.cat([torch.full((20,), 5.0), torch.full((28,), 0.1)])
    sizes = []
    for index in range(20):
        item = replace(busy if index % 2 else plain, index=index)
        sizes.append(len(method.keep(item, method.budget(48)).indices))
    assert sum(sizes[11::2]) > 2 * sum(sizes[10::2])


def test_what_a_global_split_has_seen_can_be_copied_and_left() -> None:
    """Completing a cut unit for a question must not be remembered."""
    method = pruner("hiprune:retain=1/4,split=global")
    for index in range(3):
        method.keep(unit(index), method.budget(48))
    before = method.budget(48)
    copy.deepcopy(method).keep(unit(9), before)
    assert method.budget(48) == before


def test_the_question_must_be_known_and_the_other_method_is_named() -> None:
    with pytest.raises(UsageError, match="must be known before watching") as caught:
        Session(SmallLM(), pruner="hiprune++")
    assert "`hiprune`" in (caught.value.hint or "")
    Session(SmallLM(), pruner="hiprune")


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = random_qwen3_vl(tmp_path_factory.mktemp("checkpoint"), vision_depth=6)
    return load_model(str(folder), device="cpu", dtype="float32")


def answer(loaded: Any, spec: str | None, chunk: int = 2) -> tuple[list[int], dict[str, int]]:
    pictures = random_pixels(10, 64, 96, seed=4)
    session = Session(loaded, pruner=spec, cache=None, pixels=64 * 96, question="what?", chunk=chunk)
    session.watch(Frame(float(number), picture) for number, picture in enumerate(pictures))
    return session.ask("what?", max_new_tokens=6).ids, session.meter.counts


@pytest.mark.parametrize("name", NAMES)
def test_keeping_all_changes_nothing(random_model: Any, name: str) -> None:
    assert answer(random_model, f"{name}:retain=1")[0] == answer(random_model, None)[0]


@pytest.mark.parametrize("split", ["uniform", "global"])
@pytest.mark.parametrize("name", NAMES)
def test_on_a_model_units_are_cut_the_same_however_they_are_dealt(random_model: Any, name: str, split: str) -> None:
    one, counts = answer(random_model, f"{name}:retain=1/3,split={split}", chunk=1)
    other, again = answer(random_model, f"{name}:retain=1/3,split={split}", chunk=5)
    assert one == other
    assert counts["visual_kept"] == again["visual_kept"] <= 5 * 8
    if split == "uniform":
        assert counts["visual_kept"] == 5 * 8


def test_small_videos_run(random_model: Any) -> None:
    session = Session(SmallLM(grid=(1, 1)), pruner="hiprune", budget=40)
    session.watch(film(3))
    assert session.meter.counts["visual_kept"] == 3


@pytest.mark.parametrize(
    ("spec", "layers"),
    [
        ("hiprune:retain=1", ()),
        ("hiprune++:retain=1", ()),
        ("hiprune:retain=1/2", (1, 2)),
        ("hiprune:retain=1,split=global", (1, 2)),
        ("hiprune:tokens=4", (1, 2)),
    ],
)
def test_attention_is_read_only_where_something_is_chosen(random_model, spec, layers):
    session = Session(random_model, pruner=spec, question="What moves?")
    assert len(session.captured) == len(layers)
