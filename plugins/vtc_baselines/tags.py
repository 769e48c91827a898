"""Choosing by score among visual entries, with the time tags that belong to them."""

from __future__ import annotations

import torch
from torch import Tensor

from vtc_cli import LayerView


def best(score: Tensor, view: LayerView, keep: int) -> Tensor:
    """int64 [H, keep], ascending: per head the visual entries with the largest scores, and whole time tags beside them.

    score: [H, n]. Text is not scored: its keys and values are of another kind. The tags' share of what is kept is at
    most their share of what is there. They go to the units with most entries left (among equals to the earlier unit), a
    unit's whole tag or none of it; a tag without any picture left is kept only when there is nothing else to keep.
    Slots that no tag takes go to the next visual entries. Of equal scores the earlier entry is kept.
    """
    return torch.stack([_one(*head, keep) for head in zip(score, view.unit.long(), view.patch, strict=True)])


def _one(score: Tensor, unit: Tensor, patch: Tensor, keep: int) -> Tensor:
    text = patch < 0
    visual = (~text).nonzero()[:, 0]
    ranked = visual[score[visual].argsort(descending=True, stable=True)]
    quota = keep * int(text.sum()) // len(score)
    if not quota:
        return torch.cat([ranked, _newest_first(text)])[:keep].sort().values
    first = ranked[: keep - quota]
    # Units renumbered 0, 1, ... in order; how many entries of each stay, and how many rows its tag has.
    number = unit.unique(return_inverse=True)[1]
    units = int(number.max()) + 1
    left = torch.bincount(number[first], minlength=units)
    size = torch.bincount(number[text], minlength=units)
    order = left.argsort(descending=True, stable=True)
    order = order[left[order] > 0]
    tagged = torch.zeros(units, dtype=torch.bool, device=unit.device)
    tagged[order[size[order].cumsum(0) <= quota]] = True
    tags = (text & tagged[number]).nonzero()[:, 0]
    return torch.cat([first, tags, ranked[len(first) :], _newest_first(text & ~tagged[number])])[:keep].sort().values


def _newest_first(wanted: Tensor) -> Tensor:
    return wanted.nonzero()[:, 0].flip(0)
