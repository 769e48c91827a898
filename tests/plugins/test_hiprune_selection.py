"""What HiPrune promises about any scores, and the cases its specification works out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from vtc_hiprune import cosine, select, select_with_text

EDGES = ("strict", "official")
quick = settings(max_examples=60, deadline=None)


def scores(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two rankings without ties."""
    generator = torch.Generator().manual_seed(seed)
    first, deep = (torch.randperm(count, generator=generator).float() + 1 for _ in range(2))
    return first / first.sum(), deep / deep.sum()


def anchor_at(*places: int, count: int) -> Tensor:
    first = torch.linspace(0.2, 0.1, count)
    for rank, place in enumerate(places):
        first[place] = 2.0 - 0.01 * rank
    return first


grids = st.tuples(st.integers(1, 9), st.integers(1, 9))
shares = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])


@quick
@given(grids, shares, st.sampled_from(EDGES), st.integers(0, 999), st.data())
def test_exactly_the_budget_ascending_and_repeatable(grid: Any, alpha: float, edge: Any, seed: int, data: Any) -> None:
    count = grid[0] * grid[1]
    keep = data.draw(st.integers(1, count + 3))
    first, deep = scores(count, seed)
    before = first.clone(), deep.clone()
    kept = select(first, deep, grid, keep, alpha, edge)
    assert kept.dtype == torch.int64
    assert len(kept) == min(keep, count)
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert 0 <= int(kept[0]) <= int(kept[-1]) < count
    assert torch.equal(kept, select(first, deep, grid, keep, alpha, edge))
    assert torch.equal(first, before[0])
    assert torch.equal(deep, before[1])


@quick
@given(grids, shares, st.sampled_from(EDGES), st.integers(0, 999), st.data())
def test_the_scale_of_scores_does_not_matter(grid: Any, alpha: float, edge: Any, seed: int, data: Any) -> None:
    count = grid[0] * grid[1]
    keep = data.draw(st.integers(1, count))
    first, deep = scores(count, seed)
    kept = select(first, deep, grid, keep, alpha, edge)
    assert torch.equal(kept, select(first * 4096, deep / 1024, grid, keep, alpha, edge))
    assert torch.equal(kept, select(first.double().sqrt(), deep.double().exp(), grid, keep, alpha, edge))


@quick
@given(grids, st.integers(0, 999), st.data())
def test_without_anchors_it_is_the_top_of_the_deep_layer(grid: Any, seed: int, data: Any) -> None:
    count = grid[0] * grid[1]
    keep = data.draw(st.integers(1, count))
    first, deep = scores(count, seed)
    expected = sorted(deep.argsort(descending=True)[:keep].tolist())
    assert select(first, deep, grid, keep, 0.0).tolist() == expected
    if round(keep * 0.1 / 5) == 0:
        assert select(first, deep, grid, keep, 0.1).tolist() == expected


@quick
@given(grids, st.sampled_from(EDGES), st.integers(0, 999), st.data())
def test_anchors_stay_and_scores_elsewhere_do_not_matter(grid: Any, edge: Any, seed: int, data: Any) -> None:
    count = grid[0] * grid[1]
    keep = data.draw(st.integers(1, count))
    first, deep = scores(count, seed)
    kept = select(first, deep, grid, keep, 0.5, edge)
    number = round(keep * 0.5 / 5)
    anchors = first.argsort(descending=True)[:number]
    assert set(anchors.tolist()) <= set(kept.tolist())
    # Other object scores may change as long as they stay below the anchors' (half of the budget fits every cross).
    shuffled = first.flip(0) * 1e-6
    shuffled[anchors] = first[anchors]
    assert torch.equal(kept, select(shuffled, deep, grid, keep, 0.5, edge))
    huge = deep.clone()
    huge[anchors] = 100.0  # chosen once, and no one else's place
    assert torch.equal(kept, select(first, huge, grid, keep, 0.5, edge))


@quick
@given(st.integers(1, 8), shares, st.integers(0, 999), st.data())
def test_a_transposed_picture_gives_the_transposed_choice(side: int, alpha: float, seed: int, data: Any) -> None:
    keep = data.draw(st.integers(1, side * side))
    first, deep = scores(side * side, seed)
    kept = select(first, deep, (side, side), keep, alpha)
    turned = select(*(item.view(side, side).T.flatten() for item in (first, deep)), (side, side), keep, alpha)
    mask = torch.zeros(side * side, dtype=torch.bool)
    mask[turned] = True
    assert mask.view(side, side).T.flatten().nonzero()[:, 0].tolist() == kept.tolist()


