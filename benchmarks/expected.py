"""What the papers let expect, beside what was measured: each a sentence, a figure, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Results, percent, points

HOLDS, FAILS, OPEN = "holds", "does not hold", "open: the interval holds both"


@dataclass(frozen=True)
class Expected:
    """claim: in words. measured: with its interval. verdict: one of three."""

    claim: str
    measured: str
    verdict: str


def expectations(results: Results) -> list[Expected]:
    """Every expectation, in the order of the page."""
    return [
        _keeps(results, "pruners", "hiprune:retain=1/3", 0.99),
        _keeps(results, "pruners", "hiprune++:retain=2/9", 0.995),
        *(
            _beats(results, "pruners", f"{ours}:retain=1/9", f"{other}:retain=1/9")
            for ours in ("hiprune", "hiprune++")
            for other in ("random", "uniform")
        ),
        _keeps(results, "caches", "infinipot-v at 1/8", 0.98),
        *(_beats(results, "caches", "infinipot-v at 1/8", f"{other} at 1/8") for other in ("window", "uniform-cache")),
        *_recent(results),
    ]


def _keeps(results: Results, part: str, name: str, share: float) -> Expected:
    """A share of the uncompressed accuracy, as the papers report it. The interval is that of the paired difference."""
    base, score = results.row(part, "none")["score"], results.row(part, name)["score"]
    claim = f"`{name}` keeps at least {100 * share:g} % of the uncompressed accuracy"
    if not base["accuracy"]:
        return Expected(claim, "nothing right without compression", OPEN)
    kept = score["accuracy"] / base["accuracy"]
    if score["difference_low"] is None:
        return Expected(claim, percent(kept), OPEN)
    low, high = (1 + score[f"difference_{end}"] / base["accuracy"] for end in ("low", "high"))
    verdict = HOLDS if low >= share else FAILS if high < share else OPEN
    if verdict == OPEN:
        verdict = f"{HOLDS if kept >= share else FAILS} on average; the interval holds both"
    return Expected(claim, f"{percent(kept)} ({100 * low:.1f} to {100 * high:.1f})", verdict)


def _beats(results: Results, part: str, name: str, other: str) -> Expected:
    found = results.row(part, name)["against"][other]
    claim = f"`{name}` is above `{other}` beyond the interval"
    if found["low"] is None:
        return Expected(claim, f"{points(found['mean'])} points", OPEN)
    verdict = HOLDS if found["low"] > 0 else FAILS
    return Expected(
        claim, f"{points(found['mean'])} points ({points(found['low'])} to {points(found['high'])})", verdict
    )


def _recent(results: Results) -> Iterator[Expected]:
    """Where the last few units alone beat a memory, or that they do nowhere."""
    row = results.row("caches", "recent")
    compared = {
        other: f"{points(found['mean'])} points ({points(found['low'])} to {points(found['high'])})"
        for other, found in row["against"].items()
        if other.endswith(("at 1/8", "at 1/16")) and found["low"] is not None
    }
    won = [other for other in compared if row["against"][other]["low"] > 0]
    for other in won:
        yield Expected(f"`recent` is above `{other}`, any moment asked about", compared[other], HOLDS)
    if compared and not won:
        nearest = max(compared, key=lambda other: row["against"][other]["mean"])
        claim = "`recent`, the last four units alone, is above a cache when any moment may be asked about"
        told = f"above none of {len(compared)}; to the nearest, `{nearest}`, {compared[nearest]}"
        yield Expected(claim, told, FAILS)
