"""What a model believes about labels, and how sure it is: shares, coverage, entropy in nats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GATE = 0.5
"""Nats. The entropy of an 80/20 split is 0.5004: below this, one label has four fifths or more."""

LEAST_COVERAGE = 0.5
"""Of the model's whole next-token mass that must be on labels before their shares mean anything."""


@dataclass(frozen=True)
class Weighed:
    """Label -> log of the mass that the whole next-token distribution puts on its spellings; -inf for none."""

    logs: Mapping[str, float]


@dataclass(frozen=True)
class Posterior:
    """shares: label -> probability among the labels. coverage: mass on all labels together, 0 to 1."""

    shares: Mapping[str, float]
    coverage: float

    @property
    def entropy(self) -> float:
        """Nats."""
        return -sum(share * math.log(share) for share in self.shares.values() if share > 0)

    @property
    def best(self) -> str:
        """The likeliest label; the earlier of equals."""
        return max(self.shares, key=lambda label: self.shares[label])

    def confident(self, gate: float = GATE) -> bool:
        """Entropy at most `gate`, and most of the mass on labels at all."""
        return self.entropy <= gate and self.coverage >= LEAST_COVERAGE


def posterior(readings: Sequence[Weighed]) -> Posterior:
    """The posterior from one reading, or the mean of log shares over several (orders of the options).

    Where a reading puts no mass on any label it says nothing: its shares are equal and it covers nothing.
    Raises ValueError without readings, or when they are about different labels.
    """
    if not readings or any(set(reading.logs) != set(readings[0].logs) for reading in readings):
        raise ValueError("readings of the same labels are wanted, at least one")
    labels = list(readings[0].logs)
    shares = [_shares([reading.logs[label] for label in labels]) for reading in readings]
    means = [
        math.fsum(math.log(max(one[place], 1e-300)) for one in shares) / len(shares) for place in range(len(labels))
    ]
    mixed = _shares(means)
    covered = math.fsum(math.fsum(map(math.exp, reading.logs.values())) for reading in readings) / len(readings)
    return Posterior(dict(zip(labels, mixed, strict=True)), min(1.0, covered))


def _shares(logs: Sequence[float]) -> list[float]:
    top = max(logs)
    if not math.isfinite(top):
        return [1 / len(logs)] * len(logs)
    weights = [math.exp(value - top) for value in logs]
    total = math.fsum(weights)
    return [weight / total for weight in weights]
