"""Running a pruner on a unit, and holding it to what it promises."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vtc_cli.engine.products import products_of
from vtc_cli.errors import UsageError, VtcError
from vtc_cli.methods.stages import Kept, Method, TokenPruner
from vtc_cli.models.contract import ModelInfo, TowerDims, Unit, VideoLM


@dataclass(frozen=True)
class Pruned:
    """A unit, and what of it enters the language model. kept: None for everything."""

    unit: Unit
    kept: Kept | None
    pruner: TokenPruner | None = None
    query: Tensor | None = None

    def kinds(self) -> Mapping[str, Tensor]:
        """Why each row was kept: name -> int64 raster indices; to be asked before the next unit is pruned.

        Raises VtcError when the pruner's kinds are not a partition of what it kept.
        """
        if self.kept is None or self.pruner is None:
            return {"kept": torch.arange(self.unit.tokens.shape[0])}
        kinds = {name: indices.cpu() for name, indices in self.pruner.kinds(self.unit, self.kept, self.query).items()}
        told = torch.cat(list(kinds.values())) if kinds else torch.empty(0, dtype=torch.int64)
        if not torch.equal(told.sort().values, self.kept.indices.cpu()):
            raise VtcError(
                f"{type(self.pruner).__name__}: the kinds of its rows are not its rows: this is a bug in the method"
            )
        return kinds


class Pruning:
    """A pruner with what it needs computed. Without one, every row is kept.

    Raises UsageError at once when the pruner looks at the question and none is given, has options that the model
    cannot have, or needs something the engine does not compute.
    """

    def __init__(self, pruner: TokenPruner | None, model: VideoLM, question: str | None):
        self.pruner = pruner
        self.capture: tuple[int, ...] = ()
        self._products: int | None = None
        self._query: Tensor | None = None
        if pruner is None:
            return
        needs = needs_of(pruner, model.info)
        if "query" in needs:
            if question is None:
                raise question_unknown(pruner, type(pruner).__name__)
            self._query = model.embed_query(question)
        self.capture = layers_of(needs, model.info.tower, type(pruner).__name__)
        pruner.reset()

    def keep(self, unit: Unit) -> Kept | None:
        """What to keep of a unit, None for everything. Raises VtcError when the pruner breaks its contract."""
        return None if self.pruner is None else self._keep(self.pruner, unit)

    def pruned(self, unit: Unit, kept: Kept | None) -> Pruned:
        """What `keep` or `peek` gave for a unit, for whoever looks at it."""
        return Pruned(unit, kept, self.pruner, self._query)

    def peek(self, unit: Unit) -> Kept | None:
        """The same without the pruner remembering that it saw the unit."""
        return None if self.pruner is None else self._keep(copy.deepcopy(self.pruner), unit)

    def products(self, unit: Unit) -> int:
        """FLOP of the pruner's matrix products for a unit that it is about to see; its answer is not remembered.

        Counted at the first one: all units of a video have the same shape.
        """
        if self._products is None:
            self._products = products_of(lambda: self.peek(unit))
        return self._products

    def _keep(self, pruner: TokenPruner, unit: Unit) -> Kept:
        rows = unit.tokens.shape[0]
        budget = budget_of(pruner, rows)
        kept = pruner.keep(unit, budget, self._query)
        problem = check_kept(kept, unit, budget)
        if problem:
            raise VtcError(f"{type(pruner).__name__} {problem}: this is a bug in the method")
        return kept


def needs_of(method: Method, model: ModelInfo, name: str | None = None) -> frozenset[str]:
    """What a method needs on a model. name: what the user calls it. Raises UsageError for options it cannot have."""
    called = f"method `{name}`" if name else type(method).__name__
    try:
        return method.needs_on(model)
    except ValueError as error:
        raise UsageError(
            f"{called}: {error}", f"its options are listed by `vtc methods {name}`" if name else None
        ) from (error)


def layers_of(needs: frozenset[str], tower: TowerDims, name: str) -> tuple[int, ...]:
    """The vision layers (1-based, ascending) whose received attention a pruner needs.

    Raises UsageError for a layer the tower does not have, one with window attention (what its tokens receive is
    comparable within a window only), or a need that a pruner cannot be given.
    """
    layers: set[int] = set()
    for need in sorted(needs - {"query"}):
        if not need.startswith("attention:"):
            raise UsageError(f"{name} needs `{need}`, which a pruner cannot be given")
        layers |= _named(need, name)
    if layers and tower.opaque:
        raise UsageError(
            f"{name} looks at how the tower attends, which is not known of a model without an adapter of its own",
            "use a pruner that does not, such as -m uniform",
        )
    for layer in sorted(layers):
        if not 1 <= layer <= tower.layers:
            raise UsageError(
                f"{name} looks at vision layer {layer}, and this model's tower has layers 1 to {tower.layers}",
                "name one of these",
            )
        if layer in tower.windowed:
            whole = ", ".join(str(other) for other in range(1, tower.layers + 1) if other not in tower.windowed)
            raise UsageError(
                f"{name} looks at vision layer {layer}, where this model's attention stays within windows",
                f"layers that see the whole picture: {whole or 'none'}",
            )
    return tuple(sorted(layers))


def budget_of(pruner: TokenPruner, rows: int, name: str | None = None) -> int:
    """How many of a unit's `rows` the pruner will keep. name: what the user calls it.

    Raises UsageError when the pruner refuses a unit of that size, VtcError when it breaks its contract.
    """
    called = f"method `{name}`" if name else type(pruner).__name__
    try:
        budget = pruner.budget(rows)
    except ValueError as error:
        raise UsageError(f"{called}: {error}") from error
    if not 1 <= budget <= rows:
        raise VtcError(f"{type(pruner).__name__} asks to keep {budget} of {rows} rows: this is a bug in the method")
    return budget


def question_unknown(method: Method, name: str) -> UsageError:
    """The refusal of a method that looks at the question, where the question comes after watching."""
    other = f"`{method.instead}`, which" if method.instead else "a pruner that"
    return UsageError(
        f"{name} chooses tokens by the question, so it must be known before watching",
        f"give the question to the session, or use {other} does not need it",
    )


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


def _named(need: str, name: str) -> set[int]:
    """Vision layers (1-based) of `attention:9,31`."""
    try:
        return {int(item) for item in need.removeprefix("attention:").split(",")}
    except ValueError:
        raise UsageError(f"{name} needs `{need}`, which names no vision layers") from None
