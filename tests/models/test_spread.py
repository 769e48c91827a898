"""Weights in several places: what goes where, that answers stay the same, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.reference import encode, frames_of
from tests.support.checkpoints import random_pixels
from tests.support.nemotron_checkpoints import random_nemotron_h_omni
from tests.support.picture_checkpoints import random_smolvlm
from tests.support.qwen_checkpoints import BUILDERS
from vtc_cli import Frame, Session, UsageError, load_model
from vtc_cli.errors import MachineError
from vtc_cli.models import spread
from vtc_cli.models.contract import Cursor, Span, VideoLM
from vtc_cli.models.device import Placement
from vtc_cli.models.sketch import outline
from vtc_cli.models.spread import DISK, fill, gather_back, parse_limits, pick_spread, spread_over, told

pytest.importorskip("accelerate")
QUESTION = "What colour is the circle?"


def test_layers_fill_the_places_in_order() -> None:
    assert fill([10] * 6, 20, {"cuda:0": 45, "cuda:1": 15, "cpu": 20}) == [
        *("cuda:0", "cuda:0", "cuda:1", "cpu", "cpu", DISK)
    ]
    assert fill([10] * 2, 20, {"cpu": 40}) == ["cpu", "cpu"]
    assert fill([30, 10], 0, {"cuda:0": 20, "cpu": 40}) == ["cpu", "cpu"]  # none goes back to an earlier place
    with pytest.raises(MachineError, match="without its decoder layers") as raised:
        fill([10], 2_000_000_000, {"cuda:0": 1_500_000_000, "cpu": 10**12})
    assert "2.0 GB, and 1.5 GB are free for it on cuda:0" in raised.value.message
    assert told(["cuda:0"] * 3 + ["cpu"] + [DISK], "cuda:0") == (
        "decoder layers: 3 on cuda:0, 1 in cpu memory, 1 on disk"
    )


def test_a_layer_in_memory_or_on_disk_keeps_its_entries_where_it_runs(folder: Path) -> None:
    placement = spread_over(Placement("cuda:0", "as asked", "float32", ""), ["cuda:0", "cuda:1", "cpu", DISK])
    assert placement.device_reason == ("as asked; decoder layers: 1 on cuda:0, 1 on cuda:1, 1 in cpu memory, 1 on disk")
    assert placement.layer_devices == ("cuda:0", "cuda:1", "cuda:0", "cuda:0")
    assert outline(folder, placement, "m", 1).info.kv_devices == placement.layer_devices


def test_layers_that_keep_no_entries_are_left_out_of_where_entries_are(tmp_path: Path) -> None:
    folder = BUILDERS["qwen3.5"](tmp_path / "m")
    whole = outline(folder, Placement("cpu", "", "float32", ""), "m", 1).info
    assert whole.kv_devices == ()
    layers = range(whole.decoder.layers)
    placement = Placement("cpu", "", "float32", "", layer_devices=tuple(f"cuda:{number}" for number in layers))
    kept = tuple(f"cuda:{number}" for number in layers if number not in whole.decoder.recurrent)
    assert outline(folder, placement, "m", 1).info.kv_devices == kept
    assert 0 < len(kept) < len(layers)


def test_limits_are_read_as_people_write_them() -> None:
    assert parse_limits("20GB") == {"": 20 * 10**9}
    assert parse_limits("cuda=1.5GB, cuda:1=2GiB,cpu=64 GB") == {
        "cuda:0": 1_500_000_000,
        "cuda:1": 2 * 2**30,
        "cpu": 64 * 10**9,
    }
    for wrong in ("20", "disk=20GB", "cuda:0=", "=20GB", "1GB,2GB", "cuda=1GB,cuda:0=1GB", "", "lots"):
        with pytest.raises(ValueError, match=r"expected|twice"):
            parse_limits(wrong)


def test_gpus_are_filled_before_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from vtc_cli.models import device

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(device, "available_memory", lambda place: {"cpu": 500}.get(place, 100))
    found = pick_spread("auto", "cuda:2=1MB", "cuda:1", reserve=30)
    assert found is not None
    assert list(found.limits.items()) == [("cuda:1", 60), ("cuda:0", 60), ("cuda:2", 10**6), ("cpu", 450)]


def test_what_cannot_be_spread_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(**options: Any) -> None:
        load_model(str(folder), device="cpu", **options)

    with pytest.raises(UsageError, match="unknown device map 'balanced'"):
        load(device_map="balanced")
    with pytest.raises(UsageError, match="nothing is spread"):
        load(max_memory="1GB")
    with pytest.raises(UsageError, match=r"expected an amount like 20GB"):
        load(device_map="auto", max_memory="much")
    with pytest.raises(UsageError, match="names cuda:0, which does not run here"):
        load(device_map="auto", max_memory="cuda:0=1GB")
    with pytest.raises(MachineError, match="without its decoder layers the model is"):
        load(device_map="auto", max_memory="0.01MB")
    pytest.importorskip("torchao")
    with pytest.raises(UsageError, match="--device-map and --quantize exclude each other"):
        load(device_map="auto", quantize="int8")
    monkeypatch.setattr(spread.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match="needs accelerate"):
        load(device_map="auto")


def answer(model: VideoLM, **methods: str) -> tuple[list[int], torch.Tensor]:
    """What is said of twelve frames in little memory, and the probabilities of its first token."""
    session = Session(model, budget=60, pixels=64 * 64, question=QUESTION, **methods)
    session.watch([Frame(float(number), image) for number, image in enumerate(random_pixels(12, 64, 64))])
    assert session.evicted > 0
    said = session.ask(QUESTION, max_new_tokens=3).ids
    assert session.ask(QUESTION, max_new_tokens=3).ids == said
    return said, logits_of(model)


def logits_of(model: VideoLM) -> torch.Tensor:
    from transformers import DynamicCache

    units = encode(model, frames_of(random_pixels(4, 64, 64)), model.geometry((64, 64), 64 * 64))
    spans = [model.open(Cursor())]
    for unit in units:
        spans.append(model.place(spans[-1].cursor, unit))
    spans.append(model.question(spans[-1].cursor, QUESTION))
    return model.forward(Span.join(spans), DynamicCache(config=model._decoder.config))  # type: ignore[attr-defined]


METHODS: tuple[dict[str, str], ...] = (
    {"cache": "infinipot-v"},
    {"pruner": "hiprune:retain=1/2", "cache": "snapkv"},
    {"layers": "fastv", "cache": "window"},
)


@pytest.mark.parametrize("methods", METHODS, ids=lambda methods: "+".join(methods.values()))
def test_layers_on_disk_answer_as_layers_in_memory(folder: Path, methods: dict[str, str]) -> None:
    plain = load_model(str(folder), device="cpu", dtype="float32")
    apart: Any = load_model(str(folder), device="cpu", dtype="float32", device_map="auto", max_memory="0.9MB")
    layers = apart.model.model.language_model.layers
    where = [next(layer.parameters()).device.type for layer in layers]
    assert set(where) == {"cpu", "meta"}
    assert apart.info.device_reason == (
        f"as asked; decoder layers: {where.count('cpu')} on cpu, {where.count('meta')} on disk"
    )
    assert (apart.info.parameters, apart.info.weight_bytes) == (plain.info.parameters, plain.info.weight_bytes)
    (said, logits), (expected, theirs) = answer(apart, **methods), answer(plain, **methods)
    assert said == expected
    assert torch.equal(logits, theirs)


def test_what_fits_is_where_it_would_be(folder: Path) -> None:
    whole: Any = load_model(str(folder), device="cpu", dtype="float32", device_map="auto")
    assert {value.device.type for value in whole.model.parameters()} == {"cpu"}
    assert whole.info.device_reason.startswith("as asked; decoder layers: ")
    assert whole.info.device_reason.endswith(" on cpu")


@pytest.mark.parametrize("name", ["qwen3-vl-moe", "qwen3.5", "smolvlm", "nemotron-h-omni"])
def test_experts_states_and_other_names_are_spread_too(name: str, tmp_path: Path) -> None:
    made = {**BUILDERS, "smolvlm": random_smolvlm, "nemotron-h-omni": random_nemotron_h_omni}
    folder = made[name](tmp_path / "m")
    apart: Any = load_model(
        str(folder), device="cpu", dtype="float32", device_map="auto", max_memory=f"{room(folder):.3f}MB"
    )
    assert "on disk" in apart.info.device_reason
    plain: Any = load_model(str(folder), device="cpu", dtype="float32")
    ids = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        assert torch.equal(apart.model(ids).logits, plain.model(ids).logits)


def room(folder: Path) -> float:
    """Megabytes that hold all of a checkpoint but the last of its decoder's weights."""
    from vtc_cli.models.weights import stored_weights

    return stored_weights(folder).bytes_as("float32") / 1e6 * 0.93


