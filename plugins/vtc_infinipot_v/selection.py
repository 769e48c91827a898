"""Which visual tokens stay, per head: the newest frames, what they do not repeat, and what weighs most."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vtc_cli import NumbersError
from vtc_infinipot_v.pooling import Pooling, official, over_grid
from vtc_infinipot_v.scores import distinctiveness, value_norms

Align = Literal["patch", "packed"]


def select(
    keys: Tensor,
    values: Tensor,
    frame_id: Tensor,
    patch_id: Tensor,
    keep: int,
    *,
    unit_tokens: int,
    alpha: float = 0.5,
    recent: float = 0.125,
    align: Align = "patch",
    pooling: Pooling = "off",
    grid: tuple[int, int] | None = None,
    layer: int = 0,
    layers: int = 1,
) -> Tensor:
    """int64 [H, keep], ascending per head: the visual tokens of one layer that stay (Algorithm 1 of the paper).

    keys, values: [H, n, D], n tokens in temporal order. frame_id, patch_id: int [H, n], which frame (unit) and which
    patch of it a token is. unit_tokens: tokens of a whole frame. keep >= n keeps everything.
    alpha: share of what stays that is chosen by keys, the newest frames included; the rest is chosen by value norm.
    recent: share of the frames that is newest and stays whole, rounded down, at least one; with alpha = 0 none is.
    align: `patch` compares a token with the same patch of the newest frames. `packed` compares columns of the tokens
    packed into frames of `unit_tokens`, as the authors' code does; the two are the same until the first eviction.
    pooling: of the value norms: `off`, `official` (the authors' depth schedule over packed frames) or `grid` (over
    true places). grid: (rows, columns) of a frame, needed for pooling. layer, layers: where in the decoder, 0-based.

    Scores are fp32; among equal scores the earlier token stays. Raises ValueError, with the reason, on settings that
    cannot be met and on scores that are not numbers.
    """
    heads, count = _check_inputs(keys, values, frame_id, patch_id)
    _check_settings(keep, unit_tokens, alpha, recent, layer, layers)
    if align not in ("patch", "packed") or pooling not in ("off", "official", "grid"):
        raise ValueError(f"align {align!r} and pooling {pooling!r}: patch or packed, and off, official or grid")
    if align == "packed" and count % unit_tokens:
        raise ValueError(f"packed alignment needs whole frames: {count} tokens are no multiple of {unit_tokens}")
    check_pooling(pooling, grid, unit_tokens, count)
    if keep >= count:
        return torch.arange(count, device=keys.device).expand(heads, count)
    visual = torch.ones_like(frame_id, dtype=torch.bool)
    norms = smooth(value_norms(values), frame_id, patch_id, visual, pooling, grid, layer, layers)
    if align == "packed":
        frame_id, patch_id = packed(visual, unit_tokens)
    newest = newest_frames(frame_id.unique(), max(1, int(count / unit_tokens * recent)))
    protected = frame_id >= newest
    by_norm = round((1 - alpha) * keep)
    held = int(protected.sum(1).max())
    if alpha > 0 and held > keep - by_norm:
        raise ValueError(
            f"alpha {alpha} of {keep} tokens leaves {keep - by_norm} for keys, fewer than the {held} of the newest "
            "frames, which stay whole: raise alpha or keep, or lower recent"
        )
    tar = distinctiveness(keys, patch_id, protected, visual, grid) if alpha > 0 else None
    return choose(norms, tar, visual, protected, [keep] * heads, alpha).nonzero()[:, 1].view(heads, keep)


def choose(
    norms: Tensor, tar: Tensor | None, visual: Tensor, protected: Tensor, keep: list[int], alpha: float
) -> Tensor:
    """bool [H, n]: exactly `keep` visual tokens of each head.

    First the protected ones, then the best by `tar` until round((1 - alpha) * keep) places are left (half to even),
    then the best by norm. Without `tar` all are by norm. Where the protected ones alone are more than `keep`, the
    best of them by norm.
    Raises ValueError when a score is not a number.
    """
    places = torch.tensor(keep, device=norms.device)
    _check_numbers(norms, visual, "value norms")
    if tar is None:
        return _top(norms, visual, places)
    _check_numbers(tar, visual, "keys")
    by_norm = torch.tensor([round((1 - alpha) * count) for count in keep], device=norms.device)
    protected = protected & visual
    held = protected.sum(1)
    lifted = protected | _top(tar, visual & ~protected, (places - by_norm - held).clamp(min=0))
    crowded = (held > places)[:, None]
    candidates = torch.where(crowded, protected, visual)
    return _top(norms.masked_fill(lifted & ~crowded, torch.inf), candidates, places)


def packed(visual: Tensor, unit_tokens: int) -> tuple[Tensor, Tensor]:
    """(frame, column), int64 [H, n], of visual tokens packed into frames of `unit_tokens`, as the authors' code does.

    Counted from the newest token backwards, so that a remainder makes the oldest frame a partial one.
    """
    place = visual.cumsum(1) - 1 - visual.sum(1, keepdim=True)
    return place // unit_tokens, place % unit_tokens


def newest_frames(frames: Tensor, count: int) -> int:
    """The first of the newest `count` of `frames`, ascending and unique."""
    return int(frames[max(0, len(frames) - count)])


def smooth(
    norms: Tensor,
    frame: Tensor,
    patch: Tensor,
    visual: Tensor,
    pooling: Pooling,
    grid: tuple[int, int] | None,
    layer: int,
    layers: int,
) -> Tensor:
    """Value norms [H, n] after pooling; rows that are not visual are left as they are."""
    if pooling == "off" or grid is None:
        return norms
    smoothed = norms.clone()
    for head, shown in enumerate(visual):
        inside = norms[head, shown]
        if not len(inside):
            continue
        if pooling == "grid":
            pooled = over_grid(inside, frame[head, shown], patch[head, shown], grid, layer, layers)
        else:
            # Zeros beyond the border are the authors' padding; a partial oldest frame is completed with the same.
            missing = -len(inside) % (grid[0] * grid[1])
            pooled = official(torch.nn.functional.pad(inside, (missing, 0)), grid, layer, layers)[missing:]
        smoothed[head, shown] = pooled
    return smoothed


def check_pooling(pooling: Pooling, grid: tuple[int, int] | None, unit_tokens: int, count: int) -> None:
    """Raise ValueError when this pooling cannot be had for `count` tokens of such frames."""
    if pooling == "off":
        return
    if grid is None:
        raise ValueError(f"pooling {pooling} needs the grid of a frame")
    if min(grid) < 1:
        raise ValueError(f"a grid of {grid[0]} x {grid[1]} has no places")
    if pooling == "official" and (grid[0] * grid[1] != unit_tokens or count % unit_tokens):
        raise ValueError(
            f"official pooling needs whole frames: {count} tokens in frames of {unit_tokens} on a grid of "
            f"{grid[0]} x {grid[1]}"
        )


def _top(scores: Tensor, among: Tensor, count: Tensor) -> Tensor:
    """bool [H, n]: the `count` [H] best of `among` in each head; equals in order of their slots."""
    order = scores.masked_fill(~among, -torch.inf).argsort(dim=1, descending=True, stable=True)
    slots = torch.arange(order.shape[1], device=order.device)
    rank = torch.empty_like(order).scatter_(1, order, slots.expand_as(order))
    return among & (rank < count[:, None])


def _check_numbers(scores: Tensor, visual: Tensor, what: str) -> None:
    if bool((scores.isnan() & visual).any()):
        raise NumbersError(f"the {what}")


def _check_inputs(keys: Tensor, values: Tensor, frame_id: Tensor, patch_id: Tensor) -> tuple[int, int]:
    if keys.ndim != 3 or values.ndim != 3 or keys.shape[:2] != values.shape[:2]:
        raise ValueError(f"keys and values must be [H, n, D], not {list(keys.shape)} and {list(values.shape)}")
    heads, count = keys.shape[:2]
    for name, ids in (("frame_id", frame_id), ("patch_id", patch_id)):
        if ids.shape != (heads, count) or ids.is_floating_point():
            raise ValueError(f"{name} must be whole numbers [{heads}, {count}], not {ids.dtype} {list(ids.shape)}")
    if count and int(patch_id.min()) < 0:
        raise ValueError("patch_id is negative: text rows are not for this function")
    return heads, count


def _check_settings(keep: int, unit_tokens: int, alpha: float, recent: float, layer: int, layers: int) -> None:
    if keep < 1 or unit_tokens < 1:
        raise ValueError(f"keep and unit_tokens must be at least 1, not {keep} and {unit_tokens}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be from 0 to 1, not {alpha}")
    if not 0 < recent <= 1:
        raise ValueError(f"recent must be above 0 and at most 1, not {recent}")
    if not 0 <= layer < layers:
        raise ValueError(f"layer {layer} is not one of {layers}, counted from 0")
