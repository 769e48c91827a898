"""From a name to a running model, and every way that can fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.checkpoints import random_qwen3_vl
from vtc_cli.errors import MachineError, UsageError, VtcError
from vtc_cli.models import auto, catalog, hub, load
from vtc_cli.models.device import Placement
from vtc_cli.models.load import load_model
from vtc_cli.models.qwen3_vl import Qwen3VL


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_folder_loads_with_its_reasons_recorded(model: Qwen3VL, folder: Path) -> None:
    info = model.info
    assert (info.name, info.device, info.dtype, info.attention) == (str(folder), "cpu", "float32", "sdpa")
    assert info.name_reason == info.device_reason == "as asked"
    assert info.revision is not None
    assert info.revision.startswith("blake2b:")


def test_auto_records_why_it_took_a_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "RECOMMENDED", (replace(catalog.RECOMMENDED[0], id=str(folder), parameters=10**6),))
    info = load_model("auto", device="cpu").info
    assert (info.name, info.name_reason) == (str(folder), "smallest recommended model, as there is no GPU")


def test_the_digest_follows_the_weights(copy: Path) -> None:
    before = hub.locate(str(copy)).revision
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "model.safetensors").write_bytes(data)
    assert hub.locate(str(copy)).revision != before


def test_requested_dtype_is_loaded(folder: Path) -> None:
    half = load_model(str(folder), device="cpu", dtype="bfloat16")
    assert isinstance(half, Qwen3VL)
    assert {value.dtype for value in half.model.parameters()} == {torch.bfloat16}
    assert (half.info.dtype_reason, half.info.weight_bytes) == ("as asked", 2 * half.info.parameters)
    assert half.forward(half.open(load_cursor()), new_cache()).dtype == torch.float32


def load_cursor() -> Any:
    from vtc_cli.models.contract import Cursor

    return Cursor()


def new_cache() -> Any:
    from transformers import DynamicCache

    return DynamicCache()


def test_loading_says_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_model(str(folder), device="cpu")
    assert capfd.readouterr() == ("", "")


def test_shards_load_and_a_missing_one_is_named(tmp_path: Path) -> None:
    folder = random_qwen3_vl(tmp_path / "sharded", shard="400KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert load_model(str(folder), device="cpu").info.parameters > 0
    shards[1].unlink()
    with pytest.raises(MachineError, match=rf"incomplete: 1 of {len(shards)} .*{shards[1].name}"):
        load_model(str(folder), device="cpu")


def test_pickled_weights_are_refused_with_the_way_out(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(MachineError, match="only safetensors is read") as raised:
        load_model(str(copy), device="cpu")
    assert "save_pretrained" in str(raised.value.hint)


@pytest.mark.parametrize("damage", ["cut", "header", "empty", "gone"])
def test_damaged_weights_are_an_error_not_a_model(copy: Path, damage: str) -> None:
    weights = copy / "model.safetensors"
    data = weights.read_bytes()
    if damage == "gone":
        weights.unlink()
    else:
        weights.write_bytes({"cut": data[:-100], "header": b"\xff" * 200, "empty": b""}[damage])
    with pytest.raises(MachineError, match=r"cut short|not a safetensors file|holds no model\.safetensors"):
        load_model(str(copy), device="cpu")


def test_weights_of_another_shape_are_an_error(copy: Path, tmp_path: Path) -> None:
    deeper = random_qwen3_vl(tmp_path / "deeper", layers=5)
    shutil.copyfile(deeper / "config.json", copy / "config.json")
    with pytest.raises(MachineError, match=r"lacks .* weights its config asks for"):
        load_model(str(copy), device="cpu")


def test_memory_that_runs_out_while_loading_is_no_bug(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Qwen3VLForConditionalGeneration

    def fails(*args: Any, **options: Any) -> None:
        raise RuntimeError("unable to mmap 60000000132 bytes from file <x>: Cannot allocate memory (12)")

    monkeypatch.setattr(Qwen3VLForConditionalGeneration, "from_pretrained", fails)
    with pytest.raises(MachineError, match=r"memory ran out while .* was loaded: unable to mmap") as raised:
        load_model(str(folder), device="cpu")
    assert "--device-map auto" in str(raised.value.hint)


def test_a_preprocessor_of_another_model_is_an_error(copy: Path) -> None:
    path = copy / "video_preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "patch_size": 16}))
    with pytest.raises(MachineError, match="contradicts itself"):
        load_model(str(copy), device="cpu")


def test_an_unknown_family_says_where_the_known_ones_are(copy: Path) -> None:
    edit_config(copy, model_type="mamba_vl", auto_map={"AutoModel": "code.Model"})
    with pytest.raises(
        MachineError, match=r"'mamba_vl' model, which none of the \d+ families here .*own code"
    ) as raised:
        load_model(str(copy), device="cpu", trust_remote_code=True)
    assert "`vtc models` lists them" in str(raised.value.hint)


def test_a_checkpoint_for_code_of_its_own_names_one_for_the_library(copy: Path) -> None:
    edit_config(copy, model_type="internvl_chat", auto_map={"AutoModel": "code.Model"})
    with pytest.raises(MachineError, match="transformers has the same in another form") as raised:
        load_model(str(copy), device="cpu")
    assert "OpenGVLab/InternVL3-1B-hf" in str(raised.value.hint)


def test_a_pointer_of_git_lfs_is_told_from_weights(copy: Path) -> None:
    (copy / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(MachineError, match="pointer of Git LFS"):
        load_model(str(copy), device="cpu")


def test_quantised_weights_are_refused(copy: Path) -> None:
    edit_config(copy, quantization_config={"quant_method": "fp8"})
    with pytest.raises(MachineError, match=r"quantised weights \(fp8\)"):
        load_model(str(copy), device="cpu")


def test_too_little_memory_is_refused_with_the_arithmetic(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "available_memory", lambda device: 700_000)
    monkeypatch.setattr(Qwen3VL, "load", lambda *args, **kwargs: pytest.fail("weights were read"))
    with pytest.raises(MachineError, match=r"0\.00 B parameters x 4 bytes \(float32\) = 0\.0 GB") as raised:
        load_model(str(folder), device="cpu", dtype="float32")
    assert "--dtype bfloat16" in str(raised.value.hint)
    assert "--model tiny" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("./nowhere", UsageError, "no model folder"),
        ("/nowhere/at/all", UsageError, "no model folder"),
        ("qwen3-vl-2b", UsageError, "unknown model"),
        ("not a name", UsageError, "unknown model"),
    ],
)
def test_names_that_can_be_nothing(name: str, error: type[VtcError], says: str) -> None:
    with pytest.raises(error, match=says):
        load_model(name, device="cpu")


def test_close_names_are_suggested() -> None:
    with pytest.raises(UsageError) as raised:
        load_model("Qwen3-VL-2B", device="cpu")
    assert "Qwen/Qwen3-VL-2B-Instruct" in str(raised.value.hint)


def test_a_file_is_not_a_model(folder: Path) -> None:
    with pytest.raises(UsageError, match="is a file"):
        load_model(str(folder / "model.safetensors"), device="cpu")


def test_a_missing_bundled_model_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "TINY_FOLDER", tmp_path / "checkpoint")
    with pytest.raises(MachineError, match="bundled model is missing") as raised:
        load_model("tiny", device="cpu")
    assert raised.value.exit_code == 4


def test_the_bundled_model_loads_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "TINY_FOLDER", folder)
    assert load_model("tiny", device="cpu").info.name == "tiny"


def test_folders_have_no_revisions(folder: Path) -> None:
    with pytest.raises(UsageError, match="--revision means a hub id"):
        load_model(str(folder), revision="main", device="cpu")
    with pytest.raises(UsageError, match="--revision needs a model"):
        load_model("auto", revision="main", device="cpu")


def test_the_adapter_refuses_an_attention_kernel_that_is_not_installed(folder: Path) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine may have the kernel")
    placement = Placement("cpu", "test", "bfloat16", "test", "flash_attention_2")
    with pytest.raises(MachineError, match="flash_attention_2"):
        Qwen3VL.load(folder, placement, name="x")


def test_a_library_that_does_not_import_is_reported_with_its_cause(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A torchvision built for another torch breaks transformers' import of every vision model."""
    import transformers

    class Broken:
        def __getattr__(self, name: str) -> Any:
            if name.startswith("Qwen3VL"):
                try:
                    raise RuntimeError("operator torchvision::nms does not exist")
                except RuntimeError as cause:
                    raise ModuleNotFoundError("Could not import module") from cause
            return getattr(transformers, name)

    monkeypatch.setitem(sys.modules, "transformers", Broken())  # type: ignore[arg-type]
    with pytest.raises(MachineError, match="operator torchvision::nms does not exist") as raised:
        Qwen3VL.load(folder, Placement("cpu", "test", "float32", "test"), name="x")
    assert "torchvision" in str(raised.value.hint)


