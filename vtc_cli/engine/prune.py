"""Running a pruner on a unit, and holding it to what it promises."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from vtc_cli.errors import UsageError, VtcError
from vtc_cli.methods.stages import Kept, TokenPruner
from vtc_cli.models.contract import Unit, VideoLM


class Pruning:
    """A pruner with what it needs computed. Without one, every row is kept.

    Raises UsageError at once when the pruner looks at the question and none is given, or needs something the engine
    does not compute.
    """

    def __init__(self, pruner: TokenPruner | None, model: VideoLM, question: str | None):
        self.pruner = pruner
        self.capture: tuple[int, ...] = ()
        self._query: Tensor | None = None
        if pruner is None:
            return
        name = type(pruner).__name__
        layers: set[int] = set()
        for need in sorted(pruner.needs):
            if need == "query":
                if question is None:
                    raise UsageError(
                        f"{name} chooses tokens by the question, so it must be known before watching",
                        "give the question to the session, or use a pruner that does not need it",
                    )
                self._query = model.embed_query(question)
            elif need.startswith("attention:"):
                layers |= _layers(need, model.info.tower.layers, name)
            else:
                raise UsageError(f"{name} needs `{need}`, which a pruner cannot be given")
        self.capture = tuple(sorted(layers))
        pruner.reset()

    def keep(self, unit: Unit) -> Kept | None:
        """What to keep of a unit, None for everything. Raises VtcError when the pruner breaks its contract."""
        return None if self.pruner is None else self._keep(self.pruner, unit)

    def peek(self, unit: Unit) -> Kept | None:
        """The same without the pruner remembering that it saw the unit."""
        return None if self.pruner is None else self._keep(copy.deepcopy(self.pruner), unit)

    def _keep(self, pruner: TokenPruner, unit: Unit) -> Kept:
        rows = unit.tokens.shape[0]
        budget = pruner.budget(rows)
        if not 1 <= budget <= rows:
            raise VtcError(f"{type(pruner).__name__} asks to keep {budget} of {rows} rows: this is a bug in the method")
        kept = pruner.keep(unit, budget, self._query)
        problem = check_kept(kept, unit, budget)
        if problem:
            raise VtcError(f"{type(pruner).__name__} {problem}: this is a bug in the method")
        return kept


def check_kept(kept: Kept, unit: Unit, budget: int) -> str | None:
    """How `kept` breaks the contract of a pruner, None if it does not."""
    indices = kept.indices
    if indices.dtype != torch.int64 or indices.ndim != 1:
        return f"returned indices of {indices.dtype} {list(indices.shape)}, not int64 [k]"
    if not 1 <= len(indices) <= budget:
        return f"kept {len(indices)} rows with a budget of {budget}"
    ascending = bool((indices[1:] > indices[:-1]).all())
    if not ascending or int(indices[0]) < 0 or int(indices[-1]) >= unit.tokens.shape[0]:
        return f"returned indices that are not ascending, unique and below {unit.tokens.shape[0]}"
    if kept.tokens is not None and kept.tokens.shape != (len(indices), unit.tokens.shape[1]):
        return f"merged into {list(kept.tokens.shape)}, not [{len(indices)}, {unit.tokens.shape[1]}]"
    return None


def _layers(need: str, depth: int, name: str) -> set[int]:
    """Vision layers (1-based) of `attention:9,31`."""
    try:
        layers = {int(item) for item in need.removeprefix("attention:").split(",")}
    except ValueError:
        raise UsageError(f"{name} needs `{need}`, which names no vision layers") from None
    beyond = sorted(layer for layer in layers if not 1 <= layer <= depth)
    if beyond:
        raise UsageError(f"{name} looks at vision layer {beyond[0]}, and this model's tower has layers 1 to {depth}")
    return layers
