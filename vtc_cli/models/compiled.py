"""Parts of a model compiled by torch: the MLPs of the tower and of the decoder.

Between attentions every row is for itself, so these take any number of rows, and nothing looks into them: methods read
attention, and the cache grows in it. For the same reason a whole step of decoding is not one graph here: the slab gives
attention a view that is a row longer each time, and a CUDA graph wants the same addresses and sizes again.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn

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


def compile_parts(model: Any, name: str, decoder: str) -> str:
    """Compile the MLPs of `model` and run each kind as it will be; what was done, and how long it took.

    name: how messages call the model. decoder: where it is in the model, as `decoder_path` gives it. Raises UsageError
    where there is no MLP that can be compiled, MachineError where torch cannot compile here.
    """
    parts = {
        full: part
        for full, part in model.named_modules()
        if full.rsplit(".", 1)[-1] in _NAMES and _is_layers_in_a_row(part)
    }
    if not parts:
        raise UsageError(
            f"{name} has no MLP that can be compiled: its rows are sent to experts.", "Leave out --compile."
        )
    began = time.perf_counter()
    try:
        tried = set()
        for full, part in parts.items():
            part.compile(dynamic=True)
            in_decoder = full.startswith(f"{decoder}.")
            kind = (in_decoder, type(part), tuple(value.shape for value in part.parameters()))
            if kind not in tried:
                tried.add(kind)
                _run(part, batched_only=in_decoder)
    except Exception as error:  # the compiler, its compiler and its drivers each raise their own
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MachineError(
            f"torch cannot compile here: {first_line[:200]}",
            "Leave out --compile, or install a C++ compiler (on a GPU also Triton).",
        ) from error
    return f"{len(parts)} MLPs compiled in {time.perf_counter() - began:.1f} s"


@torch.no_grad()
def _run(part: nn.Module, batched_only: bool) -> None:
    """Many rows and one, each a graph of its own. Towers give rows with a batch before them or without, by family."""
    first = next(module for module in part.modules() if isinstance(module, nn.Linear))
    for batch in ((1,),) if batched_only else ((1,), ()):
        for rows in (3, 1):
            part(torch.zeros(*batch, rows, first.in_features, dtype=first.weight.dtype, device=first.weight.device))


def _is_layers_in_a_row(part: nn.Module) -> bool:
    """Whether every row goes through the same layers: no experts."""
    return not hasattr(part, "experts") and any(isinstance(module, nn.Linear) for module in part.modules())
