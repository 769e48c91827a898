"""vtc-withdraw: half-way through the decoder, visual rows whose states hardly moved in it leave."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from vtc_cli import LayerPolicy, LayerRows, ModelInfo, Route


@dataclass
class Withdraw(LayerPolicy):
    """Let the visual rows leave that the layers between `first` and `last` changed least.

    first: states are noted on entering this layer, counted from 0.
    last: rows leave on entering this layer.
    retain: share of a unit's visual rows to keep, above 0 and at most 1; at least one row.
    """

    first: int = 0
    last: int = 2
    retain: float = 0.5
    _noted: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.last:
            raise ValueError(f"first must be at least 0 and below last, not {self.first} and {self.last}")
        if not 0 < self.retain <= 1:
            raise ValueError(f"retain must be above 0 and at most 1, not {self.retain}")

    def needs_on(self, model: ModelInfo) -> frozenset[str]:
        if self.last >= model.decoder.layers:
            raise ValueError(f"last must be below {model.decoder.layers}, the layers of {model.name}, not {self.last}")
        return self.needs

    def acts_at(self, layers: int) -> Sequence[int]:
        return (self.first, self.last)

    def enter(self, rows: LayerRows) -> Route:
        if rows.layer == self.first or self._noted is None:
            self._noted = rows.hidden  # of this forward; the next one overwrites it
            return Route()
        moved = (rows.hidden - self._noted).norm(dim=-1)
        stay = rows.patch < 0  # text never leaves
        for unit in rows.unit[rows.patch >= 0].unique():  # each unit for itself, however many share this forward
            places = ((rows.unit == unit) & (rows.patch >= 0)).nonzero()[:, 0]
            most = self._kept(len(places))
            stay[places[moved[places].sort(descending=True, stable=True).indices[:most]]] = True
        return Route(stay=stay.nonzero()[:, 0])

    def entries(self, visual: int, layers: int) -> Sequence[int]:
        return [visual if layer < self.last else self._kept(visual) for layer in range(layers)]

    def _kept(self, visual: int) -> int:
        return max(1, int(visual * self.retain)) if visual else 0
