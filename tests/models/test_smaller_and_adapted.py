"""Weights in fewer bits and LoRA adapters: what is loaded, what it answers, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.reference import encode, frames_of
from tests.support.checkpoints import random_pixels
from tests.support.picture_checkpoints import random_smolvlm
from tests.support.qwen_checkpoints import BUILDERS
from vtc_cli import Frame, Session, UsageError
from vtc_cli.errors import MachineError
from vtc_cli.models import device, quantise
from vtc_cli.models.contract import Cursor, Span, VideoLM
from vtc_cli.models.load import check_fits, load_model
from vtc_cli.models.quantise import pick_quantisation
from vtc_cli.models.weights import stored_weights

QUESTION = "What colour is the circle?"


def logits_of(model: VideoLM) -> torch.Tensor:
    from transformers import DynamicCache

    geometry = model.geometry((64, 64), 64 * 64)
    units = encode(model, frames_of(random_pixels(4, 64, 64)), geometry)
    spans = [model.open(Cursor())]
    for unit in units:
        spans.append(model.place(spans[-1].cursor, unit))
    spans.append(model.question(spans[-1].cursor, QUESTION))
    return model.forward(Span.join(spans), DynamicCache())


@pytest.fixture(scope="module")
def plain(folder: Path) -> Any:
    return load_model(str(folder), device="cpu", dtype="float32")


@pytest.mark.parametrize(("kind", "library"), [("int8", "torchao"), ("int4", "bitsandbytes")])
def test_the_decoder_is_made_small_and_nothing_else(folder: Path, plain: Any, kind: str, library: str) -> None:
    pytest.importorskip(library)
    small: Any = load_model(str(folder), device="cpu", dtype="float32", quantize=kind)
    assert small.info.quantisation == f"{kind} with {library}"
    assert small.info.parameters == plain.info.parameters
    stored = stored_weights(folder)
    assert 0 < stored.linear < stored.parameters
    assert small.info.weight_bytes < plain.info.weight_bytes
    foreseen = stored.bytes_as("float32", quantise.BITS[kind])
    assert foreseen <= small.info.weight_bytes < foreseen + stored.linear // 2  # and its scales
    before, after = dict(plain.model.named_modules()), dict(small.model.named_modules())
    changed = {
        name
        for name, module in before.items()
        if isinstance(module, torch.nn.Linear)
        and (type(after[name]) is not type(module) or type(after[name].weight) is not type(module.weight))
    }
    linear = {name for name, module in before.items() if isinstance(module, torch.nn.Linear)}
    assert changed == {name for name in linear if name.startswith("model.language_model.layers.")}
    assert sum(before[name].weight.numel() for name in changed) == stored.linear
    mine, theirs = logits_of(small), logits_of(plain)
    assert 0 < (mine - theirs).abs().max() < theirs.abs().max()
    assert torch.cosine_similarity(mine, theirs, dim=0) > (0.99 if kind == "int8" else 0.9)


def test_methods_run_on_small_weights(folder: Path) -> None:
    pytest.importorskip("torchao")
    model = load_model(str(folder), device="cpu", quantize="int8")
    for method in ({"cache": "infinipot-v"}, {"layers": "fastv", "cache": "window"}):
        session = Session(model, pruner="uniform:retain=1/2", budget=60, pixels=64 * 64, question=QUESTION, **method)
        session.watch([Frame(float(number), image) for number, image in enumerate(random_pixels(16, 64, 64))])
        assert session.evicted > 0
        answers = [session.ask(QUESTION, max_new_tokens=3).ids for _ in range(2)]
        assert answers[0] == answers[1]


def test_a_decoder_of_another_name_is_made_small_too(tmp_path: Path) -> None:
    pytest.importorskip("torchao")
    folder = random_smolvlm(tmp_path / "model")
    small: Any = load_model(str(folder), device="cpu", quantize="int8")
    decoder, tower = small.model.model.text_model, small.model.model.vision_model
    assert type(decoder.layers[0].mlp.up_proj.weight).__name__ == "Int8Tensor"
    assert not [value for value in tower.parameters() if type(value).__name__ == "Int8Tensor"]
    assert stored_weights(folder).linear == sum(
        module.weight.numel() for module in decoder.layers.modules() if isinstance(module, torch.nn.Linear)
    )


def test_experts_are_not_made_small(tmp_path: Path) -> None:
    pytest.importorskip("torchao")
    folder = BUILDERS["qwen3-vl-moe"](tmp_path / "model")
    with pytest.raises(UsageError, match="keeps most weights in experts"):
        load_model(str(folder), device="cpu", quantize="int8")


def test_what_cannot_be_made_small_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown quantisation 'int3'"):
        pick_quantisation("int3", "cpu")
    with pytest.raises(MachineError, match="does not run on an Apple GPU"):
        pick_quantisation("int8", "mps")
    monkeypatch.setattr(quantise.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match="needs bitsandbytes and accelerate, which is not") as raised:
        pick_quantisation("int8", "cuda:0")
    assert raised.value.hint == "pip install 'vtc-cli[quant]'"


def test_small_weights_are_a_way_out_of_too_little_memory(folder: Path) -> None:
    from vtc_cli.models.hub import Source

    source, weights = Source("x", folder, None), stored_weights(folder)
    between = (weights.bytes_as("float32", 8) + weights.bytes_as("float32")) // 2
    check_fits(source, weights, "float32", "cpu", between, "int8")
    with pytest.raises(MachineError, match="does not fit") as raised:
        check_fits(source, weights, "float32", "cpu", between)
    assert "--quantize int8" in str(raised.value.hint)


def test_attention_kernels_are_refused_with_the_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match="runs on CUDA devices only, not on cpu"):
        load_model(str(folder), device="cpu", attention="flash_attention_2")
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match="needs the package flash-attn"):
        device.check_attention("flash_attention_2", "cuda:0")


@pytest.fixture
def lora(folder: Path, tmp_path: Path) -> tuple[Path, Any]:
    """An adapter saved by peft, and the model it was made on, with it."""
    peft = pytest.importorskip("peft")
    from transformers import Qwen3VLForConditionalGeneration

    base = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    targets = r".*language_model\.layers\.\d+\.self_attn\.(q|v)_proj"
    model = peft.get_peft_model(base, peft.LoraConfig(r=4, lora_alpha=8, target_modules=targets)).eval()
    generator = torch.Generator().manual_seed(5)
    for name, value in model.named_parameters():
        if "lora_" in name:
            value.data.copy_(0.2 * torch.randn(value.shape, generator=generator))
    model.save_pretrained(tmp_path / "lora")
    return tmp_path / "lora", model


def test_an_adapter_is_folded_into_the_weights(folder: Path, plain: Any, lora: tuple[Path, Any]) -> None:
    path, trained = lora
    adapted: Any = load_model(str(folder), device="cpu", dtype="float32", adapter=str(path))
    assert adapted.info.adapter == str(path)
    assert adapted.info.parameters == plain.info.parameters
    ids = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        expected = trained(ids).logits
        torch.testing.assert_close(adapted.model(ids).logits, expected, atol=1e-4, rtol=0)
        assert (plain.model(ids).logits - expected).abs().max() > 0.1
    assert (logits_of(adapted) - logits_of(plain)).abs().max() > 1e-2


def test_adapters_that_cannot_be_had_say_why(folder: Path, tmp_path: Path, lora: tuple[Path, Any]) -> None:
    path, _ = lora

    def load(name: str, **options: Any) -> None:
        load_model(str(folder), device="cpu", adapter=name, **options)

    pytest.importorskip("torchao")
    with pytest.raises(UsageError, match="exclude each other"):
        load(str(path), quantize="int8")
    with pytest.raises(UsageError, match="there is no adapter folder"):
        load("./nowhere")
    with pytest.raises(MachineError, match=r"holds no adapter_config\.json"):
        load(str(tmp_path))
    config = json.loads((path / "adapter_config.json").read_text())
    (path / "adapter_config.json").write_text(json.dumps({**config, "peft_type": "IA3"}))
    with pytest.raises(MachineError, match="is a IA3 adapter"):
        load(str(path))
    (path / "adapter_config.json").write_text(json.dumps({**config, "target_modules": ["nothing_like_it"]}))
    with pytest.raises(MachineError, match="does not fit"):
        load(str(path))
    (path / "adapter_config.json").write_text(json.dumps({**config, "target_modules": ["o_proj"]}))
    with pytest.raises(MachineError, match="does not fit"):
        load(str(path))
    (path / "adapter_config.json").write_text(json.dumps({**config, "r": 8}))
    with pytest.raises(MachineError, match="does not fit"):
        load(str(path))
    (path / "adapter_model.safetensors").rename(path / "adapter_model.bin")
    with pytest.raises(MachineError, match="pickles that can run code"):
        load(str(path))


def test_without_peft_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vtc_cli.models import lora as module

    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match="needs peft") as raised:
        load_model(str(folder), device="cpu", adapter="someone/adapter")
    assert raised.value.hint == "pip install 'vtc-cli[lora]'"
