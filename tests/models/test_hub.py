"""Models by hub id: the cache first, the network only when needed, every failure with its way out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from vtc_cli.errors import MachineError
from vtc_cli.models import auto, hub
from vtc_cli.models.load import load_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_reachable", lambda endpoint: False)
    return tmp_path / "hub"


def into_cache(cache: Path, folder: Path, name: str, ref: str = "main") -> Path:
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / ref).write_text(COMMIT)
    return Path(shutil.copytree(folder, repository / "snapshots" / COMMIT))


@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("name", ["auto", "Qwen/Qwen3-VL-2B-Instruct"])
def test_a_model_neither_cached_nor_reachable(
    cache: Path, name: str, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(auto, "available_memory", lambda device: 64 * 10**9)
    with pytest.raises(MachineError) as raised:
        load_model(name, device="cpu")
    message, hint = raised.value.message, str(raised.value.hint)
    assert raised.value.exit_code == 4
    assert "Qwen/Qwen3-VL-2B-Instruct" in message
    assert str(cache) in message
    assert ("HF_HUB_OFFLINE is set" if offline else "cannot be reached") in message
    assert "HF_HUB_OFFLINE" in hint
    assert "--model tiny" in hint


def test_a_cached_model_needs_no_network(cache: Path, folder: Path) -> None:
    into_cache(cache, folder, "someone/model")
    assert load_model("someone/model", device="cpu").info.revision == COMMIT
    assert hub.locate("someone/model", COMMIT).revision == COMMIT
    assert hub.locate("someone/model", "main").revision == COMMIT  # unreachable: what the cache last knew
    with pytest.raises(MachineError, match="at revision other is not in the cache"):
        hub.locate("someone/model", "other")


def test_an_interrupted_download_is_not_a_cached_model(cache: Path, folder: Path) -> None:
    (into_cache(cache, folder, "someone/model") / "model.safetensors").unlink()
    with pytest.raises(MachineError, match="not in the cache"):
        load_model("someone/model", device="cpu")


def test_auto_takes_what_fits_and_never_tiny(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into_cache(cache, folder, "Qwen/Qwen3-VL-2B-Instruct")
    monkeypatch.setattr(auto, "available_memory", lambda device: 64 * 10**9)
    assert load_model(device="cpu").info.name == "Qwen/Qwen3-VL-2B-Instruct"
    monkeypatch.setattr(auto, "available_memory", lambda device: 2 * 10**9)
    with pytest.raises(MachineError, match="no recommended model fits") as raised:
        load_model(device="cpu")
    assert "2.0 GB are available on cpu" in raised.value.message


def fake_hub(monkeypatch: pytest.MonkeyPatch, cache: Path, folder: Path, *, weights: bool = True) -> list[str]:
    """Let the download run against `folder`; returns what was asked for."""
    import huggingface_hub

    asked: list[str] = []
    real = huggingface_hub.hf_hub_download
    target = cache / "models--someone--model" / "snapshots" / COMMIT

    def one(name: str, filename: str, **kwargs: Any) -> str:
        if kwargs.get("local_files_only"):
            return str(real(name, filename, **kwargs))
        asked.append(filename)
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / filename, target / filename)
        return str(target / filename)

    def snapshot(name: str, **kwargs: Any) -> str:
        asked.append(f"snapshot {kwargs['revision']}")
        assert "*.bin" not in kwargs["allow_patterns"]
        for path in folder.iterdir():
            if weights or path.suffix != ".safetensors":
                shutil.copyfile(path, target / path.name)
        return str(target)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", one)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(hub, "_reachable", lambda endpoint: True)
    return asked


def test_a_download_pins_the_commit_it_found(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_hub(monkeypatch, cache, folder)
    assert load_model("someone/model", device="cpu").info.revision == COMMIT
    assert asked == ["config.json", f"snapshot {COMMIT}"]


def test_the_family_is_checked_before_weights_are_fetched(
    cache: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "model_type": "llama"}))
    asked = fake_hub(monkeypatch, cache, other)
    with pytest.raises(MachineError, match="'llama' model, which none of the"):
        load_model("someone/model", device="cpu")
    assert asked == ["config.json"]


def test_a_hub_model_without_safetensors_is_refused(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, cache, folder, weights=False)
    with pytest.raises(MachineError, match="publishes no safetensors weights") as raised:
        load_model("someone/model", device="cpu")
    assert "save_pretrained" in str(raised.value.hint)
