"""VisionZip: what is looked at stays, the rest is merged."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.small_lm import SmallLM
from tests.methods.made import NAN, noise, pruner, unit
from vtc_cli import Unit, VtcError
from vtc_cli.errors import UsageError
from vtc_cli.methods import choose

# Most looked at: 1 and 6. Left: 0 2 3 4 5 7, of which every third is a target: 0 and 4.
LOOKED_AT = [0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.8, 0.1]
# Cosines with target 0, (1,0), and target 4, (0,1): token 2: 1, 0; token 3: 0, 1; token 5: 1, 0; token 7: 0, -1.
TOKENS = [[1, 0], [9, 9], [2, 0], [0, 2], [0, 1], [4, 0], [8, 8], [0, -3]]
ITEM = unit(TOKENS, (2, 4), scores={3: LOOKED_AT})


def test_by_hand() -> None:
    """Target 0 is joined by 2, 5 and 7: (1,0) + ((2,0) + (4,0) + (0,-3)) / 3 = (3,-1). Target 4 by 3: (0,1) + (0,2)."""
    kept = pruner("visionzip:contextual=1/2").keep(ITEM, 4)
    assert kept.indices.tolist() == [0, 1, 4, 6]
    assert kept.tokens is not None
    assert kept.tokens.tolist() == [[3, -1], [9, 9], [0, 3], [8, 8]]


def test_means_by_hand() -> None:
    """((1,0) + (2,0) + (4,0) + (0,-3)) / 4 = (1.75,-0.75), ((0,1) + (0,2)) / 2 = (0,1.5)."""
    kept = pruner("visionzip:contextual=1/2,merge=mean").keep(ITEM, 4)
    assert kept.tokens is not None
    assert kept.tokens.tolist() == [[1.75, -0.75], [9, 9], [0, 1.5], [8, 8]]


@pytest.mark.parametrize(("budget", "contextual"), [(64, 10), (128, 20), (192, 30), (4, 1), (3, 0), (2, 0), (1, 0)])
def test_dominant_and_contextual_in_the_published_proportion(budget: int, contextual: int) -> None:
    """10 of 64, 20 of 128, 30 of 192; 4 * 10 / 64 = 0.6 rounds to 1, 3 * 10 / 64 = 0.5 to 0."""
    item = noise(24, 24, 1)
    kept = pruner("visionzip:layer=1").keep(item, budget)
    looked = item.scores[1].topk(budget - contextual).indices
    assert len(kept.indices) == budget
    assert set(looked.tolist()) <= set(kept.indices.tolist())
    changed = 0 if kept.tokens is None else int((kept.tokens != item.tokens[kept.indices]).any(-1).sum())
    assert changed == contextual


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 12), st.floats(0, 0.99))
def test_averages_lose_nothing(seed: int, budget: int, contextual: float) -> None:
    """With merge=mean every token not dominant is in exactly one average: weighted by size they sum to all of them."""
    item = noise(3, 4, seed)
    kept = pruner(f"visionzip:contextual={contextual},merge=mean").keep(item, budget)
    assert len(kept.indices) == budget
    if kept.tokens is None:
        assert budget == 12 or min(budget - 1, round(budget * contextual)) == 0
        return
    # A merged row lies within the range of the tokens it averages.
    assert bool((kept.tokens <= item.tokens.amax(0) + 1e-9).all() and (kept.tokens >= item.tokens.amin(0) - 1e-9).all())


def test_equal_scores_and_equal_tokens_go_by_raster_order() -> None:
    """All alike: 0 and 1 are dominant, and of 2 to 8 every third is a target, 2 and 5, joined by all others at 2."""
    item = unit(torch.ones(9, 2), (3, 3), scores={1: [1.0] * 9})
    kept = pruner("visionzip:contextual=1/2").keep(item, 4)
    assert kept.indices.tolist() == [0, 1, 2, 5]
    assert kept.tokens is not None
    assert kept.tokens.tolist() == [[1, 1], [1, 1], [2, 2], [1, 1]]


def test_one_token_and_all_tokens_stay_as_they_are() -> None:
    assert pruner("visionzip").keep(unit([[1, 2]], scores={1: [0.5]}), 1).indices.tolist() == [0]
    everything = pruner("visionzip").keep(ITEM, 8)
    assert everything.indices.tolist() == list(range(8))
    assert everything.tokens is None


def test_a_sum_too_large_for_the_number_format_stays_a_number() -> None:
    rows = torch.full((6, 2), 60_000.0, dtype=torch.float16)
    kept = pruner("visionzip:contextual=1/2").keep(unit(rows, scores={1: [1.0] * 6}), 2)
    assert kept.tokens is not None
    assert kept.tokens.tolist() == [[60_000, 60_000], [65_504, 65_504]]


def test_it_looks_at_the_last_layer_that_sees_the_whole_picture() -> None:
    info = SmallLM().info
    assert info.tower.layers == 4
    assert pruner("visionzip").needs_on(info) == {"attention:4"}
    assert pruner("visionzip").needs_on(replace(info, tower=replace(info.tower, windowed=(3, 4)))) == {"attention:2"}
    assert pruner("visionzip:layer=3").needs_on(info) == {"attention:3"}


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(VtcError, match="vision layer 2 in unit 5"):
        pruner("visionzip").keep(unit([[1, 0], [0, 1]], index=5, scores={2: [NAN, 1]}), 1)
    broken = Unit(5, (0, 1), torch.tensor([[1, NAN]] * 4), (1, 4), (), {2: torch.ones(4)})
    with pytest.raises(VtcError, match="the rows of unit 5"):
        pruner("visionzip:contextual=1/2").keep(broken, 2)


@pytest.mark.parametrize("options", ["contextual=1", "contextual=-1/2", "layer=-1", "merge=max", "retain=0"])
def test_impossible_options_are_refused(options: str) -> None:
    with pytest.raises(UsageError):
        choose(f"visionzip:{options}")


def test_contextual_tokens_are_told_apart_even_when_nothing_joined_them():
    """All rows left are alike: they join the first target, and the second stays as it was."""
    shown = unit([[1, 0]] * 6, (2, 3), scores={1: [6, 5, 4, 3, 2, 1]})
    made = pruner("visionzip:tokens=4,contextual=0.5,layer=1")
    kept = made.keep(shown, 4)
    kinds = {name: indices.tolist() for name, indices in made.kinds(shown, kept).items()}
    assert kinds == {"dominant": [0, 1], "contextual": [2, 4]}
    assert kept.tokens is not None
    assert torch.equal(kept.tokens[3], shown.tokens[4])


def test_a_unit_that_stays_whole_has_one_kind_and_needs_no_attention():
    shown = unit([[1, 0]] * 6, (2, 3))
    made = pruner("visionzip:retain=1")
    assert {name: len(indices) for name, indices in made.kinds(shown, made.keep(shown, 6)).items()} == {"kept": 6}
    assert made.needs_on(SmallLM().info) == frozenset()
    assert pruner("visionzip:retain=1/2").needs_on(SmallLM().info) != frozenset()
