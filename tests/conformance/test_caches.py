"""Every registered cache policy keeps the contract, also when heads hold different entries."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.registered import of_stage
from tests.engine.small_lm import SmallLM, film
from vtc_cli import CachePolicy, LayerView, Session

every = pytest.mark.parametrize("make", of_stage(CachePolicy))

HEADS, WIDTH, TAG, GRID = 3, 8, 2, (2, 3)
VISUAL = GRID[0] * GRID[1]
KINDS = ["random", "equal", "zero", "huge"]


def view(
    count: int, *, layer: int = 0, kind: str = "random", alike: bool = False, dtype: torch.dtype = torch.float32
) -> LayerView:
    """Entries as they stand after earlier compactions: ascending choices from a stream of units, other in each head.

    With everything that a policy may ask for.
    """
    generator = torch.Generator().manual_seed(count * 7 + layer)
    total = count + count // 2 + 4
    stream = torch.arange(total)
    chosen = torch.stack([torch.randperm(total, generator=generator)[:count].sort().values for _ in range(HEADS)])
    if alike:
        chosen = chosen[:1].expand(HEADS, -1)
    unit, patch = stream // (TAG + VISUAL), stream % (TAG + VISUAL) - TAG
    keys, values = (torch.randn(HEADS, count, WIDTH, generator=generator) for _ in range(2))
    if kind == "equal":
        keys, values = torch.ones_like(keys), torch.ones_like(values)
    elif kind == "zero":
        keys, values = torch.zeros_like(keys), torch.zeros_like(values)
    elif kind == "huge":
        keys, values = keys * 1e4, values * 1e4
    labels = unit[chosen].int(), patch[chosen].clamp(min=-1).int()
    attention = torch.rand(HEADS, count, generator=generator).softmax(-1)
    if kind in ("equal", "zero"):
        attention = torch.full_like(attention, 1 / count if kind == "equal" else 0)
    rows = keys.to(dtype)
    return LayerView(
        rows, values.to(dtype), *labels, layer, 4, attention=attention, grid=GRID, unrotated=lambda: rows.float()
    )


def check(indices: torch.Tensor, keep: int, count: int) -> None:
    assert indices.dtype == torch.int64
    assert indices.shape == (HEADS, keep)
    assert bool((indices[:, 1:] > indices[:, :-1]).all()), "ascending and unique"
    assert int(indices.min()) >= 0
    assert int(indices.max()) < count


@every
@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 90),
    st.sampled_from(KINDS),
    st.booleans(),
    st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    st.data(),
)
def test_what_stays_obeys_the_contract(
    make: Any, count: int, kind: str, alike: bool, dtype: torch.dtype, data: Any
) -> None:
    keep = data.draw(st.integers(1, count))
    policy: CachePolicy = make()
    for layer in range(4):
        check(policy.select(view(count, layer=layer, kind=kind, alike=alike, dtype=dtype), keep), keep, count)


@every
@given(st.integers(1, 90), st.data())
def test_it_wants_no_more_than_there_may_be(make: Any, count: int, data: Any) -> None:
    most = data.draw(st.integers(0, count))
    assert 0 <= make().wanted(view(count, alike=True), most) <= most


@every
def test_keeping_everything_is_the_identity(make: Any) -> None:
    assert make().select(view(40), 40).tolist() == [list(range(40))] * HEADS


@every
@pytest.mark.parametrize("kind", KINDS)
def test_it_repeats_itself(make: Any, kind: str) -> None:
    policy = make()
    first = policy.select(view(60, kind=kind), 30).clone()
    policy.select(view(50, layer=1), 20)
    assert torch.equal(first, policy.select(view(60, kind=kind), 30))
    assert torch.equal(first, make().select(view(60, kind=kind), 30))


@every
def test_it_changes_none_of_its_inputs(make: Any) -> None:
    given_view, before = view(60), view(60)
    make().select(given_view, 30)
    for name in ("keys", "values", "unit", "patch", "attention"):
        assert torch.equal(getattr(given_view, name), getattr(before, name)), name


@every
def test_time_tags_do_not_pile_up(make: Any) -> None:
    """Over a long stream, entries of units that have lost all visual rows stay below a twentieth of the budget."""
    budget = 120
    session = Session(SmallLM(grid=GRID, tag=TAG, library=True), cache=make(), budget=budget, question="what?")
    for start in range(0, 400, 50):
        session.watch(film(50, start))
        assert session.entries <= budget
        for number in range(2):
            seen = session._context.slab.view(number)
            for unit, patch in zip(seen.unit, seen.patch, strict=True):
                pictured = set(unit[patch >= 0].tolist())
                orphans = sum(int(label) not in pictured for label in unit)
                assert orphans <= max(TAG, budget // 20)
    assert session.evicted > 0
