"""InfiniPot-V in a session: bounded, repeatable, the same in chunks, with time tags, pruners and unrotated keys."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from vtc_infinipot_v import InfiniPotV, select
from vtc_infinipot_v.anchors import text_to_keep

from tests.engine.comparing import assert_same_memory, memory_of, said, slab_of
from tests.engine.rotary_lm import RotaryLM
from tests.engine.small_lm import SmallLM, film
from tests.models.reference import frames_of
from tests.support.checkpoints import random_pixels, random_qwen3_vl
from vtc_cli import LayerView, Session, UsageError, VideoLM, load_model
from vtc_cli.methods import choose
from vtc_cli.methods.options import Bytes

CELL, ROWS, COLUMNS = 16, 3, 4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    return load_model(str(random_qwen3_vl(tmp_path_factory.mktemp("checkpoint"))), device="cpu", dtype="float32")


def pictures(count: int, seed: int = 3) -> list[Any]:
    return frames_of(random_pixels(count, ROWS * CELL, COLUMNS * CELL, seed=seed))


def session_of(model: VideoLM, cache: str = "infinipot-v", **options: Any) -> Session:
    return Session(model, cache=cache, **({"budget": 140, "pixels": ROWS * COLUMNS * CELL**2} | options))


def entries(visual: int, tag: int, units: int, heads: int = 2, seed: int = 0) -> LayerView:
    """A whole cache of `units` units: `tag` rows of text and `visual` tokens each, the same in all heads."""
    generator = torch.Generator().manual_seed(seed)
    row = torch.arange(units * (tag + visual)).expand(heads, -1)
    keys, values = torch.randn(2, heads, row.shape[1], 8, generator=generator)
    unit, patch = row // (tag + visual), (row % (tag + visual) - tag).clamp(min=-1)
    return LayerView(keys, values, unit.int(), patch.int(), 0, 1)


@settings(max_examples=40, deadline=None)
@given(
    units=st.integers(2, 12),
    alpha=st.floats(0.4, 1),
    seed=st.integers(0, 20),
    align=st.sampled_from(["patch", "packed"]),
)
def test_without_text_the_policy_is_the_pure_function(units: int, alpha: float, seed: int, align: Any) -> None:
    view = entries(6, 0, units, seed=seed)
    keep = units * 6 * 3 // 4
    if keep - round((1 - alpha) * keep) < max(1, int(units * 0.125)) * 6:
        return  # refused by the function, made to fit by the policy
    expected = select(view.keys, view.values, view.unit, view.patch, keep, unit_tokens=6, alpha=alpha, align=align)
    assert torch.equal(InfiniPotV(alpha=alpha, align=align).select(view, keep), expected)


def test_s7_alpha_0_protects_nothing_and_needs_no_unrotated_keys(model: VideoLM) -> None:
    view = entries(6, 0, 8)
    kept = InfiniPotV(alpha=0.0).select(view, 20)
    assert torch.equal(kept, view.values.norm(dim=-1).topk(20).indices.sort().values)
    assert InfiniPotV(alpha=0.0).needs_on(model.info) == {"slots"}
    assert InfiniPotV(score_keys="rotated", positions="original").needs_on(model.info) == frozenset()


@pytest.mark.parametrize("keep", [1, 3, 5, 6, 7, 11])
def test_s8_s18_a_budget_too_small_for_the_shares_keeps_the_newest_first_and_says_so(keep: int) -> None:
    """Nothing crashes: the newest unit has all places, or its longest values have."""
    view = entries(6, 0, 2)
    kept = InfiniPotV().select(view, keep)
    newest = (kept >= 6).sum(1).tolist()
    assert newest == [min(keep, 6)] * 2
    assert "holds no whole unit of 6" in InfiniPotV().caveats(keep, 6)[0]
    assert InfiniPotV().caveats(100, 6) == ()


def test_the_caveat_is_told_with_the_answer() -> None:
    session = Session(SmallLM(grid=(2, 3)), cache="infinipot-v", budget=12)
    session.watch(film(9))
    assert session.entries == 5 + 7
    assert any("too small for alpha=0.5" in note for note in session.ask("what?", max_new_tokens=2).notes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("alpha=1.2", "alpha must be from 0 to 1"),
        ("alpha=-1", "alpha must be from 0 to 1"),
        ("alpha=abc", "not a number"),
        ("alpha=0.1", "raise alpha to 0.167 or lower recent to 0.075"),
        ("recent=0", "recent must be above 0"),
        ("recent=3/2", "recent must be above 0"),
        ("recent=0.5", "raise alpha"),
        ("target=0", "target must be above 0"),
        ("target=1.5", "target must be above 0"),
        ("budget=-1", "budget must be 0"),
        ("memory=-1", "memory must be 0"),
        ("memory=lots", "bytes"),
        ("budget=100,memory=1MB", "give one"),
        ("pooling=mean", "off or grid or official"),
        ("align=paked", "did you mean packed"),
        ("score_keys=raw", "unrotated or rotated"),
        ("positions=slots", "auto or original"),
        ("recnt=0.2", "did you mean `recent`"),
    ],
)
def test_bad_options_are_usage_errors_before_any_model(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(f"infinipot-v:{text}")
    assert reason in f"{caught.value} {caught.value.hint}"
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", ["memory=1152B", "memory=1152", "budget=1152B", "budget=9"])
def test_the_budget_in_entries_or_bytes(spec: str) -> None:
    session = Session(SmallLM(), cache=f"infinipot-v:{spec}")
    session.watch(film(1))
    assert session.allowance is not None
    assert session.allowance.entries == 1152 // SmallLM().info.kv_bytes_per_token == 9
    with pytest.raises(UsageError, match="two cache budgets"):
        Session(SmallLM(), cache=f"infinipot-v:{spec}", budget=Bytes(1151))


def test_a_budget_below_one_unit_is_refused() -> None:
    session = Session(SmallLM(grid=(4, 4)), cache="infinipot-v:budget=16")
    with pytest.raises(UsageError, match="smaller than one unit of 17 entries"):
        session.watch(film(1))


def test_c5_c8_a_long_video_in_bounded_memory_with_its_prefix_untouched() -> None:
    session = Session(SmallLM(grid=(2, 3)), cache="infinipot-v", budget=70, chunk=8)
    session.watch(film(1))
    slab = slab_of(session)
    pinned = slab.pinned
    prefix = [(block.keys[:, :, :pinned].clone(), block.values[:, :, :pinned].clone()) for block in slab.blocks]
    pointers = [block.keys.data_ptr() for block in slab.blocks]
    session.watch(film(400, 1))
    assert session.meter.peaks["kv_budgeted_entries"] <= 70
    assert session.meter.counts["compactions"] >= 130
    assert pointers == [block.keys.data_ptr() for block in slab.blocks]
    for block, (keys, values) in zip(slab.blocks, prefix, strict=True):
        assert torch.equal(block.keys[:, :, :pinned], keys)
        assert torch.equal(block.values[:, :, :pinned], values)


@pytest.mark.parametrize("make", [lambda: SmallLM(grid=(2, 3)), lambda: RotaryLM(grid=(2, 3), context=200)])
@pytest.mark.parametrize("chunk", [2, 7, 40])
def test_c3_c4_chunks_change_nothing_even_ones_larger_than_the_budget(make: Any, chunk: int) -> None:
    sessions = [Session(make(), cache="infinipot-v", budget=70, chunk=size, max_turn=60) for size in (1, chunk)]
    for session in sessions:
        session.watch(film(41))
    assert sessions[0].evicted == sessions[1].evicted > 0
    assert sessions[1].meter.peaks["kv_entries"] <= slab_of(sessions[1]).pinned + 70
    assert_same_memory(*(memory_of(session) for session in sessions))


@pytest.mark.parametrize("pruner", [None, "uniform:retain=1/2", "random:retain=50%,seed=4"])
@pytest.mark.parametrize("options", ["", ":pooling=grid", ":align=packed,score_keys=rotated", ":pooling=grid,alpha=0"])
def test_c3_on_a_real_model_with_pruners(model: VideoLM, pruner: str | None, options: str) -> None:
    sessions = [session_of(model, f"infinipot-v{options}", pruner=pruner, chunk=chunk) for chunk in (1, 5)]
    for session in sessions:
        session.watch(pictures(41))
    assert sessions[0].evicted == sessions[1].evicted > 0
    for mine, theirs in zip(slab_of(sessions[0]).blocks, slab_of(sessions[1]).blocks, strict=True):
        assert torch.equal(mine.unit[:, : mine.held], theirs.unit[:, : mine.held])
        assert torch.equal(mine.patch[:, : mine.held], theirs.patch[:, : mine.held])
    answer = sessions[0].ask("what moves?", max_new_tokens=4)
    assert answer.ids == sessions[0].ask("what moves?", max_new_tokens=4).ids
    assert answer.evidence is not None


def test_c6_asking_leaves_no_trace() -> None:
    asked, other = (
        Session(RotaryLM(grid=(2, 3), context=300), cache="infinipot-v", budget=70, max_turn=60) for _ in range(2)
    )
    asked.watch(film(20))
    first = asked.ask("what?", max_new_tokens=8)
    asked.ask("and this?", max_new_tokens=8)
    assert said(first) == said(asked.ask("what?", max_new_tokens=8))
    asked.watch(film(60, 20))
    other.watch(film(80))
    assert slab_of(asked).numbered
    assert_same_memory(memory_of(asked), memory_of(other))


def test_c17_a_video_that_ends_at_the_budget_is_not_cut() -> None:
    session = Session(SmallLM(grid=(2, 3)), cache="infinipot-v", budget=70)
    session.watch(film(10))
    assert (session.entries, session.evicted) == (70, 0)
    session.watch(film(1, 10))
    assert session.meter.counts["compactions"] == 1
    assert session.entries == int(0.75 * 70) + 7


def test_the_newest_units_are_whole_in_every_head_and_layer(model: VideoLM) -> None:
    session = session_of(model)
    session.watch(pictures(41))
    slab, newest = slab_of(session), session.units - 1
    for layer in range(len(slab.blocks)):
        view = slab.view(layer)
        for unit, patch in zip(view.unit, view.patch, strict=True):
            assert patch[(unit == newest) & (patch >= 0)].tolist() == list(range(ROWS * COLUMNS))
    heads = slab.view(0)
    assert not torch.equal(heads.patch[0], heads.patch[1])


def test_c13_time_tags_stay_for_the_newest_units_and_at_a_stride(model: VideoLM) -> None:
    """The same tags in all heads and layers, whole ones only, a twentieth of the cache for the old ones."""
    session = session_of(model, budget=800)
    session.watch(pictures(400))
    slab = slab_of(session)
    tags: list[Tensor] = []
    for layer in range(len(slab.blocks)):
        view = slab.view(layer)
        assert view.grid == (ROWS, COLUMNS)
        tags += [
            torch.stack([unit[patch < 0], patch[patch < 0]]) for unit, patch in zip(view.unit, view.patch, strict=True)
        ]
    assert all(torch.equal(tags[0], other) for other in tags)
    length = torch.bincount(tags[0][0].long())
    held = length.nonzero()[:, 0].tolist()
    recent = [unit for unit in held if unit > session.units - 20]
    old = [unit for unit in held if unit not in recent]
    assert len(old) >= 2
    assert sum(int(length[unit]) for unit in old) <= 0.05 * 800
    stride = old[1] - old[0]
    assert stride >= 2
    assert [unit for unit in old if unit % stride] == []
    unit = session._vision.encode(session._vision.prepare(pictures(2)), session.units)[0]
    whole = len(session.model.place(session._context.cursor, unit))
    assert all(whole - ROWS * COLUMNS <= int(length[unit]) <= whole - ROWS * COLUMNS + 3 for unit in held)


def test_anchors_are_nested_and_within_their_share() -> None:
    unit = torch.arange(64).repeat_interleave(3)[None]
    patch = torch.full_like(unit, -1)
    kept = text_to_keep(unit, patch, newest=60, keep=400)
    assert unit[kept].unique().tolist() == [0, 16, 32, 48, 60, 61, 62, 63]
    more = text_to_keep(unit, patch, newest=60, keep=10_000)
    assert bool(more.all())
    fewer = text_to_keep(unit, patch, newest=60, keep=100)
    assert unit[fewer].unique().tolist() == [0, 60, 61, 62, 63]
    assert not bool((fewer & ~kept).any())
    none = text_to_keep(unit, patch, newest=60, keep=50)
    assert unit[none].unique().tolist() == [60, 61, 62, 63]


def test_text_never_competes_with_pictures() -> None:
    """Whatever the scale of its values, only tags of the newest units and anchors stay."""
    view = entries(6, 2, 10)
    view.values[:, :, :][view.patch < 0] *= 1e4
    kept = InfiniPotV().select(view, 60)
    unit, text = view.unit.gather(1, kept), view.patch.gather(1, kept) < 0
    assert unit[text].unique().tolist() == [0, 9]
    quiet = entries(6, 2, 10)
    assert torch.equal(InfiniPotV().select(quiet, 60), kept)


def test_unrotated_and_rotated_scores_differ_and_unrotated_ones_find_what_repeats() -> None:
    """A still video on a model that rotates fast: without rotation every token repeats the newest unit."""
    still = [film(1)[0]] * 12
    for kind, tied in (("unrotated", True), ("rotated", False)):
        session = Session(RotaryLM(grid=(2, 3), tag=0), cache=f"infinipot-v:score_keys={kind}", budget=72)
        session.watch(still)
        view = slab_of(session).view(0)
        raw = view.unrotated() if kind == "unrotated" and view.unrotated else view.keys
        same = (raw[:, :6] - raw[:, 6:12]).abs().max()
        assert (float(same) < 1e-5) == tied
        session.watch(film(1, 40))
        assert session.evicted > 0


def test_pruned_units_of_changing_places_keep_their_shares(model: VideoLM) -> None:
    session = session_of(model, pruner="random:retain=1/3", budget=100)
    session.watch(pictures(41))
    view = slab_of(session).view(1)
    newest = session.units - 1
    assert int(((view.unit[0] == newest) & (view.patch[0] >= 0)).sum()) == ROWS * COLUMNS // 3
    assert session.meter.peaks["kv_budgeted_entries"] <= 100


def test_official_pooling_of_pruned_units_is_refused_with_the_reason(model: VideoLM) -> None:
    for beside in ({"pruner": "uniform:retain=1/2"}, {"layers": "fastv:layer=1"}):
        with pytest.raises(UsageError, match=r"needs units with all their rows, as it is set, and (Uniform|FastV)"):
            session_of(model, "infinipot-v:pooling=official,align=packed", **beside)
    whole = session_of(model, "infinipot-v:pooling=official,align=packed")
    whole.watch(pictures(60))
    assert whole.evicted > 0


def test_scores_that_are_not_numbers_stop_the_run() -> None:
    view = entries(6, 0, 8)
    view.values[0, 3, 1] = float("nan")
    with pytest.raises(ValueError, match="value norms are infinite or not numbers"):
        InfiniPotV().select(view, 24)
