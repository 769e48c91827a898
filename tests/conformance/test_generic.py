"""Classes without a family: equal to their own forward, pruned, cached whole, refused what is not proven."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.conformance.registered import of_stage
from tests.models.reference import encode, frames_of
from tests.support.checkpoints import random_pixels
from tests.support.other_checkpoints import OTHERS
from vtc_cli import Frame, Session, TokenPruner, UsageError, load_model
from vtc_cli.errors import MachineError
from vtc_cli.jobs.fitting import check_model
from vtc_cli.methods.registry import choose_all
from vtc_cli.models.contract import Cursor, Span
from vtc_cli.models.device import Placement
from vtc_cli.models.generic import Generic
from vtc_cli.models.sketch import sketch

QUESTION = "Which colour does the moving square have?"


@dataclass(frozen=True)
class Loaded:
    kind: str
    folder: Path
    model: Generic
    reference: Any


@pytest.fixture(scope="module", params=OTHERS)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    from transformers import AutoModelForImageTextToText

    folder = OTHERS[request.param](tmp_path_factory.mktemp("checkpoint") / "model")
    model: Any = load_model(str(folder), device="cpu", dtype="float32")
    reference = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    return Loaded(request.param, folder, model, reference)


def spans_of(model: Generic, units: list[Any], keep: Any = None) -> list[Span]:
    spans = [model.open(Cursor())]
    for unit in units:
        spans.append(model.place(spans[-1].cursor, unit, keep))
    return [*spans, model.question(spans[-1].cursor, QUESTION)]


def units_of(model: Generic, images: torch.Tensor) -> list[Any]:
    return encode(model, frames_of(images), model.geometry((images.shape[-1], images.shape[-2])))


def test_it_is_labelled(loaded: Loaded) -> None:
    info = loaded.model.info
    assert info.family == "generic"
    assert info.architecture == type(loaded.reference).__name__


@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_ids_and_logits_equal_the_librarys_single_forward(loaded: Loaded, chunk: int) -> None:
    from transformers import DynamicCache

    model, images = loaded.model, random_pixels(5, 50, 70, seed=3)
    spans = spans_of(model, units_of(model, images))
    content = [*[{"type": "image"}] * 5, {"type": "text", "text": QUESTION}]
    text = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    ids = torch.tensor(model.tokenizer(text.replace("<image>", "<image>" * 25))["input_ids"])
    assert torch.cat([span.ids for span in spans]).tolist() == ids.tolist()
    pictures = model.prepare(frames_of(images), model.geometry((70, 50))).patches
    with torch.no_grad():
        expected = loaded.reference(
            input_ids=ids[None], pixel_values=pictures, attention_mask=torch.ones_like(ids[None])
        ).logits[0, -1]
    cache = DynamicCache()
    for first in range(0, len(spans), chunk):
        logits = model.forward(Span.join(spans[first : first + chunk]), cache)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)
    other = spans_of(model, units_of(model, random_pixels(5, 50, 70, seed=4)))
    assert (model.forward(Span.join(other), DynamicCache()) - expected).abs().max() > 1e-2


def test_a_plan_counts_the_rows_that_come(loaded: Loaded) -> None:
    model = loaded.model
    spans = spans_of(model, units_of(model, random_pixels(2, 50, 70)))
    drawn = sketch(loaded.folder, Placement("cpu", "", "float32", ""), "x", model.info.parameters)
    assert drawn.geometry((70, 50)) == model.geometry((70, 50))
    assert (drawn.prefix(), drawn.question(QUESTION)) == (len(spans[0]), len(spans[-1]))
    assert drawn.around_unit(0, 0) + 25 == len(spans[2])


def frames(count: int) -> list[Frame]:
    return [Frame(float(number), image) for number, image in enumerate(random_pixels(count, 50, 70, seed=4))]


@pytest.mark.parametrize("make", of_stage(TokenPruner))
def test_pruners_run_or_are_refused(loaded: Loaded, make: Any) -> None:
    pruner = make()
    if any(need.startswith("attention:") for need in pruner.needs_on(loaded.model.info)):
        with pytest.raises(UsageError, match="not known of a model without an adapter"):
            Session(loaded.model, pruner=pruner, question=QUESTION)
        return
    session = Session(loaded.model, pruner=pruner, question=QUESTION)
    session.watch(frames(6))
    counts = session.meter.counts
    assert 0 < counts["visual_kept"] <= counts["visual_in"] == 150
    answers = [session.ask(QUESTION, max_new_tokens=4).ids for _ in range(2)]
    assert answers[0] == answers[1]


def test_the_prompt_is_cached_whole_and_nothing_is_evicted(loaded: Loaded) -> None:
    session = Session(loaded.model, cache="window", budget=100, question=QUESTION)
    with pytest.raises(UsageError, match="one whole prompt, of which nothing is evicted"):
        session.watch(frames(8))
    assert session.evicted == 0


@pytest.mark.parametrize(("method", "says"), [("fastv", "missing rows"), ("infinipot-v", "one whole prompt")])
def test_what_is_not_proven_is_refused(loaded: Loaded, method: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_model(choose_all([method]), loaded.model.info)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"boi_token_index": 3}, "marks of its own"),
        ({"image_seq_length": 16}, "25 rows, not 16"),
    ],
)
def test_a_class_that_does_not_qualify_is_refused_with_the_reason(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    folder = OTHERS["vipllava"](tmp_path / "model")
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(MachineError, match=says):
        load_model(str(folder), device="cpu")


def test_a_class_without_a_placeholder_is_refused() -> None:
    with pytest.raises(MachineError, match="names no placeholder token"):
        Generic.pad_token(SimpleNamespace(model_type="new_vl"))
