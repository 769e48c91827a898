"""What a run ran on: versions of the software and names of the hardware, read without importing any of it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from vtc_cli.report.facts import MethodFacts


def versions(methods: Iterable[MethodFacts] = ()) -> dict[str, Any]:
    """Versions of vtc, its two large libraries, Python, and the distributions the chosen methods came from."""
    return {
        "vtc": _version("vtc-cli"),
        "torch": _version("torch"),
        "transformers": _version("transformers"),
        "python": platform.python_version(),
        "plugins": {method.distribution: method.version for method in methods if method.distribution is not None},
    }


def machine(device: str | None = None) -> dict[str, Any]:
    """Operating system, processor, cores this process may use, and the accelerator's name when `device` is one."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": _cores(),
        "accelerator": _accelerator(device),
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _cores() -> int | None:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _processor() -> str | None:
    try:  # platform.processor() is empty on most Linux systems
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def _accelerator(device: str | None) -> str | None:
    if device is None or not device.startswith("cuda"):
        return None
    import torch

    return str(torch.cuda.get_device_name(device))
