"""Where a model runs and in which number format, with the reason as one phrase for the report."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.weights import DTYPE_BYTES

if TYPE_CHECKING:
    from vtc_cli.models.lora import Lora
    from vtc_cli.models.spread import Spread

ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
AS_ASKED = "as asked"  # the reason of what the user named
SMALL = 200_000_000  # parameters up to which fp32 costs nothing worth saving


@dataclass(frozen=True)
class Placement:
    """A decision: which model runs on which device, in which number format, with which attention kernel.

    Reasons are one phrase each. name_reason: why this model. quantisation: as `pick_quantisation` gives it.
    lora: the adapter to fold in. spread: where weights may be besides, None where all are on the device.
    compiled: whether parts of the model are compiled. layer_devices: where each decoder layer runs and keeps its part
    of the cache; empty where all do on `device`, and before that is known.
    """

    device: str
    device_reason: str
    dtype: str
    dtype_reason: str
    attention: str = "sdpa"
    name_reason: str = AS_ASKED
    quantisation: str | None = None
    lora: Lora | None = None
    spread: Spread | None = None
    compiled: bool = False
    layer_devices: tuple[str, ...] = ()


def pick_device(device: str = "auto") -> tuple[str, str]:
    """`auto`, `cpu`, `cuda`, `cuda:<n>` or `mps` to (device, reason).

    Raises UsageError on another word, MachineError when this machine lacks the device.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda:0", f"first CUDA device, {torch.cuda.get_device_name(0)}"
        if torch.backends.mps.is_available():
            return "mps", "Apple GPU found"
        return "cpu", "no GPU found"
    if device == "cpu":
        return "cpu", AS_ASKED
    if device == "mps":
        if not torch.backends.mps.is_available():
            raise MachineError("device mps is not available on this machine.", "Use --device auto or --device cpu.")
        return "mps", AS_ASKED
    found = re.fullmatch(r"cuda(?::(\d+))?", device)
    if not found:
        raise UsageError(f"unknown device {device!r}.", "Choose from auto, cpu, cuda, cuda:<n>, mps.")
    if not torch.cuda.is_available():
        build = "this build of torch has no CUDA" if torch.version.cuda is None else "no CUDA device is visible"
        raise MachineError(
            f"device {device} is not available: {build}.", "Use --device cpu, or install a CUDA build of torch."
        )
    index, count = int(found[1] or 0), torch.cuda.device_count()
    if index >= count:
        raise MachineError(
            f"device {device} does not exist: {count} CUDA device(s) visible, numbered from 0.",
            "Check CUDA_VISIBLE_DEVICES, or use --device cuda:0.",
        )
    return f"cuda:{index}", AS_ASKED


def pick_dtype(dtype: str, device: str, parameters: int, available: int | None = None) -> tuple[str, str]:
    """`auto`, `float32`, `bfloat16` or `float16` to (dtype, reason).

    parameters: of the checkpoint. available: free bytes on the device, which decides between fp32 and bf16 on a CPU
    without bf16 instructions. Raises UsageError on another word.
    """
    if dtype != "auto":
        if dtype not in DTYPE_BYTES:
            raise UsageError(f"unknown dtype {dtype!r}.", f"Choose from auto, {', '.join(DTYPE_BYTES)}.")
        return dtype, AS_ASKED
    if parameters <= SMALL:
        return "float32", f"small model, {parameters / 1e6:.1f} M parameters"
    if device.startswith("cuda"):
        import torch

        major, minor = torch.cuda.get_device_capability(device)
        if major >= 8:
            return "bfloat16", f"native on this GPU (compute capability {major}.{minor})"
        return "float16", f"no native bfloat16 on this GPU (compute capability {major}.{minor})"
    if device == "mps":
        return "bfloat16", "half the memory of float32 at the range these models need"
    if native := native_bfloat16():
        return "bfloat16", f"this CPU multiplies it natively ({native})"
    needed = parameters * 4
    if available is not None and needed > available:
        return "bfloat16", f"float32 would need {needed / 1e9:.1f} GB of {available / 1e9:.1f} GB available"
    return "float32", "this CPU has no bfloat16 instructions"


def pick_attention(attention: str = "auto") -> str:
    """The attention kernel's name as transformers knows it. Raises UsageError on an unknown one."""
    if attention == "auto":
        return "sdpa"
    if attention not in ATTENTIONS:
        raise UsageError(f"unknown attention {attention!r}.", f"Choose from auto, {', '.join(ATTENTIONS)}.")
    return attention


def check_attention(attention: str, device: str) -> None:
    """Raise MachineError, with the reason, for a kernel that `device` or this installation does not have."""
    if attention != "flash_attention_2":
        return
    if not device.startswith("cuda"):
        raise MachineError(f"flash_attention_2 runs on CUDA devices only, not on {device}.", "Use --attention sdpa.")
    if importlib.util.find_spec("flash_attn") is None:
        raise MachineError(
            "flash_attention_2 needs the package flash-attn, which is not installed.",
            "Use --attention sdpa, or `pip install flash-attn --no-build-isolation`.",
        )
    import torch

    if torch.cuda.get_device_capability(device) < (8, 0):
        name = torch.cuda.get_device_name(device)
        raise MachineError(f"flash_attention_2 needs an Ampere GPU; this is a {name}.", "Use --attention sdpa.")


@cache
def native_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """The instruction set with which this CPU multiplies bfloat16 matrices, or None (also when it does not say)."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    line = next((line for line in text.splitlines() if line.lower().startswith(("flags", "features"))), "")
    flags = set(line.partition(":")[2].split())
    return next((flag for flag in ("amx_bf16", "avx512_bf16", "bf16") if flag in flags), None)


def available_memory(device: str) -> int:
    """Free bytes on the device: free GPU memory, or what this process may still take of the machine's memory."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    if device == "mps":
        import torch

        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    import psutil

    free = int(psutil.virtual_memory().available)
    limit = _container_room()
    return free if limit is None else min(free, limit)


def _container_room(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes left under this container's limit (cgroup v2, then v1), None where there is none.

    Cached file pages count as used there, but the kernel gives them up before anything fails: what was read of a large
    video is not memory that is gone.
    """
    for limit, used, detail, cached in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        try:
            most = int((root / limit).read_text())  # `max` where there is no limit
            taken = int((root / used).read_text())
            counts = dict(line.split() for line in (root / detail).read_text().splitlines())
            return max(0, most - max(0, taken - int(counts.get(cached, 0))))
        except (OSError, ValueError):
            continue
    return None
