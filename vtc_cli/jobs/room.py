"""Memory of a run before it happens: weights where they will be, the cache in what they leave, pictures, one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import default_chunk, frames_ahead

if TYPE_CHECKING:
    from vtc_cli.engine.budget import Allowance
    from vtc_cli.models.contract import Geometry
    from vtc_cli.models.sketch import Sketch


@dataclass(frozen=True)
class Memory:
    """Bytes expected at the peak on the device that runs, beside the interpreter and its libraries. working:
    activations of one step, from the widths alone: an estimate. cache: of all devices together. elsewhere: weights on
    other devices and on disk."""

    weights: int
    cache: int
    frames: int
    working: int
    elsewhere: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.frames + self.working


def free_for_cache(drawn: Sketch) -> tuple[dict[str, int], tuple[str, ...]]:
    """Bytes free on each device that keeps entries once the weights are there, and a note for each they do not fit.

    Such a device counts as if they were not there, so that there is a plan for when there is room.
    """
    from vtc_cli.engine.budget import free_bytes
    from vtc_cli.report.units import size

    found, notes = {}, []
    for place in dict.fromkeys(drawn.info.kv_devices or (drawn.info.device,)):
        free, taken = free_bytes(place), drawn.weights.get(place, 0)
        found[place] = free - taken if taken < free else free
        if taken >= free:
            short = f"weights take {size(taken)}, and {size(free)} are free on {place}"
            notes.append(f"{short}: a run would be refused now")
    return found, tuple(notes)


def memory_of(
    source: tuple[int, int],
    settings: Settings,
    drawn: Sketch,
    geometry: Geometry,
    rows: int,
    allowance: Allowance,
    prefix: int,
    turn: int,
) -> Memory:
    """What one video takes. source: (width, height) of its pictures. rows: of the longest unit, with words around it.
    prefix, turn: rows outside the allowance."""
    (height, width), info = geometry.size, drawn.info
    chunk = settings.chunk or default_chunk(info.device)
    step = chunk * info.frames_per_unit
    each = info.weight_bytes // info.parameters if info.parameters else 4
    patches, new = chunk * geometry.patches, chunk * rows
    tower, decoder = info.tower, info.decoder
    # The widest moment of a layer: input, residual, queries, keys, values, output, and the hidden width of the MLP.
    seeing = patches * (6 * tower.hidden + 2 * tower.intermediate + tower.patch_inputs) * each
    reading = new * (6 * decoder.hidden + 3 * decoder.intermediate) * each + decoder.vocab * 4
    slots = prefix + allowance.entries + turn
    return Memory(
        weights=drawn.weights[info.device],
        cache=slots * info.kv_bytes_per_token + decoder.state_bytes,
        # Pictures wait at the model's size; only the one being decoded is as large as the video's.
        frames=((step + frames_ahead(step, geometry.size) + 1) * height * width + source[0] * source[1]) * 3,
        working=max(seeing, reading),
        elsewhere={place: amount for place, amount in drawn.weights.items() if place != info.device},
    )
