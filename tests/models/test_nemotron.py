"""Nemotron Omni against its own class and processor: pictures, words, logits, states, what is taken back."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.modeling_outputs import BaseModelOutputWithPooling

from tests.models.reference import encode, frames_of
from tests.report.counting import counter
from tests.support.checkpoints import random_pixels
from tests.support.nemotron_checkpoints import random_nemotron_h_omni
from tests.support.torchvision_shim import declare_operators, torchvision_or_skip
from vtc_cli import MachineError, UsageError, load_model
from vtc_cli.engine.recurrent import RecurrentLayer
from vtc_cli.engine.slab import Slab
from vtc_cli.models.catalog import facts_of
from vtc_cli.models.contract import Cursor, Span, Unit
from vtc_cli.models.device import Placement
from vtc_cli.models.nemotron_h_omni import NemotronHOmni
from vtc_cli.models.sketch import sketch
from vtc_cli.models.tubelets import Tubelets
from vtc_cli.report import flops
from vtc_cli.report.flops import Forwards

declare_operators()
QUESTION = "Which colour does the moving square have?"
GAP = 0.5
HEIGHT, WIDTH = 32, 48


class Loaded:
    """A checkpoint as our adapter, and as the library's class."""

    def __init__(self, folder: Path):
        from transformers import NemotronH_Omni_Reasoning_V3

        self.folder = folder
        model = load_model(str(folder), device="cpu", dtype="float32")
        assert isinstance(model, NemotronHOmni)
        self.model = model
        self.reference = NemotronH_Omni_Reasoning_V3.from_pretrained(folder).eval()

    def watch(self, images: Tensor, capture: tuple[int, ...] = ()) -> list[Unit]:
        geometry = self.model.geometry((images.shape[-1], images.shape[-2]))
        return encode(self.model, frames_of(images, GAP), geometry, capture=capture)

    def spans(self, units: list[Unit], keep: Tensor | None = None) -> list[Span]:
        spans = [self.model.open(Cursor())]
        for unit in units:
            spans.append(self.model.place(spans[-1].cursor, unit, keep))
        return [*spans, self.model.question(spans[-1].cursor, QUESTION)]

    def ids(self, frames: int, tokens: int) -> Tensor:
        """The whole prompt, written out from the chat template and tokenised as one string."""
        user = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
        tokenizer = self.model.tokenizer
        text = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True, enable_thinking=False)
        lines = []
        for first in range(0, frames, 2):
            words = f"Frame {first + 1} sampled at {first * GAP:.2f} seconds"
            if first + 1 < frames:
                words += f" and frame {first + 2} sampled at {(first + 1) * GAP:.2f} seconds"
            lines.append(f"{words}: <img>{'<image>' * tokens}</img>")
        written = text.replace("<video>", "\n".join(lines))
        return torch.tensor(tokenizer(written, add_special_tokens=False)["input_ids"])

    @torch.no_grad()
    def expected(self, images: Tensor, ids: Tensor) -> Tensor:
        """[n, vocab]: logits of the library's single forward. Its own way to videos does not run, so it is given what
        its `get_video_features` makes of the frames, which repeats a last one itself."""
        prepared = self.model.prepare(frames_of(images), self.model.geometry((WIDTH, HEIGHT))).patches
        frames = prepared.unflatten(1, (2, 3)).flatten(0, 1)[: len(images)]
        seen = self.reference.get_video_features(frames).pooler_output
        logits: Tensor = self.reference(
            input_ids=ids[None],
            attention_mask=torch.ones_like(ids[None]),
            mm_encoder_outputs={"video": BaseModelOutputWithPooling(pooler_output=tuple(seen))},
        ).logits[0]
        return logits

    def slab(self, spans: list[Span]) -> Slab:
        dims = self.model.info.decoder
        slab = Slab(dims.layers, 400, recurrent=dims.recurrent)
        for number, span in enumerate(spans):
            slab.expect(span.unit, span.patch, span.positions)
            self.model.forward(span, slab)
            if not number:
                slab.pin(len(span))
        return slab


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return Loaded(random_nemotron_h_omni(tmp_path_factory.mktemp("nemotron") / "model"))


