"""Keys turned back are the keys the decoder turned, whatever its positions look like."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.engine.decoders import MAKERS, WIDTH, make, rows, run
from tests.engine.small_lm import SmallLM
from vtc_cli.engine.slab import Slab
from vtc_cli.errors import UsageError
from vtc_cli.models.contract import VideoLM
from vtc_cli.models.rotary import Rotation, rotation_of, turn


def unrotated_keys(model: Any, embeds: Tensor) -> list[Tensor]:
    """What each layer's key projection (and its norm, where there is one) gives: [H, q, D]."""
    found: list[Tensor] = []

    def keep(module: nn.Module, _: Any, output: Tensor) -> None:
        found.append(output.reshape(1, embeds.shape[1], -1, WIDTH)[0].transpose(0, 1).clone())

    handles = [
        getattr(layer.self_attn, "k_norm", layer.self_attn.k_proj).register_forward_hook(keep) for layer in model.layers
    ]
    run(model, embeds, 7, None)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("family", MAKERS)
def test_cached_keys_are_turned_back_to_what_was_projected(family: str) -> None:
    model = make(family)
    rotation = rotation_of(model, family)
    assert rotation.axes == (3 if "qwen" in family else 1)
    slab = Slab(len(model.layers), 12)
    run(model, rows(12, 1), 7, slab)
    positions = torch.arange(7, 19)[None]
    if rotation.axes == 3:
        positions = torch.cat([positions, positions + 1, positions * 2 - 7])
    for layer, expected in zip(slab.blocks, unrotated_keys(model, rows(12, 1)), strict=True):
        raw = rotation.unrotate(layer.keys[0], positions[:, None])
        torch.testing.assert_close(raw, expected, atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(rotation.rotate(raw, positions[:, None]), layer.keys[0], atol=2e-6, rtol=1e-5)
        assert (layer.keys[0] - expected).abs().max() > 0.5


def test_a_scaled_embedding_is_undone_once_and_unrotated_columns_stay() -> None:
    keys = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    angle = torch.rand(1, 5, 3, generator=torch.Generator().manual_seed(1))
    before = keys.clone()
    turned = turn(keys, angle.cos(), angle.sin(), 1.2)
    assert torch.equal(keys, before)
    assert torch.equal(turned[..., 6:], keys[..., 6:])
    torch.testing.assert_close(turned[..., :6].norm(dim=-1), 1.2 * keys[..., :6].norm(dim=-1))
    torch.testing.assert_close(turn(turned, angle.cos(), -angle.sin(), 1 / 1.2), keys)


def test_yarn_is_undone() -> None:
    from transformers import LlamaConfig, LlamaModel

    scaled = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 64}
    shape = {"hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 8}
    model = LlamaModel(LlamaConfig(**shape, vocab_size=8, num_hidden_layers=1, rope_parameters=scaled)).eval()
    rotation = rotation_of(model, "yarn")
    assert rotation.scale > 1.1
    keys, positions = torch.randn(2, 5, 16), torch.arange(9, 14)[None, None]
    turned = rotation.rotate(keys, positions)
    cosine, sine = model.rotary_emb(keys, positions[0])
    torch.testing.assert_close(turned, keys * cosine + torch.cat([-keys[..., 8:], keys[..., :8]], -1) * sine)
    torch.testing.assert_close(rotation.unrotate(turned, positions), keys)


def test_an_embedding_that_is_not_understood_is_refused() -> None:
    model = make("smolvlm")
    theirs = model.rotary_emb.forward
    model.rotary_emb.forward = lambda rows, positions: tuple(part.flip(-1) for part in theirs(rows, positions))
    with pytest.raises(UsageError, match="not understood"):
        rotation_of(model, "another")


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_rotations_that_change_with_length_are_refused(kind: str) -> None:
    decoder = SimpleNamespace(rotary_emb=SimpleNamespace(rope_type=kind), config=SimpleNamespace())
    with pytest.raises(UsageError, match=rf"changes its rotary frequencies .*\({kind}\)"):
        rotation_of(decoder, "a model")
    with pytest.raises(UsageError, match="does not say how it rotates"):
        rotation_of(SimpleNamespace(), "a model")


def test_a_family_that_says_nothing_is_not_taken_for_one_that_does_not_rotate() -> None:
    with pytest.raises(UsageError, match="small family does not say how it rotates keys"):
        VideoLM.rotation(SmallLM())


def test_positions_differ_per_head() -> None:
    model = make("qwen3-vl")
    rotation: Rotation = rotation_of(model, "qwen3-vl")
    keys = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(3))
    positions = torch.randint(0, 500, (3, 2, 5), generator=torch.Generator().manual_seed(4))
    both = rotation.rotate(keys, positions)
    for head in range(2):
        alone = rotation.rotate(keys[head : head + 1], positions[:, head : head + 1])
        torch.testing.assert_close(both[head : head + 1], alone)
