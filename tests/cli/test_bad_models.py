"""Models that cannot run, each as a real folder: one line that says what is wrong, one with the next step, exit code 4.

What only a hub can refuse (a revision, terms not accepted) is in `test_pull`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.checkpoints import random_qwen3_vl, save_tokenizer


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _header(folder: Path, change: Callable[[dict], None]) -> None:
    """Rewrite the safetensors header in place, at its length."""
    path = folder / "model.safetensors"
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def unknown_architecture(folder: Path) -> None:
    _edit(folder / "config.json", model_type="mamba_vl")


def no_architecture(folder: Path) -> None:
    _edit(folder / "config.json", model_type=None)


def text_only(folder: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    shutil.rmtree(folder)
    folder.mkdir()
    ids = save_tokenizer(folder, 512)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(ids), **small)).save_pretrained(folder)


def no_processor_config(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    (folder / "video_preprocessor_config.json").unlink()


def broken_processor_config(folder: Path) -> None:
    (folder / "video_preprocessor_config.json").write_text("[]")


def no_tokenizer(folder: Path) -> None:
    for path in (*folder.glob("tokenizer*"), folder / "vocab.json", folder / "merges.txt"):
        path.unlink()


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": {"type": "Nonsense"}}')


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "qwen3_vl", ')


def impossible_config(folder: Path) -> None:
    _edit(folder / "config.json", text_config="large")


def impossible_size(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    _edit(folder / "config.json", text_config={**config["text_config"], "num_hidden_layers": "four"})


def half_downloaded(folder: Path) -> None:
    shutil.rmtree(folder)
    random_qwen3_vl(folder, shard="400KB")
    sorted(folder.glob("model-*.safetensors"))[0].unlink()


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def overwritten_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(b"<html>429 Too Many Requests</html>" * 40)


def broken_metadata(folder: Path) -> None:
    _header(folder, lambda header: header.update(__metadata__=7))


def no_tensor(folder: Path) -> None:
    _header(folder, lambda header: header.update({next(name for name in header if name != "__metadata__"): 7}))


def wrong_shapes(folder: Path) -> None:
    def change(header: dict) -> None:
        first = next(name for name in header if name != "__metadata__")
        header[first]["shape"] = [*header[first]["shape"], 3]

    _header(folder, change)


CASES = {
    unknown_architecture: "'mamba_vl' model, which none of the",
    no_architecture: "does not say its model_type",
    text_only: "is a text model (llama)",
    no_processor_config: "holds no video_preprocessor_config.json",
    broken_processor_config: "is not a JSON object",
    no_tokenizer: "tokenizer",
    broken_tokenizer: "tokenizer",
    no_config: "holds no config.json",
    broken_config: "config.json cannot be read",
    impossible_config: "cannot be read",
    impossible_size: "cannot be read",
    half_downloaded: "is incomplete: 1 of",
    pickled: "only safetensors is read",
    cut_weights: "is cut short",
    overwritten_weights: "is not a safetensors file",
    broken_metadata: "are damaged",
    no_tensor: "is not a safetensors file",
    wrong_shapes: "is damaged",
}


@pytest.mark.parametrize("damage", CASES, ids=lambda damage: damage.__name__)
def test_a_bad_model_is_refused_in_a_line_with_the_next_step(vtc, footage, checkpoint, tmp_path, damage):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    damage(folder)
    shown = vtc("ask", footage / "clip.mp4", "what is it?", "--model", folder)
    assert (shown.code, shown.out) == (4, ""), shown.err
    message, *hint = shown.err.strip().splitlines()
    assert message.startswith("error: ")
    assert CASES[damage] in message
    assert "".join(hint).strip(), "the next step"
    assert "Traceback" not in shown.err


def test_too_little_memory_is_refused_with_the_arithmetic(vtc, footage, checkpoint, monkeypatch):
    monkeypatch.setattr("vtc_cli.models.load.available_memory", lambda device: 700_000)
    shown = vtc("ask", footage / "clip.mp4", "what is it?", "--model", checkpoint, "--dtype", "float32")
    assert (shown.code, shown.out) == (4, "")
    assert "does not fit" in shown.err
    assert "--dtype bfloat16" in shown.err


def test_a_folder_with_quantised_weights_names_the_way_out(vtc, footage, checkpoint, tmp_path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    _edit(folder / "config.json", quantization_config={"quant_method": "gptq"})
    shown = vtc("ask", footage / "clip.mp4", "what is it?", "--model", folder)
    assert shown.code == 4
    assert "--quantize" in shown.err
