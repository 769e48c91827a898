"""Which model `--model auto` takes: the largest recommended one that fits the device's free memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vtc_cli.errors import MachineError
from vtc_cli.models.catalog import RECOMMENDED, ModelFacts
from vtc_cli.models.device import available_memory, pick_device, pick_dtype

KV_TOKENS = 16_384
WORKING_BYTES = 1_500_000_000  # vision and decoder activations of one step, library buffers


@dataclass(frozen=True)
class Choice:
    """A model and why, as one phrase."""

    id: str
    reason: str


def needed_bytes(facts: ModelFacts, dtype: str) -> int:
    """Weights, a KV cache of 16,384 tokens, and room to work."""
    return facts.weight_bytes(dtype) + KV_TOKENS * facts.kv_bytes_per_token(dtype) + WORKING_BYTES


def choose_here(device: str = "auto", dtype: str = "auto") -> Choice:
    """What `choose` takes on this machine, with the memory that is free now.

    Raises UsageError and MachineError as `pick_device` and `pick_dtype` do, MachineError when nothing fits.
    """
    place, _ = pick_device(device)
    memory = available_memory(place)
    kind, _ = pick_dtype(dtype, place, RECOMMENDED[0].parameters, memory)
    return choose(memory, place, kind, RECOMMENDED)


def choose(available: int, device: str, dtype: str, table: Sequence[ModelFacts] = RECOMMENDED) -> Choice:
    """The largest model of `table` (smallest first) that fits `available` bytes on `device` as `dtype`.

    A CPU gets the smallest: a larger one would fit many machines and answer on none in useful time.
    Raises MachineError, with the arithmetic, when not even the smallest fits.
    """
    smallest = table[0]
    if needed_bytes(smallest, dtype) > available:
        raise MachineError(
            f"no recommended model fits: {smallest.id} needs {arithmetic(smallest, dtype)}, "
            f"{_gb(available)} are available on {device}.",
            "Free memory, or use --model tiny.",
        )
    if device == "cpu":
        return Choice(smallest.id, "smallest recommended model, as there is no GPU")
    best = [facts for facts in table if needed_bytes(facts, dtype) <= available][-1]
    return Choice(best.id, f"largest recommended model that fits {_gb(available)}: {arithmetic(best, dtype)}")


def arithmetic(facts: ModelFacts, dtype: str) -> str:
    """`7.6 GB (4.3 weights + 1.9 KV for 16,384 tokens + 1.5 working)`."""
    weights, cached = facts.weight_bytes(dtype), KV_TOKENS * facts.kv_bytes_per_token(dtype)
    return (
        f"{_gb(needed_bytes(facts, dtype))} ({weights / 1e9:.1f} weights in {dtype} + {cached / 1e9:.1f} KV for "
        f"{KV_TOKENS:,} tokens + {WORKING_BYTES / 1e9:.1f} working)"
    )


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
