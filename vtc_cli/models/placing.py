"""How a model is to be loaded: every option that says so, checked against the others before anything is read."""

from __future__ import annotations

from dataclasses import replace

from vtc_cli.errors import UsageError
from vtc_cli.models.auto import WORKING_BYTES
from vtc_cli.models.compiled import check_compilable
from vtc_cli.models.device import AS_ASKED, Placement, check_attention, pick_attention, pick_device, pick_dtype
from vtc_cli.models.lora import find_lora
from vtc_cli.models.quantise import pick_quantisation
from vtc_cli.models.spread import pick_spread


def pick_placement(
    *,
    device: str = "auto",
    dtype: str = "auto",
    attention: str = "auto",
    quantize: str | None = None,
    adapter: str | None = None,
    device_map: str | None = None,
    max_memory: str | None = None,
    compile: bool = False,
    name_reason: str = AS_ASKED,
) -> Placement:
    """The options of `load_model` as a decision; its `dtype` is still as asked, which `with_dtype` settles.

    Raises UsageError for unknown values and for options that exclude each other, MachineError for what this machine or
    this installation lacks.
    """
    kernel = pick_attention(attention)
    place, reason = pick_device(device)
    check_attention(kernel, place)
    small = pick_quantisation(quantize, place)
    lora = None if adapter is None else find_lora(adapter)
    if small and lora:
        raise UsageError(
            "--quantize and --adapter exclude each other: an adapter is folded into weights, which rounds them again.",
            "Leave one out, or save the folded model once and quantise that.",
        )
    spread = pick_spread(device_map, max_memory, place, WORKING_BYTES)
    if spread and (small or lora):
        raise UsageError(
            f"--device-map and {'--quantize' if small else '--adapter'} exclude each other: weights that are changed "
            "while they are loaded are on one device.",
            "Leave one out.",
        )
    if compile:
        check_compilable(place, small, spread is not None)
    return Placement(place, reason, dtype, AS_ASKED, kernel, name_reason, small, lora, spread, compile)


def with_dtype(placement: Placement, parameters: int, available: int) -> Placement:
    """The same decision with the number format that `pick_dtype` takes. Raises UsageError as that does."""
    dtype, reason = pick_dtype(placement.dtype, placement.device, parameters, available)
    return replace(placement, dtype=dtype, dtype_reason=reason)
