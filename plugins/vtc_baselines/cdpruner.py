"""CDPruner: tokens that bear on the question and differ from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vtc_baselines.rows import cosines, directions, wide
from vtc_cli import Kept, SharePruner, Unit

_SPENT = 1e-6


@dataclass
class CDPruner(SharePruner):
    """Keep tokens that bear on the question and differ from each other: a conditional determinantal point process.

    CDPruner (arXiv 2506.10967, NeurIPS 2025). The relevance r of a token is its mean cosine with the question's tokens,
    stretched to 0..1 within the unit; the kernel is r_i * cosine(i, j) * r_j, and the tokens of the largest determinant
    are found greedily. Once every direction of the kernel is spent, what is left goes by relevance. The published code
    compares CLIP features, where what is asked about scores low, and negates; token and question embeddings of the
    language model itself are compared here, which need no second model.

    sign: 1 keeps what resembles the question, -1 what does not (the published sign, right for CLIP features).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"query"})
    instead: ClassVar[str | None] = "divprune"

    sign: Literal[1, -1] = 1

    def keep(self, unit: Unit, budget: int, query: Tensor | None = None) -> Kept:
        if query is None:
            raise ValueError("cdpruner was given no question")
        rows = directions(unit)
        words = normalize(wide(query, "the question's embeddings").to(rows), dim=-1, eps=1e-12)
        return Kept(greedy_determinant(rows, relevance(rows, words, self.sign), budget).sort().values)


def relevance(rows: Tensor, words: Tensor, sign: int = 1) -> Tensor:
    """[n] in 0..1: sign * the mean cosine with the words, from the least to the most of the unit; all 1 if all equal.

    rows: [n, d], words: [m, d], both of length one. A millionth is added so that no token is out of the question.
    """
    score = sign * cosines(rows, words).mean(-1)
    low, high = score.aminmax()
    return (score - low + 1e-6) / (high - low) if high > low else torch.ones_like(score)


def greedy_determinant(rows: Tensor, weight: Tensor, count: int) -> Tensor:
    """int64 [count], in the order chosen: greedy maximum of det L, L = weight * rows rows^T * weight.

    Incremental Cholesky (Chen et al., NeurIPS 2018): `left` is what each token would still add.
    """
    scaled = rows * weight[:, None]
    left = (scaled * scaled).sum(-1)
    factor = rows.new_zeros(count, len(rows))
    free = torch.ones_like(weight, dtype=torch.bool)
    chosen: list[int] = []
    while len(chosen) < count:
        best = int(torch.where(free, left, -torch.inf).argmax())
        if float(left[best]) <= _SPENT:
            by_weight = torch.where(free, weight, -torch.inf).argsort(descending=True, stable=True)
            chosen += by_weight[: count - len(chosen)].tolist()
            break
        made = len(chosen)
        gained = (scaled @ scaled[best] - factor[:made].T @ factor[:made, best]) / left[best].sqrt()
        factor[made] = gained
        left = left - gained * gained
        free[best] = False
        chosen.append(best)
    return torch.tensor(chosen, dtype=torch.int64, device=rows.device)
