"""Where and how a figure was measured; every result file carries it."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def provenance() -> dict[str, Any]:
    """Date, command, machine and versions."""
    import psutil
    import torch
    import transformers

    import vtc_cli

    script = Path(sys.argv[0]).resolve()
    root = Path(__file__).resolve().parents[1]
    module = ".".join(script.relative_to(root).with_suffix("").parts) if script.is_relative_to(root) else script.name
    machine: dict[str, Any] = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        machine["gpu"] = torch.cuda.get_device_name()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": shlex.join(["python", "-m", module, *sys.argv[1:]]),
        "machine": machine,
        "versions": {
            "vtc": vtc_cli.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }
