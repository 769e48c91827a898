"""The bounded cache of a watched video, taken out of its session as plain tensors, and put into another one.

What is put back answers as the session it came from would have: the same rows at the same positions. It cannot watch
on, as no policy comes with it. Numbers of 32 bits are kept in 16: fp16, or bf16 where one is too large for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from vtc_cli.engine.budget import Allowance
from vtc_cli.engine.context import Context, Placed
from vtc_cli.engine.slab import Slab
from vtc_cli.errors import UsageError
from vtc_cli.models.contract import Cursor, ModelInfo, Span

VERSION = 1
"""Of what is kept. Another one is not read."""


@dataclass(frozen=True)
class KeptCache:
    """facts: where the timeline stands, plain values. tensors: by name, on the CPU: of every layer N `keys.N` and
    `values.N` [H, n, D], `unit.N` and `patch.N` int32 [H, n], what each entry is."""

    facts: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def entries(self) -> int:
        """Entries of a layer."""
        return int(self.facts["held"])

    @property
    def dtype(self) -> str:
        """Of keys and values."""
        return str(self.tensors["keys.0"].dtype).removeprefix("torch.")


def check_keepable(info: ModelInfo, layered: bool) -> None:
    """Raise UsageError where a cache is not all that a question needs, or its layers differ. layered: by a policy."""
    if info.decoder.recurrent or info.decoder.windows:
        raise UsageError(
            f"the {info.family} family keeps more than a cache of keys and values, so no snapshot of it can be made",
            "leave --snapshot out",
        )
    if layered:
        raise UsageError(
            "with a layer policy no snapshot of the cache can be made", "leave out --snapshot or the policy"
        )


def keep(context: Context, cut: Sequence[Placed]) -> KeptCache:
    """Everything a question finds, `cut` (see `Session`) included. The context stays as it is."""
    check_keepable(context.model.info, context.layered)
    slab, cursor = context.slab, context.cursor
    tensors: dict[str, Tensor] = {}
    with context.passing():
        if cut:
            context.forward(Span.join([span for _, span in cut]), "question")
            cursor = cut[-1][1].cursor
        held, seen = slab.held, slab.seen
        for number, block in enumerate(slab.blocks):
            tensors[f"keys.{number}"] = narrow(block.keys[0, :, :held])
            tensors[f"values.{number}"] = narrow(block.values[0, :, :held])
            tensors[f"unit.{number}"] = block.unit[:, :held].cpu().clone()
            tensors[f"patch.{number}"] = block.patch[:, :held].cpu().clone()
    times = context.times | {unit.index: unit.span for unit, _ in cut}
    facts = {
        "version": VERSION,
        "held": held,
        "seen": seen,
        "pinned": slab.pinned,
        "numbered": slab.numbered,
        "grid": slab.grid,
        "cursor": asdict(cursor),
        "units": context.units + len(cut),
        "times": [[unit, *span] for unit, span in sorted(times.items())],
        "visual_kept": context.meter.counts["visual_kept"],
        "evicted": context.meter.counts["evicted"],
    }
    return KeptCache(facts, tensors)


def put_back(context: Context, kept: KeptCache, turn: int) -> None:
    """Into a context that has watched nothing. turn: entries of room for a question and its answer.

    Raises UsageError for what was kept by another version, or of a model with other layers.
    """
    facts, info = kept.facts, context.model.info
    layers = info.decoder.layers
    if facts.get("version") != VERSION or len(kept.tensors) != 4 * layers:
        raise UsageError("the snapshot was made by another version of vtc, or of another model")
    held = kept.entries
    numbered = bool(facts["numbered"])
    slab = Slab(layers, held + turn, rotation=context.model.rotation() if numbered else None)
    devices = info.kv_devices or (info.device,) * layers
    for number, (block, device) in enumerate(zip(slab.blocks, devices, strict=True)):
        keys, values = (
            kept.tensors[f"{name}.{number}"].to(device, getattr(torch, info.dtype)) for name in ("keys", "values")
        )
        block.lazy_initialization(keys[None], values[None])
        block.keys[0, :, :held], block.values[0, :, :held] = keys, values
        for name, labels in (("unit", block.unit), ("patch", block.patch)):
            labels[:, :held] = kept.tensors[f"{name}.{number}"].to(device)
        block.held, block.seen = held, int(facts["seen"])
    if numbered:
        slab.show_by_slot()
    slab.grid = tuple(facts["grid"]) if facts["grid"] else None
    slab.pin(int(facts["pinned"]))
    entries = slab.evictable
    context.take_over(
        slab,
        Allowance(entries, entries * info.kv_bytes_per_token, "what was kept"),
        cursor=Cursor(**facts["cursor"]),
        units=int(facts["units"]),
        times={int(unit): (float(first), float(last)) for unit, first, last in facts["times"]},
    )
    for name in ("visual_kept", "evicted"):
        context.meter.add(name, int(facts[name]))


def narrow(values: Tensor) -> Tensor:
    """A copy on the CPU in 16 bits."""
    if values.dtype.itemsize == 2:
        return values.cpu().clone()
    small = bool(values.abs().amax() <= torch.finfo(torch.float16).max) if values.numel() else True
    return values.to(torch.float16 if small else torch.bfloat16).cpu()
