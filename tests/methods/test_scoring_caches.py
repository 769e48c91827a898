"""Caches that score entries, keydiff and snapkv, and how time tags share the cache with what they score."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from vtc_baselines.tags import best

from tests.methods.made import NAN, policy, view
from vtc_cli import LayerView, VtcError
from vtc_cli.errors import UsageError
from vtc_cli.methods import choose


def keys(*rows: list[float]) -> Tensor:
    """One head's keys."""
    return torch.tensor(rows, dtype=torch.float32)[None]


def looked_at(*weights: float) -> LayerView:
    """One head of visual entries that the question looks at so much."""
    return view(torch.zeros(1, len(weights), 2), attention=torch.tensor([weights]))


def test_keydiff_by_hand() -> None:
    """Unit keys (1,0) (1,0) (0,1) (1,0) have the mean (3,1)/4; cosines with it: 3/sqrt(10) thrice, 1/sqrt(10) once.

    Token 2 stands out; the others are equal, and the earlier stay. Lengths do not count.
    """
    given_view = view(keys([1, 0], [5, 0], [0, 0.1], [2, 0]))
    assert [policy("keydiff").select(given_view, keep).tolist() for keep in (1, 2, 3)] == [[[2]], [[0, 2]], [[0, 1, 2]]]


def test_keydiff_is_the_mean_of_directions_not_of_keys() -> None:
    """Directions (1,0) (1,0) (0,1): mean (2,1)/3, from which (0,1) is farthest. The long key would draw a mean of keys
    to (2,9)/3 and make (1,0) the farthest."""
    assert policy("keydiff").select(view(keys([1, 0], [1, 0], [0, 9])), 1).tolist() == [[2]]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 20), st.floats(0.01, 100))
def test_keydiff_heads_are_alone_and_lengths_and_order_do_not_count(seed: int, keep: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    some = torch.randn(3, 20, 4, generator=generator, dtype=torch.float64)
    plain = policy("keydiff").select(view(some), keep)
    assert torch.equal(policy("keydiff").select(view(some * scale), keep), plain)
    assert torch.equal(policy("keydiff").select(view(some.flip(0)), keep), plain.flip(0))
    assert torch.equal(policy("keydiff").select(view(some[1:2]), keep), plain[1:2])
    order = torch.randperm(20, generator=generator)
    moved = policy("keydiff").select(view(some[:, order]), keep)
    assert torch.equal(order[moved].sort().values, plain)


@pytest.mark.parametrize(
    ("options", "keep", "slots"),
    [
        # Means of three, zeros beyond the ends: 0 2 2 2 1 1 1 0 (thirds of the sums 0 6 6 6 3 3 3 0).
        ("kernel=3", 3, [1, 2, 3]), ("kernel=3", 4, [1, 2, 3, 4]), ("kernel=3", 7, [0, 1, 2, 3, 4, 5, 6]),
        # Largest of three: 0 6 6 6 3 3 3 0, the same order; without pooling only the two themselves, then slot 0.
        ("kernel=3,pooling=max", 4, [1, 2, 3, 4]), ("kernel=1", 2, [2, 5]), ("kernel=1", 3, [0, 2, 5]),
        # Means of five: 6 6 6 9 9 3 3 3 fifths.
        ("kernel=5", 2, [3, 4]), ("kernel=5", 3, [0, 3, 4]),
        # Largest of five: 6 6 6 6 6 3 3 3, another order than that of the means.
        ("kernel=5,pooling=max", 5, [0, 1, 2, 3, 4]), ("kernel=5,pooling=max", 2, [0, 1]),
    ],
)  # fmt: skip
def test_snapkv_by_hand(options: str, keep: int, slots: list[int]) -> None:
    assert policy(f"snapkv:{options}").select(looked_at(0, 0, 6, 0, 0, 3, 0, 0), keep).tolist() == [slots]


@given(st.integers(0, 10_000), st.integers(1, 20), st.floats(0.01, 100))
def test_snapkv_heads_are_alone_and_only_shares_count(seed: int, keep: int, scale: float) -> None:
    attention = torch.rand(3, 20, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    method, blank = policy("snapkv"), torch.zeros(3, 20, 2)
    plain = method.select(view(blank, attention=attention), keep)
    assert torch.equal(method.select(view(blank, attention=attention.flip(0)), keep), plain.flip(0))
    assert torch.equal(method.select(view(blank, attention=attention * 2.0 ** round(scale)), keep), plain)


def test_snapkv_needs_the_question() -> None:
    method = policy("snapkv:window=7")
    assert type(method).by_question()
    assert method.needs_on(None) == {"question:7"}  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no attention"):
        method.select(view(torch.zeros(1, 4, 2)), 2)


UNITS = [unit for unit in range(3) for _ in range(5)]
PATCHES = [-1, -1, 0, 1, 2] * 3  # a tag of two rows and three visual entries in each unit
BLANK = torch.zeros(1, 15, 2)


def chosen(scores: list[float], keep: int, units: list[int] = UNITS, patches: list[int] = PATCHES) -> list[int]:
    """What is kept with these scores of the visual entries, in order; tags are given a score that must not count."""
    whole = torch.full((len(patches),), 99.0)
    whole[torch.tensor(patches) >= 0] = torch.tensor(scores, dtype=torch.float32)
    held = view(torch.zeros(1, len(patches), 2), units, patches)
    return best(whole[None], held, keep)[0].tolist()


def test_tags_go_to_the_units_with_most_left() -> None:
    """6 of 15 entries are tags: of 10 kept at most 10 * 6 // 15 = 4. The six best visual entries are 2 3 4 (unit 0),
    7 8 (unit 1) and 12 (unit 2): tags for units 0 and 1."""
    assert chosen([9, 8, 7, 6, 5, 0, 4, 1, 1], 10) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 12]


def test_tags_are_never_cut() -> None:
    """Of 8 at most 8 * 6 // 15 = 3 are tags, which is one tag and a slot over: five visual entries and one more."""
    assert chosen([9, 8, 7, 6, 5, 0, 4, 1, 1], 8) == [0, 1, 2, 3, 4, 7, 8, 12]


def test_no_tag_without_pictures_unless_nothing_else_is_left() -> None:
    """Of 14 at most 5 are tags, two whole ones; all nine visual entries; the last slot takes the newest row of the tag
    that had no place, of unit 2: units 0 and 1 come first with as many entries left."""
    assert chosen([9] * 9, 14) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14]


