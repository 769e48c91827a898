"""Every registered pruner keeps the contract: what it returns, that it repeats itself, that it touches nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.registered import of_stage
from tests.engine.small_lm import SmallLM
from vtc_cli import Kept, TokenPruner, Unit
from vtc_cli.engine.prune import check_kept
from vtc_cli.models.contract import Cursor

WIDTH = 24
every = pytest.mark.parametrize("make", of_stage(TokenPruner))


def unit(rows: int, columns: int, *, index: int = 0, kind: str = "random", dtype: torch.dtype = torch.float32) -> Unit:
    """A unit with everything a method may ask for. kind: random, flat (all rows equal), zero, or huge values."""
    generator, n = torch.Generator().manual_seed(index * 1000 + rows * 31 + columns), rows * columns
    tokens = torch.randn(n, WIDTH, generator=generator)
    scores = {layer: torch.rand(n, generator=generator) for layer in range(1, 65)}
    if kind == "flat":
        tokens, scores = torch.ones(n, WIDTH), {layer: torch.ones(n) for layer in scores}
    elif kind == "zero":
        tokens, scores = torch.zeros(n, WIDTH), {layer: torch.zeros(n) for layer in scores}
    elif kind == "huge":
        tokens = tokens * 1e4
    return Unit(
        index, (2.0 * index, 2.0 * index + 1), tokens.to(dtype), (rows, columns), (tokens + 1, tokens + 2), scores
    )


QUERY = torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(1))


def run(pruner: TokenPruner, item: Unit) -> Kept:
    query = QUERY.to(item.tokens.dtype) if "query" in pruner.needs else None
    return pruner.keep(item, pruner.budget(len(item.tokens)), query)


def same(one: Kept, other: Kept) -> bool:
    merged = one.tokens is None and other.tokens is None
    return torch.equal(one.indices, other.indices) and (
        merged or (one.tokens is not None and other.tokens is not None and torch.equal(one.tokens, other.tokens))
    )


@every
@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(["random", "flat", "zero", "huge"]),
    st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
)
def test_what_is_kept_obeys_the_contract(make: Any, rows: int, columns: int, kind: str, dtype: torch.dtype) -> None:
    pruner: TokenPruner = make()
    for index in range(3):
        item = unit(rows, columns, index=index, kind=kind, dtype=dtype)
        budget = pruner.budget(rows * columns)
        assert 1 <= budget <= rows * columns
        kept = run(pruner, item)
        assert check_kept(kept, item, budget) is None
        if kept.tokens is not None:
            assert torch.isfinite(kept.tokens).all()


@every
def test_the_budget_given_is_obeyed_whatever_it_is(make: Any) -> None:
    item = unit(6, 6)
    for budget in (1, 2, 7, 35, 36):
        pruner = make()
        query = QUERY if "query" in pruner.needs else None
        assert check_kept(pruner.keep(item, budget, query), item, budget) is None


@every
def test_it_repeats_itself_and_reset_forgets(make: Any) -> None:
    items = [unit(5, 6, index=index) for index in range(5)]
    one, other = make(), make()
    first = [run(one, item) for item in items]
    assert all(same(a, run(other, item)) for a, item in zip(first, items, strict=True))
    one.reset()
    assert all(same(a, run(one, item)) for a, item in zip(first, items, strict=True))


@every
def test_it_changes_none_of_its_inputs(make: Any) -> None:
    item, before = unit(5, 6), unit(5, 6)
    query = QUERY.clone()
    pruner = make()
    pruner.keep(item, pruner.budget(30), query if "query" in pruner.needs else None)
    assert torch.equal(item.tokens, before.tokens)
    assert all(torch.equal(a, b) for a, b in zip(item.deep, before.deep, strict=True))
    assert all(torch.equal(item.scores[layer], before.scores[layer]) for layer in before.scores)
    assert torch.equal(query, QUERY)
    assert (item.index, item.span, item.grid) == (before.index, before.span, before.grid)


@every
def test_deepstack_rows_are_cut_with_the_same_indices_and_positions_stay(make: Any) -> None:
    model, pruner = SmallLM(grid=(4, 5)), make()
    item = unit(4, 5)
    kept = run(pruner, item)
    whole = Unit(item.index, item.span, item.tokens[:, :8], item.grid, tuple(level[:, :8] for level in item.deep))
    merged = None if kept.tokens is None else kept.tokens[:, :8]
    span, full = model.place(Cursor(7), whole, kept.indices, merged), model.place(Cursor(7), whole)
    assert torch.equal(span.patch[span.visual].long(), kept.indices)
    for level, rows in zip(span.deep, whole.deep, strict=True):
        assert torch.equal(level, rows[kept.indices])
    assert torch.equal(span.positions[:, span.visual], full.positions[:, full.visual][:, kept.indices])
    assert span.cursor == full.cursor


@every
@pytest.mark.parametrize("kind", ["random", "flat", "zero"])
def test_the_kinds_of_rows_are_the_rows(make: Any, kind: str) -> None:
    """Every kept row is of exactly one kind, and saying so changes nothing that comes after."""
    pruner, other = make(), make()
    for index in range(3):
        item = unit(5, 6, index=index, kind=kind)
        query = QUERY if "query" in pruner.needs else None
        kept = run(pruner, item)
        kinds = pruner.kinds(item, kept, query)
        assert torch.equal(torch.cat(list(kinds.values())).sort().values, kept.indices)
        assert same(kept, run(other, item))
