"""Lets the library's own video processors run in tests where torchvision cannot load its compiled operators.

torchvision's Python code needs two operator schemas to be declared before it imports; wheels built for another torch
declare them in a library that does not load. The processors never call the operators. For tests only.
"""

from __future__ import annotations

import importlib.util

import pytest
import torch

_declared: list[torch.library.Library] = []


def declare_operators() -> bool:
    """Declare the schemas where torchvision is installed, before the library first imports it. True when it is."""
    if importlib.util.find_spec("torchvision") is None:
        return False
    if not _declared and not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
    return True


def torchvision_or_skip() -> None:
    """Make `import torchvision` work, or skip the test with the reason."""
    if not declare_operators():
        pytest.skip("torchvision is not installed; the other oracles of this file still run")
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"torchvision does not import here: {error}")
