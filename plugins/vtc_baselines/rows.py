"""What the pruners that look at a unit's rows have in common: their directions, and refusing what is not a number."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vtc_cli import NumbersError, Unit


def wide(values: Tensor, what: str) -> Tensor:
    """The same values in fp32 or wider. Raises NumbersError, naming `what`, when one is infinite or not a number."""
    values = values if values.dtype == torch.float64 else values.float()
    if not bool(torch.isfinite(values).all()):
        raise NumbersError(what)
    return values


def directions(unit: Unit) -> Tensor:
    """[n, d] the unit's rows with length one, fp32 or wider; a zero row stays zero, its cosine with any row is 0.

    Raises NumbersError when a row is not finite.
    """
    return normalize(wide(unit.tokens, f"the rows of unit {unit.index}"), dim=-1, eps=1e-12)


def cosines(one: Tensor, other: Tensor) -> Tensor:
    """[n, m] cosines of rows of length one, [n, d] and [m, d].

    Rounded to a few units in the last place: a matrix product may round the cosines of equal rows apart, and ties that
    should go to the earlier token would be decided by its blocking.
    """
    step = 8 * torch.finfo(one.dtype).eps
    return (one @ other.T / step).round() * step


def largest(score: Tensor, count: int) -> Tensor:
    """int64 [count], ascending: the places of the largest scores; of equal ones the earlier."""
    return score.argsort(descending=True, stable=True)[:count].sort().values
