"""The built-in methods keep exactly what their pages say."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vtc_cli import CachePolicy, LayerView, TokenPruner, Unit
from vtc_cli.errors import UsageError
from vtc_cli.methods import choose


def pruner(spec: str) -> TokenPruner:
    method = choose(spec).method
    assert isinstance(method, TokenPruner)
    return method


def policy(spec: str) -> CachePolicy:
    method = choose(spec).method
    assert isinstance(method, CachePolicy)
    return method


def unit(rows: int, columns: int, index: int = 0) -> Unit:
    return Unit(index, (0.0, 1.0), torch.zeros(rows * columns, 4), (rows, columns))


@pytest.mark.parametrize(
    ("options", "tokens", "kept"),
    [
        ("retain=1/4", 64, 16), ("retain=1", 64, 64), ("retain=0.01", 64, 1), ("retain=2/9", 9, 2),
        ("retain=1/3", 9, 3), ("retain=1/10", 30, 3), ("retain=0.29", 100, 29), ("tokens=5", 64, 5),
        ("tokens=64", 64, 64), ("tokens=5,retain=1/2", 64, 5), ("retain=25%", 7, 2), ("retain=1/18", 64, 4),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["uniform", "random"])
def test_how_many_tokens_are_kept(name: str, options: str, tokens: int, kept: int) -> None:
    method = pruner(f"{name}:{options}")
    assert method.budget(tokens) == kept
    assert len(method.keep(unit(1, tokens), kept).indices) == kept


SIZED = ["uniform", "random", "evs", "divprune", "cdpruner", "visionzip", "hiprune", "hiprune++"]


@pytest.mark.parametrize("name", SIZED)
@pytest.mark.parametrize("share", ["1/3", "2/9", "1/9", "1/18", "0.5"])
def test_all_pruners_compared_at_a_share_keep_the_same_number(name: str, share: str) -> None:
    for tokens in (1, 7, 48, 64, 98, 180, 1024):
        assert pruner(f"{name}:retain={share}").average(tokens) == pruner(f"uniform:retain={share}").average(tokens)
        assert choose(f"fastv:retain={share}").method.entries(tokens, 4)[-1] == pruner(  # type: ignore[attr-defined]
            f"uniform:retain={share}"
        ).average(tokens)


@pytest.mark.parametrize("name", [*SIZED, "dycoke"])
def test_more_tokens_than_a_unit_has_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="tokens=65 is more than the 64 tokens of a unit"):
        pruner(f"{name}:tokens=65").budget(64)


@pytest.mark.parametrize("options", ["retain=0", "retain=1.5", "tokens=-1", "retain=-1/2"])
@pytest.mark.parametrize("name", ["uniform", "random"])
def test_impossible_shares_are_refused(name: str, options: str) -> None:
    with pytest.raises(UsageError):
        choose(f"{name}:{options}")


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_uniform_is_even_over_rows_and_columns(rows: int, columns: int, data: Any) -> None:
    """No row holds more than one token above another, and within a row no stretch without one is much too long."""
    count = data.draw(st.integers(1, rows * columns))
    kept = pruner("uniform").keep(unit(rows, columns), count).indices
    per_row = torch.bincount(kept // columns, minlength=rows)
    assert int(per_row.max()) - int(per_row.min()) <= 1
    for row in range(rows):
        places = (kept[kept // columns == row] % columns).tolist()
        if places:
            gaps = [b - a for a, b in zip([-1, *places], [*places, columns], strict=True)]
            assert max(gaps) <= 2 * -(-columns // len(places))


def test_uniform_leaves_no_stripes() -> None:
    """A quarter of 8 x 8 by every fourth token would keep two columns and nothing else."""
    kept = pruner("uniform:retain=1/4").keep(unit(8, 8), 16).indices
    assert len(set((kept % 8).tolist())) >= 6


def test_random_depends_on_seed_and_unit_only() -> None:
    def draw(seed: int, index: int) -> list[int]:
        return pruner(f"random:seed={seed}").keep(unit(8, 8, index), 16).indices.tolist()

    draws = {(seed, index): draw(seed, index) for seed in range(4) for index in range(4)}
    assert len(set(map(tuple, draws.values()))) == 16
    assert draw(2, 3) == draws[2, 3]
    one = pruner("random:seed=2")
    for index in (0, 3, 1):
        assert one.keep(unit(8, 8, index), 16).indices.tolist() == draws[2, index]


def test_random_is_unbiased_over_places() -> None:
    method, counts = pruner("random:seed=1"), torch.zeros(20)
    for index in range(2000):
        counts[method.keep(unit(4, 5, index), 5).indices] += 1
    assert float((counts / 2000 - 0.25).abs().max()) < 0.05


TAG = 2


def view_of(units: list[int], visual: int) -> LayerView:
    """Whole units of two tag rows and `visual` rows in two heads."""
    label = torch.tensor(units, dtype=torch.int32).repeat_interleave(TAG + visual)
    patch = torch.cat([torch.full((TAG,), -1), torch.arange(visual)]).int().repeat(len(units))
    return view(label.expand(2, -1), patch.expand(2, -1))


def view(label: Tensor, patch: Tensor) -> LayerView:
    rows = torch.zeros(*label.shape, 4)
    return LayerView(rows, rows, label, patch, 0, 1)


@given(st.integers(1, 60), st.data())
def test_window_keeps_the_newest(count: int, data: Any) -> None:
    keep = data.draw(st.integers(1, count))
    label = torch.randint(0, 9, (2, count)).int()
    kept = policy("window").select(view(label, label), keep)
    assert kept.tolist() == [list(range(count - keep, count))] * 2


@given(st.integers(2, 300), st.data())
def test_uniform_cache_spreads_whole_units_evenly(count: int, data: Any) -> None:
    kept_units = data.draw(st.integers(2, count))
    kept = policy("uniform-cache").select(view_of(list(range(count)), 3), kept_units * (TAG + 3))[0]
    units = sorted(set((kept // (TAG + 3)).tolist()))
    assert len(units) == kept_units  # whole ones only
    assert units[0] == 0
    gaps = [b - a for a, b in pairwise(units)]
    assert max(gaps) <= 2 * min(gaps)
    assert count - units[-1] <= 2 * max(gaps)


@settings(max_examples=50)
@given(st.integers(1, 5), st.integers(4, 40), st.integers(50, 400))
def test_uniform_cache_forgets_its_history(step: int, keep_units: int, total: int) -> None:
    """Compacting again and again keeps what one compaction over the whole video would have kept."""
    method, visual = policy("uniform-cache"), 2
    keep = keep_units * (TAG + visual) + 1  # one unit is cut
    held = view_of([], visual)
    label, patch = held.unit, held.patch
    for start in range(0, total, step):
        fresh = view_of(list(range(start, min(total, start + step))), visual)
        label, patch = torch.cat([label, fresh.unit], 1), torch.cat([patch, fresh.patch], 1)
        if label.shape[1] > keep:
            kept = method.select(view(label, patch), keep)
            label, patch = label.gather(1, kept), patch.gather(1, kept)
    whole = view_of(list(range(total)), visual)
    once = method.select(whole, min(keep, whole.unit.shape[1]))
    assert set(label[0].tolist()) == set(whole.unit[0, once[0]].tolist())


def test_uniform_cache_keeps_no_tag_without_its_pictures() -> None:
    """Of the unit that is cut, visual rows go in first."""
    for extra in range(1, 5):
        kept = policy("uniform-cache").select(view_of([0, 1, 2], 3), 5 + extra)[0]
        cut = [int(place) - 10 for place in kept if place >= 10]  # unit 2 is second in rank; 5 rows each
        assert cut == sorted([2, 3, 4, 0, 1][:extra])


def test_uniform_cache_treats_heads_on_their_own_where_they_differ() -> None:
    label = torch.tensor([[0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 3, 4]], dtype=torch.int32)
    kept = policy("uniform-cache").select(view(label, torch.zeros_like(label)), 3)
    assert kept.tolist() == [[0, 1, 4], [0, 3, 5]]
