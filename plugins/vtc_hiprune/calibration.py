"""Which layer of a vision tower is the object layer: the authors' procedure (paper, section 3 and its appendix).

For every layer, take the tokens that receive most attention there and measure how far apart their final features lie.
Over the layers the distance goes through three phases: shallow, middle, deep. The object layer is the last of the
middle phase. The authors read the bends off a plot; here they are where three straight lines fit the curve best.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from vtc_cli import Calibration, Frame, VideoLM
from vtc_hiprune.layers import layers_for

SHARES = (0.05, 0.10, 0.25)
PHASES = ("shallow", "middle", "deep")
TOGETHER = 4  # units encoded at once
SHORTEST = 2  # layers of a phase: through fewer points any line fits


def calibrate(model: VideoLM, clips: Sequence[Sequence[Frame]]) -> Calibration:
    """The object layer of a model, from pictures. clips: each whole units of one size.

    Features are the rows the language model receives, distances are relative to those between all tokens of a unit.
    Layers with window attention are left out. Raises ValueError without pictures.
    """
    tower = model.info.tower
    layers = [layer for layer in range(1, tower.layers + 1) if layer not in tower.windowed]
    units, total = 0, torch.zeros(len(layers), len(SHARES), dtype=torch.float64)
    for clip in clips:
        if not clip:
            continue
        geometry = model.geometry((clip[0].image.shape[2], clip[0].image.shape[1]))
        step = TOGETHER * model.info.frames_per_unit
        for first in range(0, len(clip), step):
            prepared = model.prepare(clip[first : first + step], geometry)
            for unit in model.encode(prepared, geometry, capture=layers):
                scores = torch.stack([unit.scores[layer] for layer in layers])
                total += spread(unit.tokens, scores)
                units += 1
    if not units:
        raise ValueError("there are no pictures to calibrate on")
    curves = total / units
    default, _ = layers_for(model.info)
    notes = [f"measured on {units} units; 1 is the distance between any two tokens of a unit"]
    ends = phases(curves.mean(1))
    if ends is None:
        chosen, names = default, [""] * len(layers)
        notes.append(f"{len(layers)} layers see the whole picture, too few to tell phases apart: the default stays")
    else:
        chosen = layers[ends[1] - 1]
        names = [PHASES[(index >= ends[0]) + (index >= ends[1])] for index in range(len(layers))]
        notes.append(f"the object layer is the last one before the deep phase; the default would be {default}")
    rows = tuple(
        (layer, *(round(value, 4) for value in values), name)
        for layer, values, name in zip(layers, curves.tolist(), names, strict=True)
    )
    columns = ("layer", *(f"top {share:.0%}" for share in SHARES), "phase")
    return Calibration({"layer": chosen}, columns, rows, tuple(notes))


def spread(tokens: Tensor, scores: Tensor) -> Tensor:
    """float64 [layers, shares]: mean distance between the best-scored tokens, relative to that of all tokens.

    tokens: [n, d]. scores: [layers, n].
    """
    features = tokens.float()
    distances = torch.cdist(features, features).double().cpu()
    count = len(features)
    overall = _mean(distances)
    order = scores.argsort(dim=1, descending=True, stable=True).cpu()
    found = torch.ones(len(scores), len(SHARES), dtype=torch.float64)
    if overall > 0:
        for row, best in enumerate(order):
            for column, share in enumerate(SHARES):
                some = best[: min(count, max(2, round(count * share)))]
                found[row, column] = _mean(distances[some][:, some]) / overall
    return found


def phases(curve: Tensor) -> tuple[int, int] | None:
    """Where the second and the third phase of a curve begin: the two cuts with the smallest squared error of a
    straight line through each part. The first such pair; None for a curve too short for three phases."""
    count = len(curve)
    best: tuple[float, tuple[int, int]] | None = None
    for cuts in combinations(range(SHORTEST, count - SHORTEST + 1), 2):
        if cuts[1] - cuts[0] < SHORTEST:
            continue
        error = sum(_line_error(curve[a:b]) for a, b in ((0, cuts[0]), cuts, (cuts[1], count)))
        if best is None or error < best[0] - 1e-12:
            best = error, cuts
    return None if best is None else best[1]


def _mean(distances: Tensor) -> float:
    """Over pairs of different tokens."""
    count = len(distances)
    return float(distances.sum()) / (count * (count - 1)) if count > 1 else 0.0


def _line_error(values: Tensor) -> float:
    """Squared error of the best straight line."""
    place = torch.arange(len(values), dtype=torch.float64)
    place, height = place - place.mean(), values.double() - values.double().mean()
    slope = (place * height).sum() / (place**2).sum()
    return float(((height - slope * place) ** 2).sum())
