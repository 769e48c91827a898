"""InfiniPot-V from pictures to answer on Qwen2.5-VL, against a recorded run of the authors' own pipeline.

Fourteen pairs of frames, room for six, the newest two of which stay, four kept at each compaction; then seven rows of
question and six tokens, greedily. The authors' run took its question's positions from the whole prompt's end, question
included: seven later than the rule that everything else follows, and the one thing that is set by hand here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.plugins.golden import SHARED, index
from vtc_cli import Frame, Session
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import Cursor, Geometry, Prepared, Span
from vtc_cli.models.device import Placement
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.qwen2_5_vl import Qwen25VL

FOLDER = SHARED / "infinipot_v"
CASE: dict[str, Any] = next((case for case in index("infinipot_v")["cases"] if case["name"] == "e2e_qwen2_5_vl"), {})
POLICY = "infinipot-v:alpha=0.5,recent=1/3,align=packed,score_keys=rotated,positions=original,target=2/3"
PREFIX, UNIT, TAIL = 6, 24, 7

if not CASE:
    pytest.skip("the recorded run is not here", allow_module_level=True)


class Recorded(Qwen25VL):
    """The recorded model, which is given the recorded patches in place of frames."""

    patches: Tensor
    logits: list[Tensor]

    def shrink(self, frame: Frame, geometry: Geometry) -> Frame:
        return frame

    def prepare(self, frames: Sequence[Frame], geometry: Geometry) -> Prepared:
        firsts = frames[::2]
        rows = [self.patches[round(frame.time) * 4 * UNIT :][: 4 * UNIT] for frame in firsts]
        return Prepared(tuple((frame.time, frame.time + 0.5) for frame in firsts), torch.cat(rows))

    def question(self, cursor: Cursor, text: str, choices: Mapping[str, str] | None = None) -> Span:
        return super().question(replace(cursor, next=cursor.next + TAIL), text, choices)

    def forward(self, span: Span, cache: object, **options: Any) -> Tensor:
        self.logits.append(super().forward(span, cache, **options))
        return self.logits[-1]


@pytest.fixture
def data() -> dict[str, Tensor]:
    return load_file(FOLDER / CASE["file"])


@pytest.fixture
def model(data: dict[str, Tensor]) -> Recorded:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    settings = CASE["model_config"]
    text, vision = dict(settings["text"]), dict(settings["vision"])
    rope = {"rope_type": "default", "rope_theta": text.pop("rope_theta"), "mrope_section": text.pop("mrope_section")}
    vision.pop("transformers_version")
    vision["model_type"] = "qwen2_5_vl_vision"
    tokens = {name: settings[name] for name in settings if name.endswith("_token_id")}
    ends = {"bos_token_id": None, "eos_token_id": None}
    config = Qwen2_5_VLConfig(
        text_config={**text, **ends, "rope_parameters": rope},
        vision_config=vision,
        tie_word_embeddings=False,
        **tokens,
    )
    network = Qwen2_5_VLForConditionalGeneration(config).eval().requires_grad_(False)
    network.load_state_dict(load_file(FOLDER / CASE["weights"]), strict=True)
    network.set_attn_implementation("sdpa")
    network.generation_config.eos_token_id = None
    ids = data["input_ids"][0].tolist()
    prompt: Any = SimpleNamespace(opening=lambda system: ids[:PREFIX], closing=lambda text: ids[-TAIL:])
    words: Any = SimpleNamespace(
        eos_token_id=None, convert_tokens_to_ids=lambda token: None, decode=lambda ids, **options: str(ids)
    )
    placement = Placement("cpu", "", "float32", "", "sdpa", "")
    recorded = Recorded(Checkpoint(network, words, Preprocessor(patch=4), prompt, placement, "recorded"))
    recorded.patches, recorded.logits = data["pixel_values_videos"], []
    return recorded


@pytest.mark.parametrize("chunk", [1, 7])
def test_the_same_entries_stay_and_the_same_answer_is_written(
    model: Recorded, data: dict[str, Tensor], chunk: int
) -> None:
    geometry = Geometry((32, 48), (4, 6), 4 * UNIT)
    session = Session(model, cache=POLICY, budget=6 * UNIT, geometry=geometry, chunk=chunk, evidence=False)
    rounds = 0
    frames = [Frame(time / 2, torch.zeros(3, 2, 2, dtype=torch.uint8)) for time in range(28)]
    session.watch(frames[:2])
    slab = session._context.slab
    slab_compact = slab.compact

    def compact(choose: Any) -> None:
        nonlocal rounds
        slab_compact(choose)
        for layer in range(len(slab.blocks)):
            view = slab.view(layer)
            ours = torch.cat(
                [torch.arange(PREFIX).expand(2, -1), PREFIX + view.unit.long() * UNIT + view.patch.long()], dim=1
            )
            assert torch.equal(ours, data[f"round{rounds}.cached_token_ids.{layer}"].long()), (rounds, layer)
        rounds += 1

    slab.compact = compact  # type: ignore[method-assign]
    session.watch(frames[2:])
    assert rounds == len(CASE["rounds"]) == session.meter.counts["compactions"]
    assert session._context.cursor.next == int(data["video_positions"].max()) + 1
    before = len(model.logits)
    answer = session.ask("what is recorded", max_new_tokens=6)
    assert list(answer.ids) == data["generated"].tolist()
    torch.testing.assert_close(torch.stack(model.logits[before:]), data["gen_logits"], atol=1e-4, rtol=0)
    assert (data["gen_logits"][0] - data["full_cache_first_logits"].flatten()).abs().max() > 1e-2


def test_rows_stand_where_they_stood(model: Recorded, data: dict[str, Tensor]) -> None:
    geometry = Geometry((32, 48), (4, 6), 4 * UNIT)
    frames = [Frame(time / 2, torch.zeros(3, 2, 2, dtype=torch.uint8)) for time in range(28)]
    spans = [model.open(Cursor())]
    for unit in model.encode(model.prepare(frames, geometry), geometry):
        spans.append(model.place(spans[-1].cursor, unit))
    positions = torch.cat([span.positions for span in spans], 1)
    assert torch.equal(positions, data["video_positions"])
    assert torch.equal(model.question(spans[-1].cursor, "").positions, data["question_positions"])
    model.logits.clear()
    from transformers import DynamicCache

    cache = DynamicCache()
    model.forward(Span.join(spans), cache)
    last = model.forward(model.question(spans[-1].cursor, ""), cache)
    torch.testing.assert_close(last, data["full_cache_first_logits"].flatten(), atol=1e-4, rtol=0)
