"""The rows of a comparison: which methods together, at which budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from vtc_cli.errors import UsageError
from vtc_cli.jobs.settings import Settings
from vtc_cli.methods.options import read
from vtc_cli.methods.registry import Chosen, split

NONE, BLIND = "none", "blind"
_JOINT = re.compile(r"\s+|\+(?=[A-Za-z])")  # the pluses of `hiprune++` and of `layers=9+18` are followed by no letter


@dataclass(frozen=True)
class Row:
    """One line of the table.

    name: as shown, unique. methods: one per stage, as written. share: of the entries an uncompressed cache would hold,
    what this row's cache may hold; None leaves it to the methods and `--budget`. blind: sees noise.
    """

    name: str
    methods: tuple[str, ...] = ()
    share: float | None = None
    blind: bool = False

    @property
    def plain(self) -> bool:
        """Whether nothing is compressed: the row of `none` and the blind one."""
        return not self.methods and self.share is None

    def facts(self) -> dict[str, Any]:
        """What decides its answers besides what all rows share."""
        return {"methods": list(self.methods), "share": self.share, "blind": self.blind}


def rows_of(specs: Sequence[str], budgets: str | None = None, blind: bool = False) -> tuple[Row, ...]:
    """The rows of a comparison, `none` always first.

    specs: `NAME[:K=V,...]`, several stages joined by `+`. budgets: shares like `1/3,2/9`: each row without a size of
    its own stands once for each of them. blind: add the row that sees noise.
    Raises UsageError for unknown methods, impossible budgets, and two rows that are the same.
    """
    from vtc_cli.jobs.setup import methods_of  # which takes torch; whoever reads results does without

    shares = _shares(budgets) if budgets is not None else []
    rows = [Row(NONE)] + ([Row(BLIND, blind=True)] if blind else [])
    sized = False
    for spec in specs:
        methods = tuple(part for part in _JOINT.split(spec.strip()) if part and part != NONE)
        if not methods:
            if spec.strip() == NONE:
                continue
            raise UsageError(f"--method {spec!r} names no method", "write NAME:key=value, and join stages with +")
        chosen = methods_of(Settings(method=methods))
        found = [_sized(methods, chosen, text, share) for text, share in shares]
        expanded = [row for row in found if row is not None]
        sized |= bool(expanded)
        rows += expanded or [Row("+".join(methods), methods)]
    if shares and not sized:
        raise UsageError(
            "--budgets changes no row: no method is given, or each has its size already or has none that is a share",
            "it sets `retain` of a pruner, and the budget of a cache policy, where -m does not",
        )
    names = [row.name for row in rows]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"the row `{twice[0]}` is there twice", "give each method and budget once")
    return tuple(rows)


def _sized(methods: tuple[str, ...], chosen: dict[str, Chosen], text: str, share: float) -> Row | None:
    """The row at one share, None where the methods say their sizes themselves.

    A pruner on its own keeps that share of each unit. With a cache policy, the cache holds that share of the entries
    an uncompressed one would.
    """
    given = dict(map(split, methods))
    stages = {stage: _given(given, one) for stage, one in chosen.items()}
    cache, pruner = stages.get("cache"), stages.get("pruner")
    if cache is not None:
        if cache.keys() & {"budget", "memory"}:
            return None
        return Row(f"{'+'.join(methods)} at {text}", methods, share)
    if pruner is None or pruner.keys() & {"retain", "tokens"}:
        return None
    one = chosen["pruner"]
    if "retain" not in {item.name for item in fields(one.method)}:
        return None
    written = next(spec for spec in methods if split(spec)[0].rpartition(":")[2] == one.name)
    larger = f"{written}{',' if split(written)[1] else ':'}retain={text}"
    named = tuple(larger if spec == written else spec for spec in methods)
    return Row("+".join(named), named)


def _given(given: dict[str, dict[str, str]], one: Chosen) -> dict[str, str] | None:
    """The options written for a chosen method; None for one that nobody wrote (the default cache policy)."""
    return next((options for name, options in given.items() if name.rpartition(":")[2] == one.name), None)


def _shares(text: str) -> list[tuple[str, float]]:
    found = []
    for item in (part.strip() for part in text.split(",")):
        try:
            share = read(item, float)
        except ValueError as error:
            raise UsageError(f"--budgets {item!r}: {error}", "write shares like --budgets 1/3,2/9,1/9") from None
        if not 0 < share <= 1:
            raise UsageError(f"--budgets {item}: a share must be above 0 and at most 1", "like 1/3, 25% or 0.125")
        found.append((item, share))
    return found


def settings_of(row: Row, shared: Settings, entries: int | None = None) -> Settings:
    """What a row runs with. entries: what an uncompressed cache held of the same film, for a row with a share."""
    from vtc_cli.jobs.amounts import Budget

    if row.plain:
        return replace(shared, method=(), budget=None)
    if row.share is not None:
        if entries is None:
            return replace(shared, method=row.methods, budget=None)
        return replace(shared, method=row.methods, budget=Budget(tokens=max(1, round(entries * row.share))))
    return replace(shared, method=row.methods)
