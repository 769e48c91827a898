"""Parts of a model compiled by torch: the MLPs of the tower and of the decoder.

Between attentions every row is for itself, so these take any number of rows, and nothing looks into them: methods read
attention, and the cache grows in it. For the same reason a whole step of decoding is not one graph here: the slab gives
attention a view that is a row longer each time, and a CUDA graph wants the same addresses and sizes again.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from vtc_cli.errors import MachineError, UsageError

_NAMES = ("mlp", "feed_forward")


def check_compilable(device: str, quantisation: str | None, spread: bool) -> None:
    """Raise UsageError or MachineError where compiling does not go with how a model is loaded."""
    beside = "--quantize" if quantisation else "--device-map" if spread else None
    if beside:
        raise UsageError(
            f"--compile and {beside} exclude each other: its weights are not plain tensors of one device.",
            "Leave one out.",
        )
    if device == "mps":
        raise MachineError("--compile is not there for Apple GPUs.", "Leave it out.")


def compile_parts(model: Any, name: str) -> str:
    """Compile the MLPs of `model` and try each kind with one row and with many; what was done, and how long it took.

    name: how messages call the model. Raises UsageError where it has none that can be compiled, MachineError where
    torch cannot compile here.
    """
    parts = [part for full, part in model.named_modules() if full.rsplit(".", 1)[-1] in _NAMES and _plain(part)]
    if not parts:
        raise UsageError(
            f"{name} has no MLP that can be compiled: its rows are sent to experts.", "Leave out --compile."
        )
    began = time.perf_counter()
    try:
        for part in parts:
            part.compile(dynamic=True)
        seen = set()
        for part in parts:
            first = next(module for module in part.modules() if isinstance(module, nn.Linear))
            kind = (type(part), tuple(value.shape for value in part.parameters()))
            if kind not in seen:
                seen.add(kind)
                for rows in (3, 1):
                    _try(part, first, rows)
    except Exception as error:  # the compiler, its compiler and its drivers each raise their own
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MachineError(
            f"torch cannot compile here: {first_line[:200]}",
            "Leave out --compile, or install a C++ compiler (on a GPU also Triton).",
        ) from error
    return f"{len(parts)} MLPs compiled in {time.perf_counter() - began:.1f} s"


@torch.no_grad()
def _try(part: nn.Module, first: nn.Linear, rows: int) -> Tensor:
    given = torch.zeros(1, rows, first.in_features, dtype=first.weight.dtype, device=first.weight.device)
    result: Tensor = part(given)
    return result


def _plain(part: nn.Module) -> bool:
    """Whether it is layers in a row, without experts."""
    return not hasattr(part, "experts") and any(isinstance(module, nn.Linear) for module in part.modules())
