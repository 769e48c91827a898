"""InternVL with GPT-OSS text: sinks, windows and experts against the library's class, and what methods make of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import DynamicCache

from tests.models.picture_families import QUESTION, Loaded, load, logits_in_chunks, spans_of
from tests.models.slabs import slab_with
from tests.support.checkpoints import random_pixels
from tests.support.inside import projected_keys
from tests.support.masking import all_but_kept_hidden, random_choice
from tests.support.picture_checkpoints import random_internvl_gpt_oss
from vtc_cli import Frame, Session, UsageError, load_model
from vtc_cli.engine.sliding import SlidingLayer
from vtc_cli.models.catalog import facts_of
from vtc_cli.models.contract import Span

BUDGET = 40


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load("internvl", random_internvl_gpt_oss(tmp_path_factory.mktemp("gpt") / "model", vision_depth=6))


def test_its_record_says_what_was_loaded(family: Loaded) -> None:
    info = family.model.info
    assert (info.family, info.attention) == ("internvl-gpt-oss", "eager")
    assert family.model.model.config.vision_config._attn_implementation == "sdpa"
    assert info.parameters == sum(value.numel() for value in family.reference.parameters())
    assert (info.decoder.cached, info.decoder.windows) == (2, {0: 12, 2: 12})
    slab = slab_with(family.model, spans_of(family.model, family.watch(random_pixels(5, 50, 70))), 300)
    assert [isinstance(layer, SlidingLayer) for layer in slab.layers] == [True, False, True, False]
    assert slab.nbytes == slab.held * info.kv_bytes_per_token
    assert facts_of(family.folder).kv_bytes_per_token("float32") == info.kv_bytes_per_token
    assert 0 < slab.state_nbytes <= info.decoder.state_bytes


def test_no_method_run_equals_the_librarys_one_shot_forward(family: Loaded) -> None:
    images = random_pixels(9, 50, 70, seed=3)
    spans = spans_of(family.model, family.watch(images))
    ids = torch.cat([span.ids for span in spans])
    assert ids.tolist() == family.ids(family.watch(images)).tolist()
    expected = family.expected(images, ids)[-1]
    assert expected.std() > 0.5
    for size in (1, 2, 7):
        torch.testing.assert_close(logits_in_chunks(family, spans, size), expected, atol=1e-4, rtol=0)
    *before, question = spans
    slab = slab_with(family.model, before, 300)
    slab.expect(question.unit, question.patch, question.positions)
    torch.testing.assert_close(family.model.forward(question, slab), expected, atol=1e-4, rtol=0)


def test_evicted_entries_equal_masked_ones(family: Loaded) -> None:
    model = family.model
    *before, question = spans_of(model, family.watch(random_pixels(9, 50, 70, seed=3)))
    slab = slab_with(family.model, before, 300)
    held, pinned, rows = slab.held, slab.pinned, len(question)
    kept = random_choice(len(slab.blocks), 2, held - pinned, 16, seed=1)
    slab.compact(kept)
    slab.expect(question.unit, question.patch, question.positions)
    ours = model.forward(question, slab)

    whole = DynamicCache(config=model.model.config.text_config)
    model.forward(Span.join(before), whole)
    with all_but_kept_hidden(model._decoder.layers, {1: kept[0], 3: kept[1]}, pinned, held, rows):
        theirs = model.forward(question, whole)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    untouched = slab_with(family.model, before, 300)
    untouched.expect(question.unit, question.patch, question.positions)
    assert (model.forward(question, untouched) - theirs).abs().max() > 1e-2


def test_keys_are_turned_back_through_yarn(family: Loaded) -> None:
    model = family.model
    span = Span.join(spans_of(model, family.watch(random_pixels(3, 50, 70, seed=6))))
    cache = family.cache()
    with projected_keys(model._decoder.layers[1:2], 2, 16) as projected:
        model.forward(span, cache)
    rotation, layer = model.rotation(), cache.layers[1]
    assert rotation is not None
    assert rotation.scale > 1
    raw = rotation.unrotate(layer.keys[0], span.positions[:, None])  # type: ignore[union-attr]
    torch.testing.assert_close(raw, projected[0], atol=1e-5, rtol=1e-5)


def frames(count: int) -> list[Frame]:
    return [Frame(float(number), picture) for number, picture in enumerate(random_pixels(count, 50, 70, seed=4))]


def test_evidence_counts_the_share_of_the_sink(family: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the weights that the library's eager kernel gives, whose rows sum to less than one."""
    from vtc_cli.engine import evidence

    library: Any = sys.modules[type(family.model._decoder).__module__]
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    shares, eager = evidence.shares, library.eager_attention_forward

    def ours(scores: torch.Tensor, options: Any) -> torch.Tensor:
        weights = shares(scores, options)
        found.append((weights, theirs[-1]))
        return weights

    theirs: list[torch.Tensor] = []

    def record(module: Any, query: torch.Tensor, key: torch.Tensor, *args: Any, **given: Any) -> Any:
        output, weights = eager(module, query, key, *args, **given)
        theirs.append(weights[0, :, -1])
        return output, weights

    session = Session(family.model, cache="window", budget=BUDGET, question=QUESTION)
    session.watch(frames(6))
    monkeypatch.setattr(library, "eager_attention_forward", record)
    monkeypatch.setattr(evidence, "shares", ours)
    session.ask(QUESTION, max_new_tokens=1)
    assert found
    for mine, weights in found:
        torch.testing.assert_close(mine.flatten(0, 1), weights, atol=1e-5, rtol=1e-4)
        assert weights.sum(-1).min() < 0.999


def test_what_does_not_run_says_why(family: Loaded, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"internvl-gpt-oss family runs none: half of its layers"):
        Session(family.model, layers="fastv")
    folder = random_internvl_gpt_oss(tmp_path / "m", layer_types=["sliding_attention"] * 4)
    with pytest.raises(UsageError, match="no layer that sees more than a window"):
        load_model(str(folder), device="cpu")
