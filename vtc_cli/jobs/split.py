"""One budget, spent on two things: how many tokens a unit keeps, and how many units the cache holds.

The rule, and why it is this one, is told in docs/methods/budget.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from vtc_cli.engine.budget import below_one_unit, entries_of
from vtc_cli.errors import UsageError
from vtc_cli.jobs.settings import Settings
from vtc_cli.methods.options import Bytes, values
from vtc_cli.methods.registry import Chosen, split
from vtc_cli.methods.stages import CachePolicy, TokenPruner

if TYPE_CHECKING:
    from vtc_cli.models.contract import VideoLM
    from vtc_cli.models.sketch import Sketch
    from vtc_cli.video.sampling import SamplingPlan

LEAST = 1 / 9
"""Of a unit's tokens: below it, pruners lose more than a shorter memory does, as far as the papers' tables go."""

SIZES = ("tokens", "retain")
"""The options by which a pruner can be told how many tokens of a unit to keep."""


@dataclass(frozen=True)
class Split:
    """How a budget is spent.

    entries: the budget, per layer. tokens, kept: visual rows of a unit before and after pruning. around: its other rows
    (time tag, markers), of the longest unit. length: whole units the cache holds. units: of the video, None if unknown.
    reason: what decided, one phrase.
    """

    entries: int
    tokens: int
    kept: int
    around: int
    length: int
    units: int | None
    reason: str


def split_budget(
    chosen: Mapping[str, Chosen],
    settings: Settings,
    shape: VideoLM | Sketch,
    size: tuple[int, int],
    sampling: SamplingPlan,
) -> tuple[dict[str, Chosen], Split | None]:
    """The methods, the pruner sized to the budget of `settings`, and how it is spent; as they are without a budget.

    A budget that only the cache policy's own options give is checked, and decides nothing else.

    size: (width, height) of the video's pictures. What the methods' own options say stays as it is, and the budget
    decides the rest. Raises UsageError when the budget does not hold one unit.
    """
    methods = dict(chosen)
    policy = methods["cache"].method
    assert isinstance(policy, CachePolicy)
    amount = policy.asked_budget if settings.budget is None else settings.budget.amount
    if not amount:
        return methods, None
    info = shape.info
    entries = entries_of(amount, info.kv_bytes_per_token)
    units = None if sampling.frames is None else -(-sampling.frames // info.frames_per_unit)
    tokens = shape.geometry(size, settings.pixels).tokens
    last = sampling.start + max(0, (units or 1) - 1) * info.frames_per_unit / sampling.fps
    around = _around(shape, (last, last + (info.frames_per_unit - 1) / sampling.fps))
    most = policy.most_units()
    known = [count for count in (units, most) if count is not None]
    wanted = max(1, min(known)) if known else None

    pruner = methods.get("pruner")
    if settings.budget is None:  # the methods have said it all, each for itself
        kept, reason = tokens if pruner is None else _kept(pruner, tokens), ""
    elif pruner is None:
        kept, reason = tokens, "no pruner, so units stay whole"
    elif said := _said(pruner, settings):
        kept, reason = _kept(pruner, tokens), f"{said} is given for {pruner.name}"
    elif _sized(pruner, 1, tokens) is None:
        kept, reason = _kept(pruner, tokens), f"{pruner.name} has its own size"
    elif wanted is None:
        kept, reason = _kept(pruner, tokens), f"{pruner.name} keeps its usual share: the length is unknown"
    else:
        pruner, kept, reason = _fitted(pruner, tokens, around, entries, wanted, methods["cache"].name)
        methods["pruner"] = pruner
    first = max(kept, _first(pruner, tokens)) if pruner is not None else kept
    if entries < first + around:
        option = _budget_option(methods["cache"]) if settings.budget is None else "--budget"
        each, in_bytes = info.kv_bytes_per_token, isinstance(amount, Bytes)
        raise _refusal(methods, entries, first, around, each, in_bytes, option)
    if settings.budget is None:
        return methods, None
    return methods, Split(entries, tokens, kept, around, entries // (kept + around), units, reason)


def budget_given(chosen: Mapping[str, Chosen], settings: Settings) -> bool:
    """Whether the settings, or the cache policy's own options, name a budget."""
    policy = chosen["cache"].method
    return settings.budget is not None or bool(isinstance(policy, CachePolicy) and policy.asked_budget)


