"""HiPrune++ as a token pruner: HiPrune, and a part of the budget for the tokens nearest the question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from vtc_cli import NumbersError, SharePruner, Unit, VtcError
from vtc_hiprune.pruner import HiPrune
from vtc_hiprune.selection import check_share, check_sign, cosine, select, select_with_text


@dataclass
class HiPrunePlus(HiPrune, SharePruner):
    """HiPrune with a part of the budget for the tokens most similar to the question.

    Tokens are compared with the mean of the question's embeddings, in the language model's space. What is kept serves
    that question only. arXiv 2508.00553, section 4.4.

    beta: share of the kept tokens that the question chooses, 0 to 1.
    quota: `in_budget` counts them among the kept ones; `additive` adds them to what HiPrune keeps.
    sign: 1 keeps what is most similar to the question, -1 what is least.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"attention", "query"})
    instead: ClassVar[str | None] = "hiprune"

    beta: float = 0.1
    quota: Literal["in_budget", "additive"] = "in_budget"
    sign: Literal[1, -1] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("beta", self.beta)
        check_sign(self.sign)
        if self.quota not in ("in_budget", "additive"):
            raise ValueError(f"quota must be in_budget or additive, not {self.quota}")

    def average(self, tokens: int) -> int:
        base = super().average(tokens)
        return base if self.quota == "in_budget" else min(tokens, self._with_text(base))

    def _by_attention(self, unit: Unit, kept: int, query: Tensor | None) -> int:
        if query is None or not bool(cosine(unit.tokens, query).any()):
            return kept
        if self.quota == "in_budget":
            return kept - round(self.beta * kept)
        return next((number for number in range(kept, 0, -1) if self._with_text(number) == kept), kept)

    def _choose(self, unit: Unit, first: Tensor, deep: Tensor, count: int, query: Tensor | None) -> Tensor:
        if query is None:
            raise VtcError("HiPrune++ was given no question")
        near = cosine(unit.tokens, query)
        if not bool(torch.isfinite(near).all()):
            raise NumbersError(f"the rows of unit {unit.index} or the question's embeddings")
        base: int | None = count
        if self.quota == "additive":
            base = next((number for number in range(count, 0, -1) if self._with_text(number) <= count), None)
        if base is None:
            return select(first, deep, unit.grid, count, self.alpha, self.edge)
        return select_with_text(
            first, deep, near, unit.grid, base, self.alpha, self.beta, self.quota, self.sign, self.edge
        )

    def _with_text(self, base: int) -> int:
        return base + round(self.beta * base)
