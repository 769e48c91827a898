"""Entries numbered by slot: what a model sees is what it would see had the rows been there from the start."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from tests.engine.comparing import assert_same_memory, memory_of, said, slab_of
from tests.engine.decoders import KV_HEADS, LAYERS, make, rows, run
from tests.engine.rotary_lm import RotaryLM
from tests.engine.small_lm import SmallLM, film
from vtc_cli import CachePolicy, LayerView, ModelInfo, Session
from vtc_cli.engine.evidence import attending
from vtc_cli.engine.slab import Slab
from vtc_cli.models.rotary import rotation_of

FAMILIES = ["llava-onevision", "internvl", "smolvlm"]


def filled(family: str, capacity: int = 40, dtype: torch.dtype = torch.float32) -> tuple[object, Slab]:
    """A decoder and its slab: 4 rows pinned and 12 more, at positions that leave gaps between them."""
    model = make(family).to(dtype)
    slab = Slab(LAYERS, capacity, rotation=rotation_of(model, family))
    append(model, slab, rows(4, 1).to(dtype), 0)
    slab.pin(4)
    append(model, slab, rows(12, 2).to(dtype), 9)
    return model, slab


def append(model: object, slab: Slab, embeds: Tensor, start: int) -> Tensor:
    count = embeds.shape[1]
    none = torch.full((count,), -1, dtype=torch.int32)
    slab.expect(none, none, torch.arange(start, start + count)[None])
    return run(model, embeds, start, slab)


@pytest.mark.parametrize("family", FAMILIES)
def test_renumbering_moves_every_key_to_its_slot(family: str) -> None:
    """Against the key projections themselves, rotated to the slots by the decoder's own embedding."""
    model, slab = filled(family)
    raw = [slab.view(layer).unrotated() for layer in range(LAYERS)]  # type: ignore[misc]
    chosen = torch.tensor([[0, 3, 7, 11], [1, 2, 3, 4]])
    slab.compact([chosen] * LAYERS)
    slab.renumber()
    assert slab.numbered
    assert slab.held == slab.get_seq_length() == 8
    assert slab.seen == 16
    rotation = rotation_of(model, family)
    for layer in range(LAYERS):
        kept = raw[layer].gather(1, chosen[..., None].expand(-1, -1, raw[layer].shape[-1]))
        view = slab.view(layer)
        torch.testing.assert_close(view.unrotated(), kept, atol=2e-6, rtol=1e-5)  # type: ignore[misc]
        torch.testing.assert_close(
            view.keys, rotation.rotate(kept, torch.arange(4, 8)[None, None]), atol=2e-6, rtol=1e-5
        )


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_sees_one_contiguous_sequence(family: str, attention: str) -> None:
    """With nothing evicted, a forward over re-numbered entries equals one over the same keys at positions 0, 1, 2..."""
    model = make(family, attention)
    slab = Slab(LAYERS, 40, rotation=rotation_of(model, family))
    append(model, slab, rows(12, 1), 0)
    expected = append(model, slab, rows(5, 2), 12)
    mark = slab.snapshot()
    slab.rollback(mark)
    slab.reset()
    append(model, slab, rows(12, 1), 0)
    slab.renumber()
    before = slab.snapshot()
    for _ in range(2):
        torch.testing.assert_close(append(model, slab, rows(5, 2), slab.held), expected, atol=2e-5, rtol=1e-5)
        assert slab.held == 17
        slab.rollback(before)
    with attending(slab, attention) as attended:
        append(model, slab, rows(1, 3), slab.held)
    assert attended._seen == {id(layer) for layer in slab.blocks[LAYERS // 2 :]}
    assert not attended._failed


def test_c10_three_hundred_compactions_wear_nothing_down() -> None:
    """bfloat16: the key of an entry that is never evicted stays one rounding away from its rotation."""
    model, slab = filled("smolvlm", dtype=torch.bfloat16)
    slab.renumber()
    raw = [layer.keys[0, :, 4:7].clone() for layer in slab.blocks]
    rotation = rotation_of(model, "smolvlm")
    for turn in range(300):
        count = slab.evictable
        append(model, slab, rows(6, turn).bfloat16(), slab.held)
        generator = torch.Generator().manual_seed(turn)
        others = 3 + torch.randperm(count + 3, generator=generator)[:8].sort().values
        slab.compact([torch.cat([torch.arange(3), others]).expand(KV_HEADS, -1)] * LAYERS)
    assert slab.compactions == 300
    for layer, expected in enumerate(raw):
        assert torch.equal(slab.blocks[layer].keys[0, :, 4:7], expected)
        exact = rotation.rotate(expected, torch.arange(4, 7)[None, None])
        assert torch.equal(slab.view(layer).keys[:, :3], exact.bfloat16())


def test_slots_cost_half_a_layer_and_nothing_grows() -> None:
    model, slab = filled("internvl")
    pointers = [layer.keys.data_ptr() for layer in slab.blocks]
    allocated = slab.allocated
    slab.renumber()
    append(model, slab, rows(3, 4), slab.held)
    shown = {layer.slots for layer in slab.blocks}
    assert len(shown) == 1
    (slots,) = shown
    assert slots is not None
    assert slots._shown is not None
    assert slots._shown.nbytes == slab.blocks[0].keys.nbytes
    assert slab.allocated == allocated
    assert pointers == [layer.keys.data_ptr() for layer in slab.blocks]


def test_what_cannot_be_renumbered_is_refused() -> None:
    model = make("qwen3-vl")
    slab = Slab(LAYERS, 20, rotation=rotation_of(model, "qwen3-vl"))
    none = torch.full((4,), -1, dtype=torch.int32)
    slab.expect(none, none, torch.arange(4).expand(3, 4))
    run(model, rows(4, 1), 0, slab)
    with pytest.raises(ValueError, match="only one-dimensional"):
        slab.renumber()
    plain = Slab(LAYERS, 20)
    run(model, rows(4, 1), 0, plain)
    with pytest.raises(ValueError, match="not known"):
        plain.renumber()
    with pytest.raises(ValueError, match="must be announced"):
        run(model, rows(4, 1), 4, slab)


@dataclass
class Newest(CachePolicy):
    """A window that wants slots, and looks at unrotated keys."""

    seen: list[Tensor] = field(default_factory=list, init=False)

    def needs_on(self, model: ModelInfo) -> frozenset[str]:
        return frozenset({"slots", "unrotated"})

    def select(self, view: LayerView, keep: int) -> Tensor:
        count = view.unit.shape[1]
        if view.layer == 0 and view.unrotated is not None:
            self.seen.append(view.unrotated())
        return torch.arange(count - keep, count).expand(view.unit.shape[0], keep)


def test_c9_positions_stay_below_the_context_however_long_the_video() -> None:
    model = RotaryLM(context=150)
    session = Session(model, cache=Newest(), budget=60, max_turn=30)
    session.watch(film(25))
    assert not slab_of(session).numbered
    assert session.ask("what?", max_new_tokens=5).notes == ()
    session.watch(film(500, 25))
    slab = slab_of(session)
    assert slab.numbered
    assert model.shown < 150
    model.shown = 0
    session.watch(film(50, 525))
    answer = session.ask("what?", max_new_tokens=5)
    assert 0 < model.shown < slab.capacity < 150
    assert any("would have passed 150 positions" in note for note in answer.notes)
    assert session._context.cursor.next > 1500
    assert said(answer) == said(session.ask("what?", max_new_tokens=5))


@pytest.mark.parametrize("chunk", [2, 7])
def test_c3_chunks_change_nothing_when_entries_are_renumbered_on_the_way(chunk: int) -> None:
    sessions = []
    for size in (1, chunk):
        session = Session(RotaryLM(context=150), cache=Newest(), budget=60, max_turn=30, chunk=size)
        session.watch(film(90))
        assert slab_of(session).numbered
        sessions.append(session)
    assert_same_memory(*(memory_of(session) for session in sessions))
    assert said(sessions[0].ask("what?", max_new_tokens=9)) == said(sessions[1].ask("what?", max_new_tokens=9))


def test_other_policies_and_models_keep_the_positions_of_the_video() -> None:
    for model, policy in ((RotaryLM(context=150), "window"), (SmallLM(context=150), Newest())):
        session = Session(model, cache=policy, budget=60, max_turn=30)
        session.watch(film(90))
        assert not slab_of(session).numbered
        assert any("have passed 150" in note for note in session.ask("what?", max_new_tokens=2).notes)


def test_unrotated_keys_do_not_depend_on_where_a_unit_stands() -> None:
    """The same picture twice: its cached keys differ, its unrotated keys of the first layer do not."""
    policy = Newest()
    session = Session(RotaryLM(tag=0, grid=(1, 2)), cache=policy, budget=12)
    session.watch([film(1)[0], *film(4, 1), film(1)[0], *film(1, 9)])
    keys = policy.seen[0]
    torch.testing.assert_close(keys[:, 0:2], keys[:, 10:12])
    assert (keys[:, 0:2] - keys[:, 2:4]).abs().max() > 0.1