def test_a_tag_larger_than_the_share_leaves_it_to_pictures() -> None:
    """Of 4 at most 4 * 6 // 15 = 1 is a tag, and tags have two rows."""
    assert chosen([1, 2, 3, 4, 5, 6, 7, 8, 9], 4) == [9, 12, 13, 14]


def test_only_tags() -> None:
    assert chosen([], 3, [0, 0, 1, 1, 2, 2], [-1] * 6) == [3, 4, 5]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=8), st.data())
def test_tags_whole_within_their_share_and_with_pictures(shape: list[tuple[int, int]], data: st.DataObject) -> None:
    """Units with any tags and any number of entries left, as pruners and earlier compactions leave them."""
    units = [unit for unit, (tag, visual) in enumerate(shape) for _ in range(tag + visual)]
    patches = [patch for tag, visual in shape for patch in [*[-1] * tag, *range(visual)]]
    if not units:
        return
    keep = data.draw(st.integers(1, len(units)))
    scores = data.draw(st.lists(st.integers(0, 5), min_size=len(units), max_size=len(units)))
    held = view(torch.zeros(1, len(units), 2), units, patches)
    stay = best(torch.tensor([scores]).float(), held, keep)[0].tolist()
    assert stay == sorted(set(stay))
    assert len(stay) == keep
    texts = [slot for slot in stay if patches[slot] < 0]
    visual = [slot for slot in range(len(units)) if patches[slot] >= 0]
    if len(stay) - len(texts) < len(visual):
        assert len(texts) <= keep * patches.count(-1) / len(units)
        for unit in {units[slot] for slot in texts}:
            assert sum(units[slot] == unit for slot in texts) == shape[unit][0], "whole"
            assert any(units[slot] == unit and patches[slot] >= 0 for slot in stay), "beside pictures"
    left = [slot for slot in visual if slot not in stay]
    for slot in left:  # the earlier of equals stays
        assert all((scores[slot], -slot) < (scores[other], -other) for other in stay if patches[other] >= 0)


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(VtcError, match="the keys of layer 0 are infinite or not numbers"):
        policy("keydiff").select(view(keys([1, NAN], [0, 1])), 1)
    with pytest.raises(VtcError, match="attention of the question in layer 0"):
        policy("snapkv").select(looked_at(0.5, NAN), 1)


def test_one_entry_and_equal_entries() -> None:
    for name in ("keydiff", "snapkv:kernel=1"):
        for rows in (torch.ones(2, 6, 3), torch.zeros(2, 6, 3)):
            same = replace(view(rows), attention=torch.ones(2, 6))
            assert policy(name).select(same, 3).tolist() == [[0, 1, 2]] * 2
        assert policy(name).select(looked_at(1.0), 1).tolist() == [[0]]


@pytest.mark.parametrize("options", ["window=0", "kernel=4", "kernel=0", "pooling=sum", "budget=-1", "target=2"])
def test_impossible_options_are_refused(options: str) -> None:
    with pytest.raises(UsageError):
        choose(f"snapkv:{options}")
