"""What the vision tower made of a film, kept for the rows that come to it later.

Every row of a comparison shows the tower the same pictures, and the tower knows nothing of the method. So it need see
them once: the rows after the first take its output. What a row would have spent on the tower is then not measured for
that row, and its record says so with `null`; FLOPs are counted, not timed, and stay.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import torch

from vtc_cli.models.contract import Geometry, Prepared, Unit, VideoLM

MOST = 2 << 30  # bytes kept of one film; what is beyond is encoded again by each row
SECONDS = ("vision", "watch", "first_token_cold")  # of a record: what depends on who met the film first
MEMORY = ("rss_peak", "rss_lifetime_peak", "gpu_peak", "gpu_reserved_peak", "mps_peak")  # what is kept counts in them


class SharedVision:
    """A model whose tower sees each film once.

    model: the same model, as a session takes it; the one given is not changed. Units are found again by the content of
    their pictures, the geometry, their place in the film and the layers whose attention is read, so a unit is exactly
    what the tower would have made. most: bytes to keep.
    """

    def __init__(self, model: VideoLM, most: int = MOST):
        self._tower = model.encode
        self._most = most
        self._held = 0
        self._known: dict[Any, list[Unit]] = {}
        self.model = copy.copy(model)
        self.model.encode = self._encode  # type: ignore[method-assign]

    def forget(self) -> None:
        """The film is over."""
        self._known.clear()
        self._held = 0

    def _encode(
        self, prepared: Prepared, geometry: Geometry, first: int = 0, capture: Sequence[int] = ()
    ) -> list[Unit]:
        name = (_digest(prepared.patches), prepared.spans, geometry, first, tuple(capture))
        if name in self._known:
            return [copy.copy(unit) for unit in self._known[name]]
        units = self._tower(prepared, geometry, first=first, capture=capture)
        size = sum(map(_size, units))
        if self._held + size <= self._most:
            self._known[name] = [copy.copy(unit) for unit in units]
            self._held += size
        return units


def without_unmeasured(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a row that shared the tower, without the times and peaks that sharing spoils."""
    timeline = record["timeline"]
    return {
        **record,
        "seconds": {**record["seconds"], **dict.fromkeys(SECONDS)},
        "memory": {**record["memory"], **dict.fromkeys(MEMORY)},
        "timeline": timeline and {**timeline, "rss": [None] * len(timeline["rss"])},
        "energy_joules": None,
    }


def _digest(patches: torch.Tensor) -> bytes:
    content = patches.detach().cpu().contiguous().view(torch.uint8).numpy()
    return blake2b(content.tobytes(), digest_size=16).digest()


def _size(unit: Unit) -> int:
    return sum(part.nbytes for part in (unit.tokens, *unit.deep, *unit.scores.values()))
