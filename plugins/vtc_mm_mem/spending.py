"""What a search may cost, and what it has cost: looks, visual tokens, seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """calls: looks at pictures; several prompts about one look are one call, as its pictures are read once.
    visual_tokens: of all looks together. seconds: of wall time; 0 for as long as it takes."""

    calls: int = 12
    visual_tokens: int = 16_384
    seconds: float = 0.0


@dataclass
class Spending:
    """What has been spent within `limits`."""

    limits: Limits
    calls: int = 0
    visual_tokens: int = 0
    tokens: int = 0
    now: Callable[[], float] = time.monotonic
    _began: float = field(default=0.0)

    def __post_init__(self) -> None:
        self._began = self.now()

    def exhausted(self) -> str | None:
        """Which limit allows no further look; None while there is room. One look there may be, however late it is."""
        if self.calls >= self.limits.calls:
            return "calls"
        if self.visual_tokens >= self.limits.visual_tokens:
            return "tokens"
        if self.calls and self.limits.seconds and self.now() - self._began >= self.limits.seconds:
            return "seconds"
        return None

    def frames(self, wanted: int, each: int, share: float = 1.0) -> int:
        """How many of `wanted` frames may be looked at.

        each: visual tokens of one, at the most. share: of the whole limit, for a look that must leave room for others.
        The very first look may be at one frame, whatever it costs: without any there is no answer.
        """
        left = min(self.limits.visual_tokens - self.visual_tokens, share * self.limits.visual_tokens)
        allowed = int(left // max(1, each))
        return min(wanted, max(1, allowed) if not self.calls else allowed)

    def looked(self, visual_tokens: int) -> None:
        """A look has been taken. visual_tokens: 0 for one that cost no new pictures."""
        self.calls += 1
        self.visual_tokens += visual_tokens
