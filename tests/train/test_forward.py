"""Training's batched forwards are the library's model, number for number."""

import pytest
import torch

from vtc_cli.train import forward
from vtc_cli.train.architecture import build

VOCABULARY = {
    "<|endoftext|>": 0,
    "<|im_end|>": 2,
    "<|vision_start|>": 3,
    "<|vision_end|>": 4,
    "<|image_pad|>": 5,
    "<|video_pad|>": 6,
    "size": 300,
}
BLOCKS = forward.Blocks.choose(compiled=False)


@pytest.fixture(scope="module")
def model():
    return build(VOCABULARY, depth=3, hidden=128, layers=3, text_hidden=128)


@pytest.mark.parametrize("grid", [(8, 8), (6, 10), (3, 5), (1, 2)])
def test_tower(model, grid):
    tower = model.model.visual
    frames = torch.randn(3, 2, 3, grid[0] * 16, grid[1] * 16, generator=torch.Generator().manual_seed(1))
    rows = forward.patch_rows(frames, 8, 2)
    tokens, deep = forward.see(tower, rows, grid, BLOCKS)
    wanted = tower(rows.flatten(0, 1), grid_thw=torch.tensor([[1, grid[0] * 2, grid[1] * 2]] * 3))
    assert torch.allclose(tokens.flatten(0, 1), wanted.pooler_output, atol=1e-4)
    assert len(deep) == len(wanted.deepstack_features) == 2
    for ours, theirs in zip(deep, wanted.deepstack_features, strict=True):
        assert torch.allclose(ours.flatten(0, 1), theirs, atol=1e-4)


@pytest.fixture(scope="module")
def sequences():
    """Two sequences of 60 columns, 48 of them visual: embeddings, positions, mask, visual columns, DeepStack rows."""
    generator = torch.Generator().manual_seed(2)
    embeds = torch.randn(2, 60, 128, generator=generator)
    visual = torch.arange(4, 52)
    positions = torch.arange(60).expand(3, -1).clone()
    positions[1, visual] = 4 + torch.arange(48) // 8
    positions[2, visual] = 4 + torch.arange(48) % 8
    deep = [torch.randn(2, 48, 128, generator=generator) for _ in range(2)]
    mask = torch.full((60, 60), float("-inf")).triu(1)[None, None, None]
    return embeds, positions[:, None].expand(3, 2, -1), mask, visual, deep


def test_decoder(model, sequences):
    decoder = model.model.language_model
    embeds, places, mask, visual, deep = sequences
    ours, _, _ = forward.read(decoder, embeds, places, mask, visual, deep, BLOCKS)
    where = torch.zeros(2, 60, dtype=torch.bool)
    where[:, visual] = True
    theirs = decoder(
        inputs_embeds=embeds,
        position_ids=places,
        visual_pos_masks=where,
        deepstack_visual_embeds=[level.flatten(0, 1) for level in deep],
        use_cache=False,
    ).last_hidden_state
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("chunk", [7, 30, 64])
def test_what_is_remembered_is_read_on_as_if_nothing_had_been_cut(model, sequences, chunk):
    decoder = model.model.language_model
    embeds, places, mask, visual, deep = sequences
    whole, (tap,), _ = forward.read(decoder, embeds, places, mask, visual, deep, BLOCKS, (2,))
    columns, cells = 30, 26
    beginning = embeds[:, :columns], places[..., :columns], visual[:cells], [level[:, :cells] for level in deep]
    past = forward.remember(decoder, *beginning, BLOCKS, chunk)
    assert not any(part.requires_grad for layer in past for part in layer)
    rest = embeds[:, columns:], places[..., columns:], mask[..., columns:, :], visual[cells:] - columns
    ours, (tapped,), kept = forward.read(decoder, *rest, [level[:, cells:] for level in deep], BLOCKS, (2,), past)
    assert torch.allclose(ours, whole[:, columns:], atol=1e-4)
    assert torch.allclose(tapped, tap[:, columns:], atol=1e-4)
    assert {part.shape[2] for layer in kept for part in layer} == {60}
