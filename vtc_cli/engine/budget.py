"""How many entries the cache may hold: what was asked for, or what fits the device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vtc_cli.errors import UsageError
from vtc_cli.methods.options import Bytes

if TYPE_CHECKING:
    from vtc_cli.models.contract import ModelInfo

ACCELERATOR_SHARE = 0.5
"""Of the free device memory; the rest is for activations and for others."""

CPU_SHARE = 0.25
"""Of the free main memory; the machine has other work, and decoding frames is some of it."""

MOST_BYTES = 2**60
"""No machine has them; larger sizes overflow an allocator's arithmetic."""

ROWS_MARGIN = 8
"""Later units of a video may be longer than the first by this much: their time tags have more digits."""


@dataclass(frozen=True)
class Allowance:
    """What the cache may hold after the pinned prefix. reason: one phrase, shown in reports."""

    entries: int
    bytes: int
    reason: str


def allow(
    info: ModelInfo,
    *,
    prefix: int,
    turn: int,
    unit: int,
    asked: int | None = None,
    units: int | None = None,
    most: int | None = None,
    free: Mapping[str, int] | None = None,
) -> Allowance:
    """The budget of a session.

    prefix, turn: entries outside the budget. unit: rows of the first unit. asked: entries, or `Bytes`; None chooses
    what fits the device and the model's context. units: how many units the video will have, when known, so that no
    more is taken than it needs; most: how many the policy holds at the same time. free: bytes free on each device that
    keeps entries, measured when None.
    Raises UsageError, with the arithmetic, when the budget, or the model's context, holds less than one unit.
    """
    each = info.kv_bytes_per_token
    context = info.context - prefix - turn
    if context < unit:
        raise UsageError(
            f"the model's context of {info.context:,} tokens has no room for one unit of {unit:,} rows beside a prefix "
            f"of {prefix:,} and a turn of {turn:,}",
            "lower --max-new-tokens or --pixels",
        )
    if asked is not None:
        entries, in_bytes = entries_of(asked, each), isinstance(asked, Bytes)
        if entries * each > MOST_BYTES:
            raise UsageError(f"a cache budget of {entries:,} entries is beyond any machine", "lower --budget")
        if entries < unit:
            raise below_one_unit(entries, unit, each, in_bytes=in_bytes)
        return Allowance(entries, entries * each, "asked for")
    fits, reason = _fitting(info, free)
    entries = max(0, fits - prefix - turn)
    if context < entries:
        entries, reason = context, f"the model's context of {info.context:,}"
    for count, why in ((units, "the whole video fits"), (most, f"{most} units are held at most")):
        needed = None if count is None else max(1, count) * (unit + ROWS_MARGIN)
        if needed is not None and needed < entries:
            entries, reason = needed, why
    if entries < unit:
        raise below_one_unit(entries, unit, each, why=reason)
    return Allowance(entries, entries * each, reason)


def _fitting(info: ModelInfo, free: Mapping[str, int] | None) -> tuple[int, str]:
    """Entries that fit where the layers keep them, and why no more: the device that is full first."""
    layers = Counter(info.kv_devices or (info.device,))
    found = []
    for device, count in layers.items():
        room = free_bytes(device) if free is None else free[device]
        share = CPU_SHARE if device.startswith("cpu") else ACCELERATOR_SHARE
        fits = int(room * share) * layers.total() // (info.kv_bytes_per_token * count)
        found.append((fits, f"{share:.0%} of {room / 1e9:.1f} GB free on {device}"))
    return min(found)


def entries_of(asked: int, each: int) -> int:
    """A budget in entries of `each` bytes; `asked` is a number of entries, or `Bytes`."""
    return asked // each if isinstance(asked, Bytes) else int(asked)


def below_one_unit(
    entries: int,
    unit: int,
    each: int,
    *,
    in_bytes: bool = False,
    why: str = "",
    parts: str = "",
    option: str = "--budget",
    thinner: str = "prune with -m uniform",
) -> UsageError:
    """The refusal of a budget that does not hold one unit of `unit` entries.

    in_bytes: whether it was given so. why: where it comes from, if nobody asked for it. parts: what the unit consists
    of. option: what the user would raise. thinner: how a unit could take fewer entries.
    """
    held = f"{entries:,} entries" + (f" of {each:,} bytes each" if in_bytes else f" ({why})" if why else "")
    need = f"{unit * each}B" if in_bytes else f"{unit}"
    return UsageError(
        f"the cache budget of {held} is smaller than one unit of {unit:,} entries{f' ({parts})' if parts else ''}",
        f"raise {option} to {need} or more, lower --pixels, or {thinner}",
    )


def one_budget(session: int | None, policy: int) -> int | None:
    """The one budget asked for by the session (None: not at all) and the cache policy (0: not at all), None if neither.

    Raises UsageError when both ask and differ, or one asks for less than an entry.
    """
    if session is not None and session < 1:
        raise UsageError(f"the cache budget must be at least one entry, not {session}")
    if session is not None and policy and (type(session), session) != (type(policy), policy):
        raise UsageError(
            f"two cache budgets: {_shown(session)} for the session and {_shown(policy)} for its cache policy",
            "give one of them",
        )
    return session or policy or None


def _shown(amount: int) -> str:
    return f"{amount:,} bytes" if isinstance(amount, Bytes) else f"{amount:,}"


def free_bytes(device: str) -> int:
    """Bytes a session could take on `device` now; what the process holds there without using it is free too."""
    from vtc_cli.models.device import available_memory

    free = available_memory(device)
    if device.startswith("cuda"):
        import torch

        free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(0, free)
