"""Pruners that keep tokens unlike each other: divprune and cdpruner."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize
from vtc_baselines.cdpruner import greedy_determinant, relevance
from vtc_baselines.divprune import max_min

from tests.methods.made import NAN, kept, noise, pruner, shuffled, unit
from vtc_cli import Unit, VtcError
from vtc_cli.errors import UsageError
from vtc_cli.methods import choose

QUESTION = torch.randn(3, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
BOTH = pytest.mark.parametrize("name", ["divprune", "cdpruner"])


def test_divprune_by_hand() -> None:
    """Distances 1 - cosine of (1,0) (1,0) (0,1) (-1,0): 01: 0, 02: 1, 03: 2, 12: 1, 13: 2, 23: 1.

    Nearest neighbours are 0, 0, 1, 1 away: token 2 is first. From it all others are 1 away: token 0. Then token 1 is 0
    away from what is kept and token 3 is min(1, 2) = 1: token 3.
    """
    tokens = [[1, 0], [2, 0], [0, 1], [-3, 0]]
    assert max_min(normalize(torch.tensor(tokens).float()), 4).tolist() == [2, 0, 3, 1]
    assert [kept("divprune", unit(tokens), count) for count in (1, 2, 3)] == [[2], [0, 2], [0, 2, 3]]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_divprune_is_at_least_half_as_spread_as_the_best_set(seed: int, count: int) -> None:
    """What farthest-first promises for distances that obey the triangle inequality: here angles, in the same order."""
    rows = normalize(noise(3, 3, seed).tokens, dim=-1)
    angle = (rows @ rows.T).clamp(-1, 1).acos()

    def spread(chosen: tuple[int, ...]) -> float:
        return min(float(angle[a, b]) for a, b in combinations(chosen, 2))

    best = max(spread(some) for some in combinations(range(9), count))
    assert spread(tuple(max_min(rows, count).tolist())) >= best / 2 - 1e-9


def test_cdpruner_relevance_by_hand() -> None:
    """Mean cosines with the words (1,0) and (0,1): 1/2, 1/2, -1/2. From the least to the most: 1, 1, 0."""
    rows, words = torch.tensor([[1.0, 0], [0, 1], [-1, 0]]), torch.eye(2)
    assert relevance(rows, words).tolist() == pytest.approx([1, 1, 0], abs=2e-6)
    assert relevance(rows, words, -1).tolist() == pytest.approx([0, 0, 1], abs=2e-6)
    assert relevance(rows[:1].expand(3, 2), words).tolist() == [1, 1, 1]


def test_cdpruner_by_hand() -> None:
    """Tokens (1,0), (.8,.6), (0,1) of weights 1, .9, .5.

    Alone they are worth 1, .81, .25: token 0. It takes (.9 * .8)^2 = .5184 from token 1, leaving .2916, and nothing
    from token 2, leaving .25: token 1 (by what it adds; its weight alone would say so too), then token 2.
    With weight .8 token 1 is left with .64 - .4096 = .2304 < .25: token 2 comes first though it weighs less.
    """
    rows = torch.tensor([[1, 0], [0.8, 0.6], [0, 1]])
    assert greedy_determinant(rows, torch.tensor([1, 0.9, 0.5]), 2).tolist() == [0, 1]
    assert greedy_determinant(rows, torch.tensor([1, 0.8, 0.5]), 2).tolist() == [0, 2]


def test_cdpruner_goes_on_by_relevance_once_directions_are_spent() -> None:
    """Two directions: token 0 takes all of tokens 1 and 3, token 2 stands alone; then weights .9 before .3."""
    rows = torch.tensor([[1.0, 0], [1, 0], [0, 1], [1, 0]])
    assert greedy_determinant(rows, torch.tensor([1, 0.3, 0.5, 0.9]), 4).tolist() == [0, 2, 3, 1]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_cdpruner_adds_the_token_with_the_largest_determinant(seed: int, count: int) -> None:
    """Against determinants written out: each step takes the token whose submatrix has the largest one."""
    item = noise(3, 4, seed)
    rows = normalize(item.tokens, dim=-1)
    weight = relevance(rows, normalize(QUESTION, dim=-1))
    kernel = weight[:, None] * (rows @ rows.T) * weight
    chosen = greedy_determinant(rows, weight, count).tolist()
    for step in range(count):
        before = chosen[:step]
        found = {
            token: float(torch.linalg.det(kernel[[*before, token]][:, [*before, token]]))
            for token in range(len(rows))
            if token not in before
        }
        if max(found.values()) < 1e-4:  # spent: what is left is rounding
            break
        assert found[chosen[step]] == pytest.approx(max(found.values()), rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 12), st.floats(0.01, 100))
@BOTH
def test_places_and_lengths_do_not_matter(name: str, seed: int, count: int, scale: float) -> None:
    """Tokens moved about are kept wherever they are; longer tokens are kept no sooner."""
    item = noise(3, 4, seed)
    query = QUESTION if name == "cdpruner" else None
    order = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    if name == "cdpruner" and count > 6:
        count = 6  # beyond the width, the kernel is spent: rounding decides what is left of it
    plain = kept(name, item, count, query)
    moved = kept(name, shuffled(item, order), count, query)
    assert sorted(order[moved].tolist()) == plain
    longer = Unit(item.index, item.span, item.tokens * scale, item.grid)
    assert kept(name, longer, count, query) == plain


@BOTH
def test_equal_tokens_are_kept_in_raster_order_and_none_twice(name: str) -> None:
    query = QUESTION.float() if name == "cdpruner" else None
    for rows in (torch.ones(9, 6), torch.zeros(9, 6)):
        assert kept(name, unit(rows, (3, 3)), 4, query) == [0, 1, 2, 3]
        assert kept(name, unit(rows, (3, 3)), 9, query) == list(range(9))
    assert kept(name, unit(torch.ones(1, 6)), 1, query) == [0]


def test_cdpruner_follows_the_question() -> None:
    """Of two groups of tokens, the one the question is about gets the last place."""
    tokens = [[1, 0, 0.1], [1, 0, -0.1], [0, 1, 0.1], [0, 1, -0.1]]
    red, blue = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 0]])
    assert kept("cdpruner", unit(tokens), 2, red) == [0, 1]
    assert kept("cdpruner", unit(tokens), 2, blue) == [2, 3]
    assert kept("cdpruner:sign=-1", unit(tokens), 2, blue) == [0, 1]


def test_cdpruner_needs_a_question() -> None:
    assert pruner("cdpruner").needs == {"query"}
    with pytest.raises(ValueError, match="no question"):
        pruner("cdpruner").keep(noise(2, 2, 0), 2)


@BOTH
def test_a_token_that_is_not_a_number_is_refused(name: str) -> None:
    with pytest.raises(VtcError, match="unit 3 are infinite or not numbers"):
        pruner(name).keep(unit([[1, NAN], [0, 1]], index=3), 1, torch.ones(1, 2))
    with pytest.raises(VtcError, match="question's embeddings"):
        pruner("cdpruner").keep(unit([[1, 0], [0, 1]]), 1, torch.tensor([[NAN, 1]]))


@pytest.mark.parametrize("spec", ["divprune:retain=0", "divprune:tokens=-1", "cdpruner:retain=2", "cdpruner:sign=0"])
def test_impossible_options_are_refused(spec: str) -> None:
    with pytest.raises(UsageError):
        choose(spec)
