"""Received attention by segment: any lengths, any chunk, and towers that sort their patches into windows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.support.inside import attention_maps
from vtc_cli.models import received
from vtc_cli.models.received import column_means, received_attention, token_scores
from vtc_cli.models.shape import _windowed


def dense(query: Tensor, key: Tensor, lengths: list[int], scale: float) -> Tensor:
    """[patches], by whole maps in float64."""
    pairs = zip(query.double().split(lengths), key.double().split(lengths), strict=True)
    maps = [torch.einsum("qhd,khd->hqk", q, k).mul(scale).softmax(-1) for q, k in pairs]
    return torch.cat([weights.mean(dim=(0, 1)) for weights in maps])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 13), min_size=1, max_size=5), st.booleans(), st.integers(1, 400), st.integers(0, 99))
def test_column_means_equal_the_dense_ones(lengths: list[int], equal: bool, chunk: int, seed: int) -> None:
    lengths = [lengths[0]] * len(lengths) if equal else lengths
    generator = torch.Generator().manual_seed(seed)
    query, key = (3 * torch.randn(sum(lengths), 3, 8, generator=generator) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(received._CHUNK_VALUES, "cpu", chunk)
        patch.setattr(received, "_LEAST_ROWS", 1 + seed % 3)
        found = column_means(query, key, lengths, 0.4)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, dense(query, key, lengths, 0.4).float(), atol=1e-6, rtol=1e-4)
    sums = [float(part.sum()) for part in found.split(lengths)]
    assert sums == pytest.approx([1.0] * len(lengths), abs=1e-5)


def test_a_key_receives_from_its_own_segment_only() -> None:
    query, key = torch.randn(2, 12, 2, 4).unbind(0)
    other = query.clone()
    other[:5] = torch.randn(5, 2, 4)
    one, two = column_means(query, key, [5, 7], 1.0), column_means(other, key, [5, 7], 1.0)
    assert torch.equal(one[5:], two[5:])
    assert not torch.equal(one[:5], two[:5])


def test_uniform_attention_gives_equal_scores_and_a_hot_key_comes_first() -> None:
    query, key = torch.ones(16, 2, 4), torch.zeros(16, 2, 4)
    assert torch.allclose(column_means(query, key, [16], 1.0), torch.full((16,), 1 / 16))
    key[9] = 2.0
    scores = column_means(query, key, [16], 1.0)
    assert int(scores.argmax()) == 9
    assert token_scores(scores * 16, 1, 1).mean().item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_accumulated_in_float32(dtype: torch.dtype) -> None:
    """Scores of a half-precision tower are those of its rounded queries and keys, with few ties among them."""
    query, key = (torch.randn(600, 2, 16, generator=torch.Generator().manual_seed(s)).to(dtype) for s in (1, 2))
    scores = column_means(query, key, [600], 0.25)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, dense(query, key, [600], 0.25).float(), atol=1e-7, rtol=1e-4)
    assert len(scores.unique()) > 590


def test_no_chunk_is_larger_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    whole = torch.bmm

    def watched(a: Tensor, b: Tensor) -> Tensor:
        result = whole(a, b)
        sizes.append(result.numel())
        return result

    monkeypatch.setattr(torch, "bmm", watched)
    monkeypatch.setitem(received._CHUNK_VALUES, "cpu", 1000)
    monkeypatch.setattr(received, "_LEAST_ROWS", 1)
    column_means(torch.randn(90, 2, 4), torch.randn(90, 2, 4), [30, 30, 30], 1.0)
    column_means(torch.randn(90, 2, 4), torch.randn(90, 2, 4), [90], 1.0)
    assert max(sizes) <= 1000
    assert max(sizes) > 500
    sizes.clear()
    monkeypatch.setattr(received, "_LEAST_ROWS", 40)  # of a large picture: so many rows of one head, whatever the bound
    column_means(torch.randn(90, 2, 4), torch.randn(90, 2, 4), [90], 1.0)
    assert max(sizes) == 40 * 90


def window_tower(depth: int = 3) -> Any:
    from transformers import Qwen2_5_VLConfig
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": depth, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 16,
            "patch_size": 14, "window_size": 112, "fullatt_block_indexes": [1], "in_channels": 3,
            "temporal_patch_size": 2, "spatial_merge_size": 2,
        }
    ).vision_config  # fmt: skip
    torch.manual_seed(3)
    tower = Qwen2_5_VisionTransformerPretrainedModel(config).eval()
    with torch.no_grad():
        for value in tower.parameters():
            value.copy_(torch.randn(value.shape) * (0.3 if value.ndim > 1 else 1.0))
    return tower


def test_a_window_tower_is_put_back_into_raster_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pictures of 6 x 10 tokens, whose patches the tower sorts into windows of 4 x 4 tokens."""
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as library

    tower, rows, columns = window_tower(), 6, 10
    grid = torch.tensor([[1, rows * 2, columns * 2]] * 2)
    patches = torch.randn(2 * rows * columns * 4, 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(1))
    index, _ = library.get_vision_window_index(grid, spatial_merge_size=2, window_size=112, patch_size=14)
    assert index.tolist() != sorted(index.tolist())
    with (
        torch.no_grad(),
        received_attention(
            tower.blocks, (2,), units=2, merge=2, rotate=library.apply_rotary_pos_emb_vision, order=index.argsort()
        ) as found,
    ):
        tower(patches, grid_thw=grid)

    maps = attention_maps(monkeypatch, tower, tower.blocks[1].attn)
    with torch.no_grad():
        tower(patches, grid_thw=grid)
    assert [weights.shape for weights in maps] == [(1, 2, 240, 240)] * 2
    sorted_tokens = torch.cat([weights[0].mean(dim=(0, 1)).view(60, 4).mean(-1) for weights in maps])
    raster = torch.empty(120)
    raster[index] = sorted_tokens  # the window order lists raster tokens
    torch.testing.assert_close(found[2], raster.view(2, 60), atol=1e-6, rtol=1e-4)
    assert not torch.allclose(found[2].flatten(), sorted_tokens, rtol=1e-2)


def test_window_layers_are_read_from_the_configuration() -> None:
    from transformers import Qwen3VLConfig

    assert _windowed(window_tower(4).config) == (1, 3, 4)
    assert _windowed(Qwen3VLConfig().vision_config) == ()
