"""HiPrune's one budget over all units: what makes the scores of different units comparable."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from vtc_hiprune.spending import Spending

from tests.methods.made import pruner, unit

TOKENS, SHARE = 48, 12
FACTORS = [1.0, 64.0, 1 / 64, 8.0, 1 / 8, 32.0]


def busy(index: int) -> Tensor:
    """Scores of one unit, from even to peaked."""
    return torch.rand(TOKENS, generator=torch.Generator().manual_seed(index)) ** (index % 4 + 1)


def spent(units: Sequence[Tensor]) -> list[int]:
    spending = Spending()
    return [spending.take(scores, SHARE, min(TOKENS, SHARE + spending.saved)) for scores in units]


def test_the_scale_of_a_unit_does_not_matter() -> None:
    """Bright or dim all over, a unit is worth what its scores are beside their own mean."""
    plain = [busy(index) for index in range(24)]
    taken = spent(plain)
    assert len(set(taken)) > 1
    assert spent([scores * FACTORS[index % 6] for index, scores in enumerate(plain)]) == taken


def test_units_alike_but_for_their_scale_get_equal_parts() -> None:
    assert spent([busy(3) * factor for factor in FACTORS * 4]) == [SHARE] * 24


def test_a_unit_without_scores_counts_as_an_even_one() -> None:
    even, nothing = torch.full((TOKENS,), 5.0), torch.zeros(TOKENS)
    units = [busy(index) if index % 2 else even for index in range(12)]
    silent = [nothing if scores is even else scores for scores in units]
    assert spent(silent) == spent(units)


@pytest.mark.parametrize("name", ["hiprune", "hiprune++"])
def test_a_global_split_keeps_the_same_of_units_that_are_brighter_or_dimmer(name: str) -> None:
    kept = []
    for factors in ([1.0] * 6, FACTORS):
        method, query = pruner(f"{name}:retain=1/4,split=global"), torch.ones(2, 6)
        rows = torch.rand(TOKENS, 6, generator=torch.Generator().manual_seed(0))
        found = []
        for index, factor in enumerate(factors * 2):
            scores = {layer: (busy(index + layer) * factor).tolist() for layer in (2, 4)}
            item = unit(rows, (6, 8), index, scores)
            found.append(method.keep(item, method.budget(TOKENS), query).indices.tolist())
        kept.append(found)
    assert kept[0] == kept[1]
    assert len({len(indices) for indices in kept[0]}) > 1
