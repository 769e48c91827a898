"""The size options shared by the pruners: a share of the tokens, or a number of them."""

from __future__ import annotations

from dataclasses import dataclass

from vtc_cli import TokenPruner


@dataclass
class SharePruner(TokenPruner):
    """A pruner that keeps a fixed share, or a fixed number, of every unit's tokens.

    retain: share of a unit's tokens to keep, above 0 and at most 1; rounded down, at least one token.
    tokens: number of tokens to keep per unit instead; 0 uses `retain`. More than there are keeps all.
    """

    retain: float = 0.25
    tokens: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.retain <= 1:
            raise ValueError(f"retain must be above 0 and at most 1, not {self.retain}")
        if self.tokens < 0:
            raise ValueError(f"tokens must be 0 (use retain) or more, not {self.tokens}")

    def budget(self, tokens: int) -> int:
        # The small term undoes the rounding of fractions: 2/9 of 9 tokens is 2, not 1.
        wanted = self.tokens or int(tokens * self.retain + 1e-9)
        return max(1, min(tokens, wanted))
