"""Which tokens HiPrune and HiPrune++ keep, from scores alone: pure functions, compared in fp32 or wider, stable ties.

Scores may be on any positive scale. Indices are raster indices of the grid the language model sees.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vtc_cli import NumbersError

Edge = Literal["strict", "official"]
Quota = Literal["in_budget", "additive"]


def select(
    object_scores: Tensor,
    deep_scores: Tensor,
    grid: tuple[int, int],
    keep: int,
    alpha: float = 0.1,
    edge: Edge = "strict",
) -> Tensor:
    """int64 [min(keep, n)], ascending: anchors, their neighbours, and the best of the rest (HiPrune, section 4.3).

    object_scores, deep_scores: [n], attention each token receives in the object layer and in the deep layer. Of `keep`
    tokens, round(keep * alpha / 5) are anchors: the highest object scores. Their four neighbours come with them; what
    is left of `keep` goes to the highest deep scores among the others. Where anchors and neighbours do not fit, the
    neighbours with the highest object scores stay.

    grid: (rows, columns) of one unit; n is a multiple of their product, units one after the other.
    edge: `strict`, a neighbour beyond the picture does not exist; `official`, as the authors' code has it: indices wrap
    to the next row at the sides and are clamped to the first and last token above and below.
    Raises ValueError: alpha outside [0, 1], keep below 1, scores that are not finite or do not fit the grid.
    """
    check_share("alpha", alpha)
    object_scores, deep_scores = torch.as_tensor(object_scores), torch.as_tensor(deep_scores)
    _check(grid, keep, edge, object=object_scores, deep=deep_scores)
    if keep >= len(deep_scores):
        return torch.arange(len(deep_scores), device=deep_scores.device)
    return _hiprune(_scores(object_scores, "object"), _scores(deep_scores, "deep"), grid, keep, alpha, edge)


def select_with_text(
    object_scores: Tensor,
    deep_scores: Tensor,
    similarity: Tensor | None,
    grid: tuple[int, int],
    keep: int,
    alpha: float = 0.1,
    beta: float = 0.1,
    quota: Quota = "in_budget",
    sign: int = 1,
    edge: Edge = "strict",
) -> Tensor:
    """int64, ascending: HiPrune's choice and, of the other tokens, those nearest the text (HiPrune++, section 4.4).

    similarity: [n], cosine of each token with the text; None or all zero stands for no text and gives `select`.
    beta: round(beta * keep) tokens are chosen by the text. quota: `in_budget`, HiPrune chooses that many fewer and
    min(keep, n) tokens stay; `additive`, they come on top. sign: +1 keeps the most similar tokens, as published; -1 the
    least similar, as the cited practice does with CLIP's projected patches, whose similarity is inverted.
    The other arguments are those of `select`. Raises ValueError as `select`, and for beta outside [0, 1].
    """
    check_share("alpha", alpha)
    check_share("beta", beta)
    check_sign(sign)
    if quota not in ("in_budget", "additive"):
        raise ValueError(f"quota must be in_budget or additive, not {quota}")
    object_scores, deep_scores = torch.as_tensor(object_scores), torch.as_tensor(deep_scores)
    given = {} if similarity is None else {"similarity": torch.as_tensor(similarity)}
    _check(grid, keep, edge, object=object_scores, deep=deep_scores, **given)
    count = len(deep_scores)
    if keep >= count:
        return torch.arange(count, device=deep_scores.device)
    nearness = sign * _scores(given["similarity"], "similarity") if given else None
    asked = round(beta * keep) if nearness is not None and bool(nearness.any()) else 0
    asked = asked if quota == "in_budget" else min(asked, count - keep)
    base = keep - asked if quota == "in_budget" else keep
    first = _hiprune(_scores(object_scores, "object"), _scores(deep_scores, "deep"), grid, base, alpha, edge)
    if nearness is None or not asked:
        return first
    return torch.cat([first, _best(nearness, asked, without=first)]).sort().values


def cosine(tokens: Tensor, text: Tensor) -> Tensor:
    """fp32 [n]: cosine of each row of `tokens` [n, d] with the mean of the rows of `text` [m, d]; 0 without text."""
    if not len(text):
        return torch.zeros(len(tokens), device=tokens.device)
    rows, mean = tokens.float(), text.float().mean(0)
    return (rows @ mean) / (rows.norm(dim=-1).clamp(min=1e-12) * mean.norm().clamp(min=1e-12))


def check_share(name: str, value: float) -> None:
    """Raise ValueError unless 0 <= value <= 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1, not {value}")