def test_listings_import_no_model_library() -> None:
    code = (
        "import sys; from vtc_cli.models import auto, catalog, device, hub, registry; registry.names(); "
        "catalog.catalog(); heavy = {'torch', 'transformers', 'huggingface_hub', 'numpy'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr


def test_catalogue_facts_follow_from_the_architecture(folder: Path, model: Qwen3VL) -> None:
    facts = catalog.facts_of(folder, "random")
    assert (facts.parameters, facts.context) == (model.info.parameters, model.info.context)
    assert facts.kv_bytes_per_token("float32") == model.info.kv_bytes_per_token
    assert facts.as_json()["weight_bytes"]["float32"] == model.info.weight_bytes


@pytest.mark.parametrize(
    ("index", "text", "vision"),
    [
        (0, (2048, 28, 16, 6144, True), (24, 1024, 4096, (5, 11, 17))),
        (1, (2560, 36, 32, 9728, True), (24, 1024, 4096, (5, 11, 17))),
        (2, (4096, 36, 32, 12288, False), (27, 1152, 4304, (8, 16, 24))),
    ],
)
def test_recommended_parameters_are_those_of_the_published_shapes(
    index: int, text: tuple[Any, ...], vision: tuple[Any, ...]
) -> None:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    hidden, layers, heads, intermediate, tied = text
    depth, width, mlp, deep = vision
    config = Qwen3VLConfig(
        text_config={
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": intermediate,
            "vocab_size": 151_936,
            "tie_word_embeddings": tied,
            "rope_parameters": {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20]},
        },
        vision_config={
            "depth": depth,
            "hidden_size": width,
            "intermediate_size": mlp,
            "num_heads": 16,
            "out_hidden_size": hidden,
            "deepstack_visual_indexes": list(deep),
        },
        tie_word_embeddings=tied,
    )
    with torch.device("meta"):
        shape = Qwen3VLForConditionalGeneration(config)
    shape.tie_weights()
    facts = catalog.RECOMMENDED[index]
    assert sum(value.numel() for value in shape.parameters()) == facts.parameters
    assert facts.kv_values == 2 * layers * 8 * 128
