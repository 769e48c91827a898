"""Device, number format and automatic choice, with their reasons."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models import device
from vtc_cli.models.auto import choose, needed_bytes
from vtc_cli.models.catalog import RECOMMENDED
from vtc_cli.models.device import available_memory, native_bfloat16, pick_attention, pick_device, pick_dtype


def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_takes_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    without_gpu(monkeypatch)
    assert pick_device("auto") == ("cpu", "no GPU found")


def test_auto_prefers_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    without_gpu(monkeypatch)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto")[0] == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "H100")
    assert pick_device("auto") == ("cuda:0", "first CUDA device, H100")


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_a_device_the_machine_lacks_is_an_environment_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_gpu(monkeypatch)
    with pytest.raises(MachineError, match=f"device {name} is not available") as raised:
        pick_device(name)
    assert raised.value.exit_code == 4


def test_a_gpu_number_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1") == ("cuda:1", "as asked")
    assert pick_device("cuda") == ("cuda:0", "as asked")
    with pytest.raises(MachineError, match="cuda:2 does not exist: 2 CUDA"):
        pick_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", ""])
def test_unknown_devices_are_usage_errors(name: str) -> None:
    with pytest.raises(UsageError, match="unknown device"):
        pick_device(name)


def test_dtype_on_a_cpu_follows_its_instructions_and_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "native_bfloat16", lambda: None)
    assert pick_dtype("auto", "cpu", 9_000_000) == ("float32", "small model, 9.0 M parameters")
    assert pick_dtype("auto", "cpu", 2 * 10**9, 10**11)[0] == "float32"
    assert pick_dtype("auto", "cpu", 2 * 10**9, 6 * 10**9) == (
        "bfloat16",
        "float32 would need 8.0 GB of 6.0 GB available",
    )
    monkeypatch.setattr(device, "native_bfloat16", lambda: "amx_bf16")
    assert pick_dtype("auto", "cpu", 2 * 10**9, 10**11) == ("bfloat16", "this CPU multiplies it natively (amx_bf16)")
    assert pick_dtype("float16", "cpu", 2 * 10**9) == ("float16", "as asked")
    with pytest.raises(UsageError, match="unknown dtype"):
        pick_dtype("int8", "cpu", 1)


@pytest.mark.parametrize(("capability", "dtype"), [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float16")])
def test_dtype_on_a_gpu_follows_its_generation(
    capability: tuple[int, int], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda name: capability)
    kind, reason = pick_dtype("auto", "cuda:0", 2 * 10**9)
    assert kind == dtype
    assert f"{capability[0]}.{capability[1]}" in reason


def test_cpu_flags_are_read_from_the_kernel(tmp_path: Path) -> None:
    def flags(line: str) -> str | None:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        path.write_text(f"processor\t: 0\n{line}\n")
        return native_bfloat16(path)

    assert flags("flags\t\t: fpu avx512f avx512_bf16") == "avx512_bf16"
    assert flags("flags\t\t: fpu avx512_bf16 amx_bf16") == "amx_bf16"
    assert flags("Features\t: fp asimd bf16") == "bf16"
    assert flags("flags\t\t: fpu avx2") is None
    assert native_bfloat16(tmp_path / "absent") is None


def test_attention_names() -> None:
    assert (pick_attention(), pick_attention("eager")) == ("sdpa", "eager")
    with pytest.raises(UsageError, match="unknown attention"):
        pick_attention("fast")


def test_memory_respects_a_containers_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_memory("cpu") > 0
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 350\ninactive_file 300\n")  # cached pages are given back
    assert device._container_room(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert device._container_room(tmp_path) is None
    monkeypatch.setattr(device, "_container_room", lambda: 600)
    assert available_memory("cpu") == 600


def test_auto_takes_the_largest_that_fits_a_gpu_and_the_smallest_on_a_cpu() -> None:
    two, four, eight = (needed_bytes(facts, "bfloat16") for facts in RECOMMENDED)
    assert choose(eight, "cuda:0", "bfloat16").id == "Qwen/Qwen3-VL-8B-Instruct"
    assert choose(eight - 1, "cuda:0", "bfloat16").id == "Qwen/Qwen3-VL-4B-Instruct"
    assert choose(four - 1, "cuda:0", "bfloat16").id == "Qwen/Qwen3-VL-2B-Instruct"
    assert choose(10**12, "cpu", "bfloat16").id == "Qwen/Qwen3-VL-2B-Instruct"
    assert "fits" in choose(four, "cuda:0", "bfloat16").reason
    with pytest.raises(MachineError, match=r"4\.3 weights in bfloat16 \+ 1\.9 KV for 16,384 tokens") as raised:
        choose(two - 1, "cuda:0", "bfloat16")
    assert "--model tiny" in str(raised.value.hint)
