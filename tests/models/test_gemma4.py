"""Gemma 4 against its own class and processor, and what its sliding layers keep."""

from __future__ import annotations

import pytest
import torch

from tests.models.gemma4 import QUESTION, Loaded
from tests.models.reference import encode, frames_of
from tests.report.counting import counter
from tests.support.checkpoints import random_pixels
from tests.support.gemma_checkpoints import random_gemma4
from tests.support.inside import attention_maps, projected_keys
from tests.support.masking import all_but_kept_hidden, random_choice
from tests.support.torchvision_shim import declare_operators, torchvision_or_skip
from vtc_cli import Frame, Session, UsageError
from vtc_cli.engine.sliding import SlidingLayer
from vtc_cli.models.catalog import facts_of
from vtc_cli.models.contract import Span
from vtc_cli.report import flops
from vtc_cli.report.flops import Forwards

declare_operators()


@pytest.fixture(scope="module", params=["causal", "both ways"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return Loaded(random_gemma4(tmp_path_factory.mktemp("gemma4") / "model", both_ways=request.param == "both ways"))


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return Loaded(random_gemma4(tmp_path_factory.mktemp("gemma4") / "model"))


def test_its_record_says_what_was_loaded(causal: Loaded) -> None:
    info = causal.model.info
    assert info.family == "gemma4"
    assert info.parameters == sum(value.numel() for value in causal.reference.parameters())
    assert (info.decoder.layers, info.decoder.cached, info.decoder.recurrent) == (6, 2, (0, 2, 4, 5))
    assert info.decoder.windows == {0: 24, 2: 24}
    assert facts_of(causal.folder).kv_bytes_per_token("float32") == info.kv_bytes_per_token
    slab = causal.slab(causal.spans(causal.watch(random_pixels(9, 48, 72))))
    assert slab.nbytes == slab.held * info.kv_bytes_per_token
    assert info.decoder.state_bytes == 2 * 24 * 2 * 2 * 16 * 4
    assert 0 < slab.state_nbytes <= info.decoder.state_bytes
    assert [isinstance(layer, SlidingLayer) for layer in slab.layers] == [True, False, True, False, False, False]


@pytest.mark.parametrize("cache", ["library", "slab"])
def test_no_method_run_equals_the_librarys_one_shot_forward(family: Loaded, cache: str) -> None:
    images, model = random_pixels(9, 48, 72, seed=3), family.model
    units = family.watch(images)
    spans, ids = family.spans(units), family.ids(units)
    assert torch.equal(torch.cat([span.ids for span in spans]), ids)
    assert torch.cat([span.positions for span in spans], 1).tolist() == [list(range(len(ids)))]
    expected = family.expected(images, ids)[-1]
    assert expected.std() > 0.5
    first, *middle, last = spans
    for size in (1, 2, 7):
        groups = [[first], *[middle[i : i + size] for i in range(0, len(middle), size)], [last]]
        if cache == "slab":
            joined = [Span.join(group) for group in groups]
            slab = family.slab(joined[:-1])
            slab.expect(joined[-1].unit, joined[-1].patch, joined[-1].positions)
            logits = model.forward(joined[-1], slab)
        else:
            own = family.cache()
            for group in groups:
                logits = model.forward(Span.join(group), own)
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_decoding_continues_as_the_library_does(causal: Loaded) -> None:
    model, images = causal.model, random_pixels(5, 48, 72, seed=5)
    spans = causal.spans(causal.watch(images))
    slab, chosen = causal.slab(spans[:-1]), []
    slab.expect(spans[-1].unit, spans[-1].patch, spans[-1].positions)
    logits, cursor = model.forward(spans[-1], slab), spans[-1].cursor
    for _ in range(5):
        chosen.append(int(logits.argmax()))
        step = model.continuation(cursor, chosen[-1:])
        slab.expect(step.unit, step.patch, step.positions)
        logits, cursor = model.forward(step, slab), step.cursor
    ids = torch.cat([*[span.ids for span in spans], torch.tensor(chosen)])
    expected = causal.expected(images, ids)
    assert expected[-6:-1].argmax(-1).tolist() == chosen
    torch.testing.assert_close(logits, expected[-1], atol=1e-4, rtol=0)


def test_pruned_rows_equal_masked_ones(family: Loaded) -> None:
    """Also in the layers with a window, which reaches as far back as if they were there."""
    model, units = family.model, family.watch(random_pixels(8, 48, 72, seed=3))
    keep = torch.tensor([0, 3, 4])
    full, short = Span.join(family.spans(units)), family.spans(units, keep)
    gone = (full.patch >= 0) & ~torch.isin(full.patch, keep.to(torch.int32))
    assert torch.equal(torch.cat([span.positions for span in short], 1), full.positions[:, ~gone])
    masks = model._masks(full, family.cache())
    rows = len(full)
    masks["full_attention"] = torch.full((rows, rows), float("-inf")).triu(1)[None, None]
    for mask in masks.values():
        mask[..., gone] = torch.finfo(torch.float32).min
        mask[0, 0].fill_diagonal_(0)
    ids = full.ids.masked_fill(full.visual, model.model.config.text_config.pad_token_id)
    with torch.no_grad():
        decoder = family.reference.model.language_model
        output = decoder(
            inputs_embeds=full.embeds[None],
            per_layer_inputs=decoder.get_per_layer_inputs(ids[None], None),
            position_ids=full.positions,
            attention_mask=masks,
        )
        logits = family.reference.lm_head(output.last_hidden_state[0, -1])
        expected = (logits / 30).tanh() * 30
    slab = family.slab(short[:-1])
    slab.expect(short[-1].unit, short[-1].patch, short[-1].positions)
    torch.testing.assert_close(model.forward(short[-1], slab), expected, atol=1e-4, rtol=0)
    assert (model.forward(full, family.cache()) - expected).abs().max() > 1e-2


def test_evicted_entries_are_gone_from_the_layers_that_see_everything_alone(causal: Loaded) -> None:
    """Against the same decoder, with what was evicted masked in the full layers and in those that read them."""
    model, units = causal.model, causal.watch(random_pixels(9, 48, 72, seed=6))
    *before, question = causal.spans(units)
    slab = causal.slab(before)
    held, pinned = slab.held, slab.pinned
    kept = random_choice(len(slab.blocks), 2, held - pinned, 20, seed=1)
    windows = [layer.snapshot() for layer in slab.states]
    slab.compact(kept)
    assert [layer.snapshot() for layer in slab.states] == windows
    slab.expect(question.unit, question.patch, question.positions)
    ours = model.forward(question, slab)

    whole, rows = causal.slab(before), len(question)

    whole.expect(question.unit, question.patch, question.positions)
    # The last layer reads what layer 3 keeps.
    with all_but_kept_hidden(model._decoder.layers, {1: kept[0], 3: kept[1], 5: kept[1]}, pinned, held, rows):
        theirs = model.forward(question, whole)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    untouched = causal.slab([*before, question])
    assert untouched.held == held + rows
    assert (theirs - causal.expected(random_pixels(9, 48, 72, seed=6), causal.ids(units))[-1]).abs().max() > 1e-2


def test_a_rollback_takes_the_windows_back(causal: Loaded) -> None:
    *before, question = causal.spans(causal.watch(random_pixels(6, 48, 72, seed=5)))
    slab = causal.slab(before)
    mark, answers = slab.snapshot(), []
    for _ in range(3):
        slab.expect(question.unit, question.patch, question.positions)
        answers.append(causal.model.forward(question, slab))
        assert slab.snapshot() != mark
        slab.rollback(mark)
        assert slab.snapshot() == mark
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])


