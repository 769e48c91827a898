"""A pruner's size as every pruner here is given it: a share of a unit's tokens, or a number of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vtc_cli.methods.stages import TokenPruner

if TYPE_CHECKING:
    from vtc_cli.models.contract import ModelInfo


@dataclass
class SharePruner(TokenPruner):
    """A pruner that keeps a fixed share, or a fixed number, of every unit's tokens.

    One rounding for all of them: methods compared at a share keep the same number of tokens. It is HiPrune's, to the
    nearest whole number and halves to the even one.

    retain: share of a unit's tokens to keep, above 0 and at most 1; rounded to the nearest number, at least one token.
    tokens: number of tokens to keep per unit instead; 0 uses `retain`. More than a unit has is refused.
    """

    retain: float = 0.25
    tokens: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.retain <= 1:
            raise ValueError(f"retain must be above 0 and at most 1, not {self.retain:g}")
        if self.tokens < 0:
            raise ValueError(f"tokens must be 0 (use retain) or more, not {self.tokens}")

    def options_on(self, model: ModelInfo) -> Mapping[str, Any]:
        return {**super().options_on(model), ("retain" if self.tokens else "tokens"): None}

    @property
    def keeps_all(self) -> bool:
        """Whether every token of every unit stays: nothing is chosen, so nothing is computed for it."""
        return self.retain == 1 and not self.tokens

    def budget(self, tokens: int) -> int:
        return self.average(tokens)

    def average(self, tokens: int) -> int:
        if self.tokens > tokens:
            raise ValueError(f"tokens={self.tokens} is more than the {tokens} tokens of a unit: give {tokens} or fewer")
        return self.tokens or max(1, round(tokens * self.retain))