def test_its_record_says_what_was_loaded(family: Loaded) -> None:
    info = family.model.info
    assert (info.family, info.frames_per_unit) == ("nemotron-h-omni", 2)
    assert info.parameters == sum(value.numel() for value in family.reference.parameters())
    assert (info.decoder.layers, info.decoder.cached, info.decoder.recurrent) == (6, 2, (0, 1, 3, 4))
    assert facts_of(family.folder).kv_bytes_per_token("float32") == info.kv_bytes_per_token == 2 * 2 * 2 * 16 * 4
    slab = family.slab(family.spans(family.watch(random_pixels(6, HEIGHT, WIDTH))))
    assert slab.nbytes == slab.held * info.kv_bytes_per_token
    assert [isinstance(layer, RecurrentLayer) for layer in slab.layers] == [True, True, False, True, True, False]
    states = [state.recurrent_states[0] for state in slab.states]
    assert info.decoder.state_bytes == sum(state.nbytes for state in states if state is not None) > 0


@pytest.mark.parametrize("cache", ["library", "slab"])
@pytest.mark.parametrize("frames", [8, 9])
def test_no_method_run_equals_the_librarys_one_shot_forward(family: Loaded, frames: int, cache: str) -> None:
    images, model = random_pixels(frames, HEIGHT, WIDTH, seed=3), family.model
    units = family.watch(images)
    spans, ids = family.spans(units), family.ids(frames, 6)
    assert torch.cat([span.ids for span in spans]).tolist() == ids.tolist()
    expected = family.expected(images, ids)[-1]
    assert expected.std() > 0.5
    first, *middle, last = spans
    for size in (1, 2, 7):
        groups = [[first], *[middle[i : i + size] for i in range(0, len(middle), size)], [last]]
        joined = [Span.join(group) for group in groups]
        if cache == "slab":
            slab = family.slab(joined[:-1])
            slab.expect(last.unit, last.patch, last.positions)
            logits = model.forward(last, slab)
        else:
            own = DynamicCache(config=model.model.config.text_config)
            for span in joined:
                logits = model.forward(span, own)
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_decoding_continues_as_the_library_does_and_is_taken_back(family: Loaded) -> None:
    model, images = family.model, random_pixels(4, HEIGHT, WIDTH, seed=5)
    *before, question = family.spans(family.watch(images))
    slab = family.slab(before)
    mark, answers = slab.snapshot(), []
    for _ in range(2):
        logits, cursor, chosen = model.forward(question, slab), question.cursor, []
        for _ in range(5):
            chosen.append(int(logits.argmax()))
            step = model.continuation(cursor, chosen[-1:])
            logits, cursor = model.forward(step, slab), step.cursor
        answers.append((chosen, logits))
        assert slab.snapshot() != mark
        slab.rollback(mark)
        assert slab.snapshot() == mark
    assert answers[0][0] == answers[1][0]
    assert torch.equal(answers[0][1], answers[1][1])
    ids = torch.cat([*[span.ids for span in (*before, question)], torch.tensor(answers[0][0])])
    expected = family.expected(images, ids)
    assert expected[-6:-1].argmax(-1).tolist() == answers[0][0]
    torch.testing.assert_close(answers[0][1], expected[-1], atol=1e-4, rtol=0)


