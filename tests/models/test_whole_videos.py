"""Types whose rows see later frames: refused, for a reason that holds of the library's own class."""

from __future__ import annotations

import pytest
import torch

from tests.support.checkpoints import randomise
from vtc_cli.errors import MachineError
from vtc_cli.models.recognise import WHOLE, family_of


@pytest.mark.parametrize("kind", WHOLE)
def test_the_refusal_says_why(kind: str) -> None:
    with pytest.raises(MachineError, match="piece by piece") as raised:
        family_of({"model_type": kind, "vision_config": {}}, "some/checkpoint")
    assert "some/checkpoint" in str(raised.value)


def test_a_later_frame_changes_what_an_earlier_one_becomes_in_molmo2() -> None:
    from transformers import Molmo2Config, Molmo2ForConditionalGeneration

    text = {"vocab_size": 40, "additional_vocab_size": 8, "hidden_size": 32, "intermediate_size": 48}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
    rope = {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}}
    vision = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "patch_size": 4, **heads}
    adapter = {"vision_feature_layer": [0, 1], "hidden_size": 16, "intermediate_size": 24, "text_hidden_size": 32}
    config = Molmo2Config(
        text_config={**text, **heads, **rope, "num_hidden_layers": 2},
        vision_config={**vision, "head_dim": 8, "image_size": [8, 8]},
        adapter_config={**adapter, **heads, "head_dim": 8},
        image_patch_id=41,
    )
    model = Molmo2ForConditionalGeneration(config).eval()
    randomise(model, 0)
    ids = torch.tensor([[1, 41, 2, 41, 3]])  # two frames of one token, words between them
    pooling = torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7]])

    def states(second: float, told: bool = True) -> torch.Tensor:
        frames = torch.stack([torch.full((4, 48), 0.3), torch.full((4, 48), second)])
        with torch.no_grad():
            output = model.model(
                input_ids=ids,
                pixel_values_videos=frames,
                video_token_pooling=pooling,
                video_grids=torch.tensor([[2, 1, 1]]),
                mm_token_type_ids=(ids == 41).long() if told else None,
            )
        found: torch.Tensor = output.last_hidden_state[0]
        return found

    one, other = states(0.1), states(0.9)
    torch.testing.assert_close(one[0], other[0])
    assert (one[1] - other[1]).abs().max() > 1e-2
    torch.testing.assert_close(states(0.1, told=False)[1], states(0.9, told=False)[1])  # as a stream would have it
