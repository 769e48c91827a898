"""vtc-novelty: keep the tokens that changed most since the moment before."""

from dataclasses import dataclass, field

from torch import Tensor
from torch.nn.functional import cosine_similarity

from vtc_cli import Kept, TokenPruner, Unit


@dataclass
class Novelty(TokenPruner):
    """Keep the tokens that resemble the same place one unit earlier the least.

    retain: share of a unit's tokens to keep, above 0 and at most 1. The first unit keeps its longest vectors.
    """

    retain: float = 0.25
    _last: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.retain <= 1:
            raise ValueError(f"retain must be above 0 and at most 1, not {self.retain}")

    def reset(self) -> None:
        self._last = None

    def budget(self, tokens: int) -> int:
        return max(1, int(tokens * self.retain))

    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        if self._last is None:
            novelty = unit.tokens.norm(dim=-1)
        else:
            novelty = 1 - cosine_similarity(unit.tokens, self._last, dim=-1)
        self._last = unit.tokens
        return Kept(novelty.topk(budget).indices.sort().values)