def test_evicted_entries_equal_masked_ones(family: Loaded) -> None:
    """Other entries in each layer; the states have seen everything in both runs."""
    model = family.model
    *before, question = family.spans(family.watch(random_pixels(8, HEIGHT, WIDTH, seed=3)))
    slab = family.slab(before)
    held, pinned, rows = slab.held, slab.pinned, len(question)
    generator = torch.Generator().manual_seed(1)
    kept = [
        torch.stack([torch.randperm(held - pinned, generator=generator)[:12].sort().values for _ in range(2)])
        for _ in slab.blocks
    ]
    slab.compact(kept)
    slab.expect(question.unit, question.patch, question.positions)
    ours = model.forward(question, slab)

    def masked(number: int) -> Any:
        mask = torch.zeros(1, 4, rows, held + rows)
        mask[..., held:] = torch.full((rows, rows), float("-inf")).triu(1)
        for head in range(4):
            gone = torch.ones(held, dtype=torch.bool)
            gone[:pinned] = False
            gone[kept[number][head // 2] + pinned] = False
            mask[0, head, :, :held][:, gone] = float("-inf")
        return lambda module, args, kwargs: (args, {**kwargs, "attention_mask": mask})

    whole = DynamicCache(config=model.model.config.text_config)
    model.forward(Span.join(before), whole)
    layers = model._decoder.layers
    handles = [
        layers[place].register_forward_pre_hook(masked(number), with_kwargs=True) for number, place in enumerate((2, 5))
    ]
    theirs = model.forward(question, whole)
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    assert (model.forward(question, family.slab(before)) - theirs).abs().max() > 1e-2


def test_units_do_not_depend_on_how_many_are_encoded_together(family: Loaded) -> None:
    images = random_pixels(6, HEIGHT, WIDTH)
    for number, unit in enumerate(family.watch(images)):
        alone = family.watch(images[2 * number : 2 * number + 2])[0]
        torch.testing.assert_close(unit.tokens, alone.tokens, atol=1e-5, rtol=0)


def test_captured_attention_is_the_towers_own(family: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    tower, layer, maps = family.model.model.vision_model, 2, []
    images = random_pixels(4, HEIGHT, WIDTH, seed=2)
    units, library = family.watch(images, capture=(layer,)), sys.modules[type(tower).__module__]
    eager: Any = library.eager_attention_forward  # type: ignore[attr-defined]

    def record(module: Any, *args: Any, **given: Any) -> Any:
        output, weights = eager(module, *args, **given)
        if module is tower.encoder.layer[layer - 1].attention:
            maps.append(weights)
        return output, weights

    monkeypatch.setattr(library, "eager_attention_forward", record)
    monkeypatch.setattr(tower.config, "_attn_implementation", "eager")
    family.watch(images)
    received = maps[0].mean((1, 2))[:, 5:]  # two rows of the class and three registers come first
    expected = received.view(2, 2, 2, 3, 2).mean((2, 4)).flatten(1)
    for unit, theirs in zip(units, expected, strict=True):
        torch.testing.assert_close(unit.scores[layer], theirs, atol=1e-6, rtol=1e-4)


def test_a_plan_counts_the_rows_that_come(family: Loaded) -> None:
    units = family.watch(random_pixels(4, HEIGHT, WIDTH))
    drawn = sketch(family.folder, Placement("cpu", "", "float32", ""), "x", family.model.info.parameters)
    assert drawn.info.decoder == family.model.info.decoder
    assert drawn.geometry((1280, 720)) == family.model.geometry((1280, 720))
    first, _, second, last = family.spans(units)
    assert (drawn.prefix(), drawn.question(QUESTION)) == (len(first), len(last))
    assert drawn.around_unit(*units[1].span) + len(units[1].tokens) == len(second)


def test_counted_compute_follows_the_weights(family: Loaded) -> None:
    """The counter sees neither experts nor the recurrence, so blocks are counted against their weights."""
    dims, layers = family.model.info.decoder, family.model._decoder.layers
    products = 0
    for layer in layers:
        kind, mixer = layer.block_type, layer.mixer
        if kind == "full_attention":
            continue
        linear = [part.weight.numel() for part in mixer.modules() if isinstance(part, torch.nn.Linear)]
        products += sum(linear)
        if kind == "linear_attention":
            products += mixer.conv1d.weight.numel() + 3 * mixer.intermediate_size * mixer.ssm_state_size
        if kind == "moe":
            chosen = family.model.model.config.text_config.num_experts_per_tok
            each = [part[0].numel() for name, part in mixer.named_parameters() if ".experts." in f".{name}"]
            products += chosen * sum(each) + mixer.gate.weight.numel()
    assert dims.row_products == products
    attention = sum(
        part.weight.numel() for layer in layers for part in layer.mixer.modules()
        if layer.block_type == "full_attention" and isinstance(part, torch.nn.Linear)
    )  # fmt: skip
    counted = flops.decoder(dims, Forwards.one(1, 0))
    head = dims.hidden * dims.vocab
    assert counted == 2 * (products + attention + head) + 2 * 4 * dims.head_dim * dims.heads


def test_counted_compute_of_the_tower_equals_the_counter(family: Loaded) -> None:
    images = random_pixels(4, HEIGHT, WIDTH)
    with counter() as measured:
        family.watch(images)
    tower, patches = family.model.info.tower, family.model.geometry((WIDTH, HEIGHT)).patches
    # Rows of the class and of registers are run besides, and not counted.
    low, high = (flops.tower(tower, Forwards.one(patches + rows, 0, logits=0) * 2) for rows in (0, 5))
    assert low < measured.get_total_flops() < 1.01 * high


def test_wrong_checkpoints_are_refused(family: Loaded, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(family.folder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))

    def fails(kind: type[Exception], match: str, **changes: Any) -> None:
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(kind, match=match):
            load_model(str(folder), device="cpu")

    text = {**config["text_config"], "layers_block_type": ["linear_attention"] * 6}
    fails(UsageError, "has no block with attention", text_config=text)
    fails(UsageError, "merges patches in another way", downsample_ratio=0.25)
    vision = {**config["vision_config"], "patch_size": 4}
    fails(MachineError, "contradicts itself", vision_config=vision)


@pytest.mark.parametrize("size", [(48, 32), (90, 70), (33, 200), (320, 181), (1280, 720)])
def test_the_size_of_a_frame_is_the_processors(size: tuple[int, int]) -> None:
    torchvision_or_skip()
    from transformers.models.nemotron_h_omni.video_processing_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3VideoProcessor as Processor,
    )

    for target in (24, 256, 1024):
        for shape in (True, False):
            theirs = Processor(
                video_target_num_patches=target,
                video_maintain_aspect_ratio=shape,
                norm_mean=[0.5] * 3,
                norm_std=[0.5] * 3,
            )
            wide, high = theirs._compute_target_patches(size[1], size[0])
            ours = Tubelets(target=target, keep_shape=shape).geometry(size)
            assert (2 * ours.grid[0], 2 * ours.grid[1]) == (high, wide)


@pytest.mark.parametrize("size", [(48, 32), (90, 70), (320, 181)])
def test_ids_and_pictures_equal_the_processors(family: Loaded, size: tuple[int, int]) -> None:
    """Bit for bit at the model's size. Elsewhere the library keeps fractions of a level, and what bicubic weights take
    beyond black and white; a picture here is rounded to whole levels."""
    torchvision_or_skip()
    pytest.importorskip("PIL")
    from transformers import AutoTokenizer, ParakeetFeatureExtractor
    from transformers.models.nemotron_h_omni.image_processing_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3ImageProcessor,
    )
    from transformers.models.nemotron_h_omni.processing_nemotron_h_omni import NemotronH_Omni_Reasoning_V3Processor
    from transformers.models.nemotron_h_omni.video_processing_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3VideoProcessor,
    )
    from transformers.video_utils import VideoMetadata

    tokenizer = AutoTokenizer.from_pretrained(family.folder)
    processor = NemotronH_Omni_Reasoning_V3Processor(
        image_processor=NemotronH_Omni_Reasoning_V3ImageProcessor.from_pretrained(family.folder),
        feature_extractor=ParakeetFeatureExtractor(),
        video_processor=NemotronH_Omni_Reasoning_V3VideoProcessor.from_pretrained(family.folder),
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
    )
    images = random_pixels(5, size[1], size[0], seed=7)
    user = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
    text = processor.apply_chat_template([user], add_generation_prompt=True, enable_thinking=False)
    metadata = VideoMetadata(total_num_frames=5, fps=1 / GAP, frames_indices=list(range(5)))
    theirs = processor(
        text=[text], videos=[images], video_metadata=metadata, do_sample_frames=False, return_tensors="pt"
    )
    spans = family.spans(family.watch(images))
    assert torch.cat([span.ids for span in spans]).tolist() == theirs["input_ids"][0].tolist()
    geometry = family.model.geometry(size)
    ours = family.model.prepare(frames_of(images), geometry).patches.unflatten(1, (2, 3)).flatten(0, 1)[:5]
    if size == (48, 32):
        assert torch.equal(ours, theirs["pixel_values_videos"])
        return
    preprocessor = family.model.preprocessor
    mean, std = (torch.tensor(values)[:, None, None] for values in (preprocessor.mean, preprocessor.std))
    levels, exact = (255 * (values * std + mean) for values in (ours, theirs["pixel_values_videos"]))
    assert (levels - exact.clamp(0, 255)).abs().max() < 0.501
