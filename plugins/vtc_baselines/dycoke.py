"""DyCoke's temporal stage: of four units one is shown whole, the others by what is new in them."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from vtc_baselines.lattice import lattice
from vtc_baselines.rows import directions, largest
from vtc_cli import Kept, SharePruner, Unit

_GROUP = 4
_SHOWN_AGAINST = {1: 0, 2: 0, 3: 2}  # within a group: unit -> the earlier unit it is compared with


@dataclass
class DyCokePruner(SharePruner):
    """In groups of four units, keep much of the first, and of the others what differs from an earlier one.

    The token temporal merging of DyCoke (arXiv 2411.15024, CVPR 2025), which drops tokens and merges none. The second
    and third unit of a group are compared with the first, the fourth with the third, place by place; the tokens with
    the smallest cosine stay. `retain` or `tokens` is the average over a group, exact for each whole one: the first unit
    takes its part of the four shares, the others a fraction 1 - `cut` of it each. With the default cut and
    retain=0.475 that is the published method, which keeps the first unit whole; a smaller share thins the first unit
    too, evenly over the picture; a larger one goes to the others.

    cut: how much less the later units keep than the first, from 0 to below 1; the paper uses 0.7.
    """

    cut: float = 0.7
    _seen: int = field(default=0, init=False, repr=False)
    _shown: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.cut < 1:
            raise ValueError(f"cut must be at least 0 and below 1, not {self.cut}")

    def reset(self) -> None:
        self._seen, self._shown = 0, {}

    def budget(self, tokens: int) -> int:
        """What the next unit keeps; the four of a group sum to four shares."""
        four = _GROUP * self.average(tokens)
        whole = min(tokens, int(four / (1 + 3 * (1 - self.cut)) + 1e-9))
        # Rounding must leave each later unit a token, and not more in all of them than there are.
        first = max(min(whole, four - 3), four - 3 * tokens)
        later = divmod(four - first, 3)
        place = self._seen % _GROUP
        return first if place == 0 else later[0] + (place <= later[1])

    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        place, now = self._seen % _GROUP, directions(unit)
        self._seen += 1
        if place in (0, 2):
            self._shown[place] = now
        if place == 0:
            return Kept(lattice(unit.grid, budget).to(now.device))
        alike = (now * self._shown[_SHOWN_AGAINST[place]]).sum(-1)
        return Kept(largest(-alike, budget))