@pytest.mark.parametrize(
    ("place", "official", "strict"),
    [
        (0, {1, 10}, {1, 10}), (9, {0, 8, 10, 19}, {8, 19}), (70, {60, 69, 71, 79}, {60, 71}),
        (79, {69, 78}, {69, 78}), (30, {20, 29, 31, 40}, {20, 31, 40}), (39, {29, 38, 40, 49}, {29, 38, 49}),
        (5, {0, 4, 6, 15}, {4, 6, 15}), (75, {65, 74, 76, 79}, {65, 74, 76}), (44, {34, 43, 45, 54}, {34, 43, 45, 54}),
    ],
)  # fmt: skip
def test_neighbours_at_the_border(place: int, official: set[int], strict: set[int]) -> None:
    """8 x 10, one anchor; what the cross leaves goes to the deep layer's best, here far from all crosses."""
    deep = torch.zeros(80)
    rest = [50, 51, 52, 53, 56, 57, 58, 22, 23, 24, 25, 26, 27, 12, 13, 16, 17, 18]
    deep[rest] = torch.arange(len(rest), 0, -1).float()
    for edge, around in (("official", official), ("strict", strict)):
        kept = set(select(anchor_at(place, count=80), deep, (8, 10), 20, 0.25, edge).tolist())
        assert kept == {place, *around, *rest[: 19 - len(around)]}


def test_overlapping_crosses_leave_room_for_registers() -> None:
    deep = torch.zeros(80)
    deep[[0, 1, 2, 3, 7, 8, 9, 79]] = torch.arange(8, 0, -1).float()
    kept = set(select(anchor_at(44, 45, 54, 55, count=80), deep, (8, 10), 20, 1.0).tolist())
    assert kept == {44, 45, 54, 55, 34, 35, 43, 46, 53, 56, 64, 65, 0, 1, 2, 3, 7, 8, 9, 79}


@pytest.mark.parametrize(
    ("grid", "edge", "kept"),
    [
        ((1, 16), "strict", {6, 7, 8, 12, 13}), ((1, 16), "official", {0, 6, 7, 8, 15}),
        ((16, 1), "strict", {6, 7, 8, 12, 13}), ((16, 1), "official", {6, 7, 8, 12, 13}),
    ],
)  # fmt: skip
def test_one_row_and_one_column(grid: tuple[int, int], edge: Any, kept: set[int]) -> None:
    deep = torch.zeros(16)
    deep[[12, 13]] = torch.tensor([2.0, 1.0])
    assert set(select(anchor_at(7, count=16), deep, grid, 5, 1.0, edge).tolist()) == kept


def test_one_token() -> None:
    assert select(torch.ones(1), torch.ones(1), (1, 1), 1).tolist() == [0]


def test_two_frames_in_one_list() -> None:
    """The authors' rule reaches into the next frame; ours does not."""
    first, deep = anchor_at(47, count=96), torch.zeros(96)
    assert set(select(first, deep, (6, 8), 5, 1.0, "official").tolist()) == {39, 46, 47, 48, 55}
    assert {39, 46, 47} <= set(select(first, deep, (6, 8), 5, 1.0).tolist()) <= {0, 1, 39, 46, 47}


@pytest.mark.parametrize(
    ("alpha", "keep", "anchors"),
    [
        (0.1, 192, 4), (0.1, 128, 3), (0.1, 64, 1), (0.1, 342, 7), (0.1, 228, 5), (0.1, 115, 2), (0.1, 32, 1),
        (0.1, 20, 0), (0.1, 25, 0), (0.1, 75, 2), (0.1, 125, 2), (0.5, 192, 19), (1.0, 192, 38),
    ],
)  # fmt: skip
def test_how_many_anchors(alpha: float, keep: int, anchors: int) -> None:
    """Object scores fall along every third row from its second column, so no cross touches another."""
    rows = columns = 64
    places = [row * columns + column for row in range(1, rows - 1, 3) for column in range(1, columns - 1, 3)]
    first, deep = torch.zeros(rows * columns), torch.zeros(rows * columns)
    first[places] = torch.arange(len(places), 0, -1).float()
    deep[places] = -1.0  # an anchor's place is kept for no other reason
    kept = set(select(first, deep, (rows, columns), keep, alpha).tolist())
    assert sum(place in kept for place in places) == anchors


def test_crosses_that_do_not_fit_keep_their_best_neighbours() -> None:
    """Budget 8, alpha 1, 4 x 12: two anchors and the six best of their eight neighbours."""
    first = torch.linspace(0.1, 0.2, 48)
    first[[17, 31]] = torch.tensor([3.0, 2.0])
    kept = select(first, torch.rand(48), (4, 12), 8, 1.0)
    around = sorted([5, 16, 18, 29, 19, 30, 32, 43], key=lambda place: -float(first[place]))
    assert set(kept.tolist()) == {17, 31, *around[:6]}


def test_equal_scores_go_to_the_lower_index() -> None:
    flat = torch.ones(48)
    assert select(flat, flat, (6, 8), 10, 0.0).tolist() == list(range(10))
    assert select(flat, flat, (6, 8), 10, 0.5).tolist() == [*range(9), 9]


def test_half_precision_scores_are_compared_as_they_are() -> None:
    first, deep = scores(64, 1)
    kept = select(first.bfloat16(), deep.bfloat16(), (8, 8), 20, 0.5)
    assert torch.equal(kept, select(first.bfloat16().float(), deep.bfloat16().float(), (8, 8), 20, 0.5))