def test_weights_stored_in_another_format_go_to_disk_too(folder: Path) -> None:
    apart: Any = load_model(str(folder), device="cpu", dtype="bfloat16", device_map="auto", max_memory="0.5MB")
    plain: Any = load_model(str(folder), device="cpu", dtype="bfloat16")
    ids = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        assert torch.equal(apart.model(ids).logits, plain.model(ids).logits)


def test_sharded_checkpoints_are_read(folder: Path, tmp_path: Path) -> None:
    import shutil

    from transformers import Qwen3VLForConditionalGeneration

    shutil.copytree(folder, tmp_path / "m", ignore=shutil.ignore_patterns("*.safetensors"))
    whole = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    whole.save_pretrained(tmp_path / "m", max_shard_size="300KB")
    assert len(list((tmp_path / "m").glob("model-*.safetensors"))) > 2
    plain = load_model(str(folder), device="cpu", dtype="float32")
    for more in ({}, {"device_map": "auto", "max_memory": "0.9MB"}):
        sharded = load_model(str(tmp_path / "m"), device="cpu", dtype="float32", **more)
        # The same values at other addresses: kernels may add them up in another order.
        torch.testing.assert_close(logits_of(sharded), logits_of(plain), atol=1e-5, rtol=0)


def test_what_another_device_gives_comes_back() -> None:
    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2, device="meta"))

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows

    whole = torch.nn.Module()
    whole.model = torch.nn.Module()
    whole.model.text = torch.nn.Module()
    whole.model.text.layers = torch.nn.ModuleList([Layer(), Layer()])
    layers: Any = whole.model.text.layers
    layers[1].weight = torch.nn.Parameter(torch.ones(2))  # "meta" runs, "cpu" is elsewhere
    gather_back(whole, "text", "meta")
    assert layers[1](torch.ones(3)).device.type == "meta"
    assert not layers[0]._forward_hooks
