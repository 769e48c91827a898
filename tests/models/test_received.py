"""Received attention against the weights of the library's own eager attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.reference import encode, frames_of, naive_patches
from tests.support.checkpoints import random_pixels
from vtc_cli.errors import UsageError
from vtc_cli.models import received
from vtc_cli.models.qwen3_vl import Qwen3VL


def eager_weights(
    folder: Path, images: torch.Tensor, units: int, monkeypatch: pytest.MonkeyPatch
) -> dict[int, list[torch.Tensor]]:
    """1-based layer -> attention [heads, patches, patches] of each unit, recorded inside the library's tower."""
    from transformers import Qwen3VLForConditionalGeneration
    from transformers.models.qwen3_vl import modeling_qwen3_vl as library

    tower: Any = Qwen3VLForConditionalGeneration.from_pretrained(folder, attn_implementation="eager").model.visual
    layer_of = {id(block.attn): index for index, block in enumerate(tower.blocks, 1)}
    seen: dict[int, list[torch.Tensor]] = {}
    eager = library.eager_attention_forward

    def record(module: Any, *args: Any, **kwargs: Any) -> Any:
        output, weights = eager(module, *args, **kwargs)
        seen.setdefault(layer_of[id(module)], []).append(weights[0])
        return output, weights

    monkeypatch.setattr(library, "eager_attention_forward", record)
    with torch.no_grad():
        tower(naive_patches(images, 8, 2), grid_thw=torch.tensor([[units, 6, 8]]))
    return seen


@pytest.mark.parametrize("chunk", [1, 5_000, 10**9])
def test_scores_equal_the_full_attention_maps(
    model: Qwen3VL, folder: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(received._CHUNK_VALUES, "cpu", chunk)
    monkeypatch.setattr(received, "_LEAST_ROWS", 1)
    images = random_pixels(6, 48, 64)
    geometry = model.geometry((64, 48), 64 * 48)
    units = encode(model, frames_of(images), geometry, capture=(4, 2))
    maps = eager_weights(folder, images, 3, monkeypatch)
    for unit in units:
        assert sorted(unit.scores) == [2, 4]
        for layer, score in unit.scores.items():
            patches = maps[layer][unit.index].mean(dim=(0, 1))  # over heads and queries
            blocks = patches.view(12, 4).mean(-1)  # the four patches of a token are neighbours
            assert score.dtype == torch.float32
            torch.testing.assert_close(score, blocks, atol=1e-6, rtol=1e-4)
            assert float(score.sum()) == pytest.approx(1 / 4, abs=1e-5)
        assert unit.scores[2].max() > 1.2 * unit.scores[2].min()  # not uniform: the comparison says something


def test_capturing_changes_nothing_and_leaves_nothing_behind(model: Qwen3VL) -> None:
    frames = frames_of(random_pixels(4, 48, 64))
    geometry = model.geometry((64, 48), 64 * 48)
    plain = encode(model, frames, geometry)
    captured = encode(model, frames, geometry, capture=(1,))
    assert plain[0].scores == {}
    for a, b in zip(plain, captured, strict=True):
        assert torch.equal(a.tokens, b.tokens)
    for block in model.model.model.visual.blocks:
        assert not block.attn._forward_pre_hooks
        assert not block.attn.qkv._forward_hooks


def test_the_tower_stays_on_its_fast_kernel(model: Qwen3VL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer, the captured ones too, still calls SDPA once per unit, and no eager attention runs."""
    from transformers.models.qwen3_vl import modeling_qwen3_vl as library

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("eager attention was used")

    calls: list[Any] = []
    sdpa = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(library, "eager_attention_forward", refuse)
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *a, **k: (calls.append(a), sdpa(*a, **k))[1]
    )
    encode(model, frames_of(random_pixels(6, 48, 64)), model.geometry((64, 48), 64 * 48), capture=(2, 4))
    assert len(calls) == 4 * 3


def test_hooks_are_removed_when_the_tower_fails(model: Qwen3VL, monkeypatch: pytest.MonkeyPatch) -> None:
    tower = model.model.model.visual
    with pytest.raises(RuntimeError):  # noqa: SIM117
        with received.received_attention(tower.blocks, (1,), units=1, merge=2, rotate=lambda q, k, cos, sin: (q, k)):
            raise RuntimeError("out of memory")
    assert not tower.blocks[0].attn._forward_pre_hooks
    assert not tower.blocks[0].attn.qkv._forward_hooks


@pytest.mark.parametrize("layer", [0, 5])
def test_a_layer_that_does_not_exist_is_refused(model: Qwen3VL, layer: int) -> None:
    with pytest.raises(UsageError, match=rf"vision layer {layer} does not exist; .* has layers 1 to 4"):
        encode(model, frames_of(random_pixels(2, 48, 64)), model.geometry((64, 48), 64 * 48), capture=(layer,))