def _fitted(pruner: Chosen, tokens: int, around: int, entries: int, wanted: int, cache: str) -> tuple[Chosen, int, str]:
    """The pruner as gentle as the budget allows for `wanted` units in the cache, but no harsher than `LEAST`."""
    least = max(1, int(tokens * LEAST + 0.5))
    kept = min(tokens, entries // wanted - around)
    sized = _sized(pruner, max(kept, least), tokens)
    # A pruner may take more of the first unit, which has nothing before it.
    while kept > least and sized is not None and wanted * (kept + around) + _first(sized, tokens) - kept > entries:
        kept -= 1
        sized = _sized(pruner, kept, tokens)
    if kept >= least:
        units, s = (f"all {wanted:,} units", "") if wanted > 1 else ("the one unit", "s")
        whole = f"{units} fit{s} whole" if kept == tokens else f"so that {units} stay{s}"
    else:
        kept = max(1, min(least, entries - around))
        sized = _sized(pruner, kept, tokens)
        part = "thinned to the least" if kept == least else "so that one unit fits"
        whole = f"{part}; not all {wanted:,} units stay, {cache} decides" if wanted > 1 else part
    assert sized is not None
    return sized, kept, whole


def _first(pruner: Chosen, tokens: int) -> int:
    assert isinstance(pruner.method, TokenPruner)
    return pruner.method.budget(tokens)


def _kept(pruner: Chosen, tokens: int) -> int:
    from vtc_cli.jobs.fitting import kept_per_unit

    return kept_per_unit({"pruner": pruner}, tokens)


def _said(pruner: Chosen, settings: Settings) -> str | None:
    """The size option that the user gave for the pruner, as written."""
    for spec in settings.method:
        name, given = split(spec)
        if name.rpartition(":")[2] == pruner.name:
            for option in SIZES:
                if option in given:
                    return f"{option}={given[option]}"
    return None


def _sized(pruner: Chosen, kept: int, tokens: int) -> Chosen | None:
    """The same pruner, keeping `kept` of `tokens` rows per unit; None when it has no option for that."""
    options = {item.name for item in fields(pruner.method) if item.init}
    method = pruner.method
    if "tokens" in options:
        method = replace(method, tokens=kept)  # type: ignore[call-arg]
    elif "retain" in options:
        # A quarter of a token more than meant: rounded down or to the nearest, it is the number meant.
        method = replace(method, retain=min(1.0, (kept + 0.25) / tokens))  # type: ignore[call-arg]
    else:
        return None
    return replace(pruner, method=method, options=values(method))


def _around(shape: VideoLM | Sketch, span: tuple[float, float]) -> int:
    """Rows of a unit that are not visual."""
    from vtc_cli.models.sketch import Sketch

    if isinstance(shape, Sketch):
        return shape.around_unit(*span)
    import torch

    from vtc_cli.models.contract import Cursor, Unit

    row = torch.zeros(1, shape.info.decoder.hidden, device=shape.info.device)
    return len(shape.place(Cursor(), Unit(0, span, row, (1, 1)))) - 1


def _refusal(
    methods: Mapping[str, Chosen], entries: int, kept: int, around: int, each: int, in_bytes: bool, option: str
) -> UsageError:
    return below_one_unit(
        entries,
        kept + around,
        each,
        in_bytes=in_bytes,
        parts=f"{kept:,} token{'s' * (kept != 1)} and {around:,} around",
        option=option,
        thinner="give the pruner fewer tokens" if "pruner" in methods else "prune with -m uniform",
    )


def _budget_option(policy: Chosen) -> str:
    """The option of a cache policy in which its budget was given."""
    sizes = [item.name for item in fields(policy.method) if item.metadata.get("bytes")]
    return next(f"{name} of {policy.name}" for name in sizes if getattr(policy.method, name))