def check_sign(sign: int) -> None:
    """Raise ValueError unless the sign is 1 or -1."""
    if sign not in (1, -1):
        raise ValueError(f"sign must be 1 or -1, not {sign}")


def kinds(
    object_scores: Tensor,
    deep_scores: Tensor,
    grid: tuple[int, int],
    keep: int,
    alpha: float = 0.1,
    edge: Edge = "strict",
) -> dict[str, Tensor]:
    """The choice of `select` by what each token is: `anchor`, `buffer` (a neighbour of one), `register` (one of the
    best of the rest). int64 [k] each. The arguments are those of `select`, with `keep` below the number of tokens."""
    first, deep = (torch.as_tensor(scores) for scores in (object_scores, deep_scores))
    _check(grid, max(keep, 1), edge, object=first, deep=deep)
    parts = _parts(_scores(first, "object"), _scores(deep, "deep"), grid, keep, alpha, edge)
    return dict(zip(("anchor", "buffer", "register"), parts, strict=True))


def _hiprune(first: Tensor, deep: Tensor, grid: tuple[int, int], keep: int, alpha: float, edge: Edge) -> Tensor:
    return torch.cat(_parts(first, deep, grid, keep, alpha, edge)).sort().values


def _parts(
    first: Tensor, deep: Tensor, grid: tuple[int, int], keep: int, alpha: float, edge: Edge
) -> tuple[Tensor, Tensor, Tensor]:
    """Anchors, their neighbours, the best of the rest. Checked input, 0 <= keep < n."""
    anchors = _best(first, round(keep * alpha / 5))  # one anchor and four neighbours; halves round to even
    cross = _with_neighbours(anchors, grid, len(first), edge)
    buffers = cross[~torch.isin(cross, anchors)]
    if len(cross) > keep:
        buffers = buffers[_best(first[buffers], keep - len(anchors))]
    taken = torch.cat([anchors, buffers])
    return anchors, buffers, _best(deep, keep - len(taken), without=taken)


def _best(scores: Tensor, count: int, without: Tensor | None = None) -> Tensor:
    """Indices of the `count` highest scores, the lower index first among equals; `without` cannot be chosen."""
    if without is not None:
        scores = scores.index_fill(0, without, float("-inf"))
    return scores.argsort(descending=True, stable=True)[:count]


def _with_neighbours(anchors: Tensor, grid: tuple[int, int], count: int, edge: Edge) -> Tensor:
    """The anchors and those above, below, left and right of them, ascending, each once."""
    rows, columns = grid
    around = torch.stack([anchors, anchors - 1, anchors + 1, anchors - columns, anchors + columns])
    if edge == "official":
        return around.clamp(0, count - 1).unique()
    row, column = anchors // columns % rows, anchors % columns
    there = torch.stack([row >= 0, column > 0, column < columns - 1, row > 0, row < rows - 1])
    return around[there].unique()


def _scores(scores: Tensor, name: str) -> Tensor:
    """At least fp32, so that half-precision rounding decides nothing more. Raises ValueError unless all are finite."""
    wide = scores.detach().to(torch.promote_types(scores.dtype, torch.float32))
    if not bool(torch.isfinite(wide).all()):
        raise NumbersError(f"some {name} scores")
    return wide


def _check(grid: tuple[int, int], keep: int, edge: str, **scores: Tensor) -> None:
    rows, columns = grid
    if rows < 1 or columns < 1:
        raise ValueError(f"a grid has at least one row and one column, not {rows} x {columns}")
    if edge not in ("strict", "official"):
        raise ValueError(f"edge must be strict or official, not {edge}")
    if keep < 1:
        raise ValueError(f"keep must be at least 1, not {keep}")
    counts = {name: tuple(values.shape) for name, values in scores.items()}
    if len(set(counts.values())) != 1 or any(len(shape) != 1 or not shape[0] for shape in counts.values()):
        raise ValueError(f"scores must be one number per token, not {counts}")
    count = counts["deep"][0]
    if count % (rows * columns):
        raise ValueError(f"{count} scores do not fill units of {rows} x {columns} tokens")
