"""The analytic counts equal torch's own counter on randomly initialised Qwen3-VL models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.report.counting import counter
from vtc_cli.models.contract import DecoderDims, TowerDims
from vtc_cli.report import flops
from vtc_cli.report.flops import Forwards

FAMILIES = {  # vision tower, layers whose output goes through a DeepStack merger, decoder
    "grouped heads": (
        TowerDims(layers=4, hidden=32, heads=4, intermediate=80, patch_inputs=96, merge=2, out_hidden=48, deep=2),
        [0, 2],
        DecoderDims(layers=3, hidden=48, heads=6, kv_heads=2, head_dim=16, intermediate=112, vocab=260),
    ),
    "wide heads": (
        TowerDims(layers=3, hidden=24, heads=2, intermediate=64, patch_inputs=384, merge=2, out_hidden=40, deep=1),
        [1],
        DecoderDims(layers=2, hidden=40, heads=4, kv_heads=4, head_dim=32, intermediate=72, vocab=300),
    ),
    "no DeepStack": (
        TowerDims(layers=2, hidden=32, heads=4, intermediate=96, patch_inputs=96, merge=2, out_hidden=32),
        [],
        DecoderDims(layers=2, hidden=32, heads=4, kv_heads=1, head_dim=8, intermediate=64, vocab=256),
    ),
}


def build(name: str) -> tuple[Any, TowerDims, DecoderDims]:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    tower, deep, decoder = FAMILIES[name]
    half = decoder.head_dim // 2
    config = Qwen3VLConfig(
        vision_config={
            "depth": tower.layers,
            "hidden_size": tower.hidden,
            "num_heads": tower.heads,
            "intermediate_size": tower.intermediate,
            "patch_size": int((tower.patch_inputs / 6) ** 0.5),
            "temporal_patch_size": 2,
            "spatial_merge_size": tower.merge,
            "out_hidden_size": tower.out_hidden,
            "deepstack_visual_indexes": deep,
            "num_position_embeddings": 64,
        },
        text_config={
            "hidden_size": decoder.hidden,
            "num_hidden_layers": decoder.layers,
            "num_attention_heads": decoder.heads,
            "num_key_value_heads": decoder.kv_heads,
            "head_dim": decoder.head_dim,
            "intermediate_size": decoder.intermediate,
            "vocab_size": decoder.vocab,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [half - 2 * (half // 3), half // 3, half // 3],
            },
        },
        image_token_id=1,
        video_token_id=2,
        vision_start_token_id=3,
        vision_end_token_id=4,
    )
    torch.manual_seed(0)
    return Qwen3VLForConditionalGeneration(config).eval(), tower, decoder


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("units", "rows", "columns"), [(1, 4, 6), (3, 6, 8)])
@torch.no_grad()
def test_tower_equals_counter(name: str, units: int, rows: int, columns: int) -> None:
    model, dims, _ = build(name)
    patches = rows * columns
    pixels = torch.randn(units * patches, dims.patch_inputs)
    with counter() as measured:
        model.model.visual(pixels, grid_thw=torch.tensor([[units, rows, columns]]))
    assert measured.get_total_flops() == flops.tower(dims, Forwards.one(patches, 0, logits=0) * units)


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_prefill_chunk_and_decode_equal_counter(name: str) -> None:
    model, _, dims = build(name)

    def forward(new: int, past: int, cache: Any) -> tuple[int, Any]:
        ids = torch.randint(5, dims.vocab, (1, new))
        positions = torch.arange(past, past + new).expand(3, 1, new)
        with counter() as measured:
            out = model(input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1)
        assert out.logits.shape == (1, 1, dims.vocab)
        return measured.get_total_flops(), out.past_key_values

    prefill, cache = forward(37, 0, None)
    assert prefill == flops.decoder(dims, Forwards.one(37, 0), "square")
    chunk, cache = forward(12, 37, cache)
    assert chunk == flops.decoder(dims, Forwards.one(12, 37), "square")
    step, cache = forward(1, 49, cache)
    assert step == flops.decoder(dims, Forwards.one(1, 49), "square")
    assert prefill + chunk + step == flops.decoder(
        dims, Forwards.total([Forwards.one(37, 0), Forwards.one(12, 37), Forwards.one(1, 49)]), "square"
    )


QWEN3_VL_8B = DecoderDims(layers=36, hidden=4096, heads=32, kv_heads=8, head_dim=128, intermediate=12288, vocab=151936)
LLAVA_7B = DecoderDims(layers=32, hidden=4096, heads=32, kv_heads=32, head_dim=128, intermediate=11008, vocab=32000)


@pytest.mark.parametrize(
    ("dims", "n", "real", "paper"), [(QWEN3_VL_8B, 65536, 2177, 1662), (LLAVA_7B, 640, 8.40, 3.33)]
)
def test_published_sizes(dims: DecoderDims, n: int, real: float, paper: float) -> None:
    """Figures computed independently for models with published widths, in TFLOP."""
    assert flops.one_shot(dims, n) / 1e12 == pytest.approx(real, rel=1e-3)
    assert flops.fastv(dims, n) / 1e12 == pytest.approx(paper, rel=1e-3)


def test_fastv_of_a_schedule_is_the_sum_of_its_parts() -> None:
    whole = flops.fastv(LLAVA_7B, 640)
    cut = flops.fastv(LLAVA_7B, 640, layers=2) + flops.fastv(LLAVA_7B, 352, layers=30)
    assert flops.fastv(LLAVA_7B, 640, layers=2) + flops.fastv(LLAVA_7B, 640, layers=30) == whole
    assert cut < whole


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_chunking_never_changes_the_causal_count(chunks: list[int]) -> None:
    past, work = 0, Forwards()
    for size in chunks:
        work = work + Forwards.one(size, past, logits=0)
        past += size
    whole = Forwards.one(past, 0, logits=0)
    assert flops.decoder(QWEN3_VL_8B, work) == flops.decoder(QWEN3_VL_8B, whole)
    assert work.pairs("square") <= whole.pairs("square")