def test_keeping_everything_looks_at_no_score() -> None:
    nothing = torch.full((6,), float("nan"))
    assert select(nothing, nothing, (2, 3), 6).tolist() == list(range(6))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keep": 0}, "at least 1"), ({"alpha": -0.1}, "alpha must be between"), ({"alpha": 1.1}, "alpha must be"),
        ({"alpha": float("nan")}, "alpha"), ({"edge": "wrap"}, "strict or official"), ({"grid": (2, 4)}, "do not fill"),
        ({"grid": (0, 6)}, "at least one row"), ({"deep_scores": torch.ones(5)}, "one number per token"),
        ({"object_scores": torch.tensor([1.0, float("nan"), 1, 1, 1, 1])}, "object scores are infinite or not numbers"),
        ({"deep_scores": torch.tensor([1.0, float("inf"), 1, 1, 1, 1])}, "deep scores are infinite or not numbers"),
        ({"object_scores": torch.ones(2, 3), "deep_scores": torch.ones(2, 3)}, "one number per token"),
    ],
)  # fmt: skip
def test_impossible_input_is_refused(change: dict[str, Any], message: str) -> None:
    given_values = {"object_scores": torch.ones(6), "deep_scores": torch.ones(6), "grid": (2, 3), "keep": 2, **change}
    with pytest.raises(ValueError, match=message):
        select(**given_values)


@quick
@given(grids, shares, shares, st.sampled_from([1, -1]), st.integers(0, 999), st.data())
def test_text_takes_its_part(grid: Any, alpha: float, beta: float, sign: int, seed: int, data: Any) -> None:
    count = grid[0] * grid[1]
    keep = data.draw(st.integers(1, count))
    first, deep = scores(count, seed)
    near = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    number = round(beta * keep)
    kept = set(select_with_text(first, deep, near, grid, keep, alpha, beta, "in_budget", sign).tolist())
    base = set(select(first, deep, grid, keep - number, alpha).tolist()) if keep > number else set()
    assert len(kept) == keep
    if keep < count:
        assert base <= kept
        others = sorted(set(range(count)) - base, key=lambda place: -sign * float(near[place]))
        assert kept - base == set(others[:number])
    more = select_with_text(first, deep, near, grid, keep, alpha, beta, "additive", sign)
    assert len(more) == min(count, keep + number)
    assert set(select(first, deep, grid, keep, alpha).tolist()) <= set(more.tolist())
    plain = select(first, deep, grid, keep, alpha)
    assert torch.equal(select_with_text(first, deep, near, grid, keep, alpha, 0.0), plain)
    for silent in (None, torch.zeros(count)):
        for quota in ("in_budget", "additive"):
            assert torch.equal(select_with_text(first, deep, silent, grid, keep, alpha, beta, quota), plain)


def test_text_chooses_the_best_of_the_rest_even_below_zero() -> None:
    """Excluding by subtracting one would let a chosen token with a similarity of 0.9 come before -0.2."""
    near = torch.full((10,), -0.2)
    near[:5] = 0.9
    near[7] = -0.1
    deep = torch.arange(10, 0, -1).float()
    kept = select_with_text(torch.ones(10), deep, near, (2, 5), 6, 0.0, 0.2)
    assert kept.tolist() == [0, 1, 2, 3, 4, 7]


def test_planted_tokens_are_found_and_with_the_other_sign_avoided() -> None:
    generator = torch.Generator().manual_seed(5)
    text, tokens = torch.randn(4, 32, generator=generator), torch.randn(60, 32, generator=generator)
    planted = [3, 17, 44]
    tokens[planted] += 5 * text.mean(0)
    first, deep = scores(60, 2)
    deep[planted] = 0.0
    kept = select_with_text(first, deep, cosine(tokens, text), (6, 10), 30, 0.1, 0.1)
    assert set(planted) <= set(kept.tolist())
    avoided = select_with_text(first, deep, cosine(tokens, text), (6, 10), 30, 0.1, 0.1, sign=-1)
    assert not set(planted) & set(avoided.tolist())


def test_cosine_ignores_lengths() -> None:
    tokens, text = torch.randn(9, 8), torch.randn(3, 8)
    near = cosine(tokens, text)
    torch.testing.assert_close(near, cosine(tokens * torch.rand(9, 1) * 50, text * 7), rtol=1e-4, atol=1e-6)
    assert near.abs().max() <= 1 + 1e-6
    assert cosine(tokens, text[:0]).tolist() == [0.0] * 9
    assert cosine(torch.zeros(2, 8), text).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 1.5}, "beta must be"), ({"sign": 0}, "sign must be 1 or -1"), ({"quota": "half"}, "quota must"),
        ({"similarity": torch.tensor([float("nan")] * 6)}, "similarity scores are infinite or not numbers"),
        ({"similarity": torch.ones(5)}, "one number per token"),
    ],
)  # fmt: skip
def test_impossible_text_is_refused(change: dict[str, Any], message: str) -> None:
    values = {"similarity": torch.ones(6), "grid": (2, 3), "keep": 2, **change}
    with pytest.raises(ValueError, match=message):
        select_with_text(torch.ones(6), torch.ones(6), **values)