def test_attention_received_is_the_towers_own(causal: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:

    tower, images = causal.model.model.model.vision_tower, random_pixels(2, 48, 72, seed=2)
    units = causal.watch(images, capture=(3,))
    maps = attention_maps(monkeypatch, tower, tower.encoder.layers[2].self_attn)
    causal.watch(images)
    received = maps[0].mean((1, 2)).view(2, 2, 3, 3, 3).mean((2, 4)).flatten(1)
    for unit, expected in zip(units, received, strict=True):
        torch.testing.assert_close(unit.scores[3], expected, atol=1e-6, rtol=1e-4)


def test_keys_of_full_layers_are_turned_back(causal: Loaded) -> None:
    span, dims = Span.join(causal.spans(causal.watch(random_pixels(4, 48, 72)))), causal.model.info.decoder
    with projected_keys(causal.model._decoder.layers[1:2], dims.kv_heads, dims.head_dim) as projected:
        slab, rotation = causal.slab([span]), causal.model.rotation()
    assert rotation is not None
    keys = slab.blocks[0].keys[0, :, : slab.held]
    torch.testing.assert_close(rotation.unrotate(keys, span.positions[:, None]), projected[0], atol=1e-5, rtol=1e-5)
    assert (keys - projected[0]).abs().max() > 0.5


def test_values_are_all_of_one_length(causal: Loaded) -> None:
    """Why a method that goes by their norms has nothing to go by here."""
    slab = causal.slab(causal.spans(causal.watch(random_pixels(4, 48, 72))))
    norms = slab.blocks[1].values[0, :, : slab.held].norm(dim=-1)
    torch.testing.assert_close(norms, torch.full_like(norms, 32**0.5), atol=1e-3, rtol=0)


def test_towers_work_is_counted(causal: Loaded) -> None:
    images = random_pixels(2, 24, 36)
    geometry = causal.model.geometry((36, 24))
    with counter() as measured:
        encode(causal.model, frames_of(images), geometry)
    pooling = 2 * 2 * 54 * 6 * 32  # as the library does it, a product with zeros and ones
    counted = flops.tower(causal.model.info.tower, Forwards.one(54, 0, logits=0) * 2)
    assert measured.get_total_flops() == counted + pooling


def test_layer_policies_and_kernels_without_masks_are_refused(causal: Loaded) -> None:
    with pytest.raises(UsageError, match="sliding window"):
        Session(causal.model, layers="fastv", budget=200, question=QUESTION)


def test_memory_stays_as_it_is_however_long_the_video(causal: Loaded) -> None:
    session = Session(causal.model, cache="infinipot-v", budget=60)
    sizes = []
    for start in range(0, 40, 10):
        pictures = random_pixels(10, 48, 72, seed=start)
        session.watch([Frame(float(start + number), picture) for number, picture in enumerate(pictures)])
        sizes.append(session._context.slab.state_nbytes)
        assert session.entries <= 60
    assert len(set(sizes)) == 1


@pytest.mark.parametrize("size", [(72, 50), (90, 70), (33, 200), (320, 181), (12, 12)])
def test_ids_and_patches_equal_the_processors(causal: Loaded, size: tuple[int, int]) -> None:
    torchvision_or_skip()
    pytest.importorskip("PIL")
    from transformers import AutoTokenizer
    from transformers.models.gemma4.feature_extraction_gemma4 import Gemma4AudioFeatureExtractor
    from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil
    from transformers.models.gemma4.processing_gemma4 import Gemma4Processor
    from transformers.models.gemma4.video_processing_gemma4 import Gemma4VideoProcessor

    model, tokenizer = causal.model, AutoTokenizer.from_pretrained(causal.folder)
    settings = {"patch_size": 4, "pooling_kernel_size": 3, "do_normalize": False, "do_sample_frames": False}
    processor = Gemma4Processor(
        feature_extractor=Gemma4AudioFeatureExtractor(),
        image_processor=Gemma4ImageProcessorPil(),
        tokenizer=tokenizer,
        video_processor=Gemma4VideoProcessor(**settings),
        chat_template=tokenizer.chat_template,
    )
    images, rate = random_pixels(4, size[1], size[0]), 0.4
    user = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
    theirs = processor(
        text=[processor.apply_chat_template([user], add_generation_prompt=True)],
        videos=[images],
        video_metadata=[{"fps": rate, "frames_indices": list(range(4)), "total_num_frames": 4}],
        do_sample_frames=False,
        return_tensors="pt",
    )
    geometry = model.geometry(size, 70 * 12 * 12)
    units = encode(model, frames_of(images, 1 / rate), geometry)
    assert torch.cat([span.ids for span in causal.spans(units)]).tolist() == theirs["input_ids"][0].tolist()
    ours = model.prepare(frames_of(images), geometry).patches
    assert torch.equal(ours, theirs["pixel_values_videos"][:, : geometry.patches])
    assert (theirs["video_position_ids"][:, geometry.patches :] == -1).all()
