"""Which method to use when: five lines that the numbers choose, and that are not written where the numbers say no.

Each line is made by a rule. Where nothing stays within the tolerance the line says so, and what loses least at each
size; where there is nothing to compare, `UnsupportedError` is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from benchmarks.figures import Results, Row, giga, interval, percent, points, share_of, spread, volume
from benchmarks.plan import TOGETHER
from vtc_cli.bench.statistics import wilson

TOLERANCE = 0.03  # share of answers: what the 95 % interval of the difference to `none` may reach down to
NOW = 0  # of `condensed.AGES`: moments of the last half minute


class UnsupportedError(Exception):
    """Advice that the numbers do not bear out."""


def advice(results: Results, tolerance: float = TOLERANCE) -> list[str]:
    """Five lines of Markdown. tolerance: what may be lost, as a share. Raises UnsupportedError."""
    lines: Sequence[Callable[[Results, float], str]] = (tokens, question, cache, now, both)
    return [line(results, tolerance) for line in lines]


def tokens(results: Results, tolerance: float) -> str:
    """The fewest tokens at a loss within the tolerance, without knowing the question."""
    base = _seeing(results)
    rows = _thinned(results, by_question=False)
    best = _fewest(rows, tolerance)
    if best is None:
        told = _least_lost(rows, "pruner", lambda row: f"`-m {row['name']}`")
        return (
            f"**To save tokens:** none of the methods that need no question stays within {100 * tolerance:g} points of "
            f"the {percent(base['score']['accuracy'])} right without compression, by the end of the 95 % interval. "
            f"Least at each size is lost by {told}."
        )
    saved = 1 - best["costs"]["flops"]["prefill"] / base["costs"]["flops"]["prefill"]
    return (
        f"**To save tokens:** `-m {best['name']}`. Of the methods that need no question it keeps the fewest tokens "
        f"({percent(best['costs']['retention'])}) among those that lose no more than {100 * tolerance:g} points, by "
        f"the end of the 95 % interval: {percent(best['score']['accuracy'])} right against "
        f"{percent(base['score']['accuracy'])}, a difference of {points(best['score']['difference'])} "
        f"({spread(best['score'])}). The language model's work while watching falls by {percent(saved)}."
    )


def question(results: Results, tolerance: float) -> str:
    """Whether knowing the question is worth watching again for each."""
    plain = _fewest(_thinned(results, by_question=False), tolerance)
    asked = list(_thinned(results, by_question=True))
    if not asked:
        raise UnsupportedError("no row looks at the question")
    best = _fewest(asked, tolerance)
    if best is not None and (plain is None or best["costs"]["retention"] < 0.99 * plain["costs"]["retention"]):
        return (
            f"**Where the question is known before watching:** `-m {best['name']}`, at "
            f"{percent(best['costs']['retention'])} of the tokens {percent(best['score']['accuracy'])} right, "
            f"{points(best['score']['difference'])} ({spread(best['score'])}); but each question watches the "
            "video anew."
        )
    same = [row for row in asked if plain is not None and row["size"] == plain["size"]]
    known = max(same or asked, key=lambda row: row["score"]["accuracy"])
    return (
        f"**Where the question is known before watching:** the same. The best of the methods that look at it, "
        f"`{known['name']}`, got {percent(known['score']['accuracy'])} right "
        f"({points(known['score']['difference'])}, {spread(known['score'])}), which allows no smaller share, and it "
        "watches the video anew for each question."
    )


def cache(results: Results, tolerance: float) -> str:
    """The smallest cache at a loss within the tolerance, for questions about any moment."""
    base = results.row("caches", "none")
    if (words := _guessing(results)) is not None:
        return f"**When the video is longer than the cache:** no advice from these films: {words}."
    rows = [row for row in results.sized("caches") if row["size"] and len(row["methods"]) == 1]
    best = _fewest(rows, tolerance, by=lambda row: row["costs"]["kv_bytes_peak"])
    if best is None:
        told = _least_lost(rows, "cache", _with_entries)
        return (
            "**When the video is longer than the cache, and any moment may be asked about:** none of these caches "
            f"stays within {100 * tolerance:g} points of the {percent(base['score']['accuracy'])} right without "
            "compression, so give it the largest that fits, or make a [memory](memory.md), which looks again. Least at "
            f"each size is lost by {told}."
        )
    beaten = [name for name, found in best["against"].items() if found["low"] is not None and found["low"] > 0]
    over = f" Beyond the intervals it is above {_listed(beaten)}." if beaten else ""
    return (
        f"**When the video is longer than the cache, and any moment may be asked about:** `-m {best['family']}`. With "
        f"{best['size']} of the entries ({volume(best['costs']['kv_bytes_peak'])}) "
        f"{percent(best['score']['accuracy'])} right against {percent(base['score']['accuracy'])}, "
        f"{points(best['score']['difference'])} ({spread(best['score'])}).{over}"
    )


def now(results: Results, tolerance: float) -> str:
    """Who is best at the last half minute, and what it costs elsewhere."""
    rows = [row for row in results.rows("caches") if row["ages"] and row["ages"][NOW][0] and len(row["methods"]) == 1]
    if not rows:
        raise UnsupportedError("no question is about the last half minute of a film")
    if (words := _guessing(results)) is not None:
        return f"**For questions about what just happened:** no advice from these films: {words}."
    least = min(row["costs"]["kv_bytes_peak"] for row in rows)
    level = max(_low(row["ages"][NOW]) for row in rows)
    good = [row for row in rows if _high(row["ages"][NOW]) >= level]
    best = min(good, key=lambda row: (row["costs"]["kv_bytes_peak"], -_share(row["ages"][NOW])))
    recent = next((row for row in rows if row["family"] == "recent"), None)
    told = ""
    if recent is not None and recent is not best:
        told = f" `recent` got {share_of(recent['ages'][NOW])}."
    if recent is best:
        told = f" It forgets everything else: {share_of(_older(best))} of earlier moments."
    size = "the smallest of all" if best["costs"]["kv_bytes_peak"] == least else volume(best["costs"]["kv_bytes_peak"])
    where = f"`-m {best['family']}`" + (f" with {best['size']} of the entries" if best["size"] else "")
    return (
        f"**For questions about what just happened** (the last 30 s): {where}, {size}. "
        f"{share_of(best['ages'][NOW])} right, and no cache is above it beyond the intervals.{told}"
    )


def both(results: Results, tolerance: float) -> str:
    """Whether thinning and a bounded cache together beat the cache alone, at the same bytes."""
    if (words := _guessing(results)) is not None:
        return f"**For one budget in bytes:** no advice from these films: {words}."
    rows = [row for row in results.sized("caches") if row["size"] == TOGETHER]
    joint = [row for row in rows if len(row["methods"]) == 2]
    alone = [row for row in rows if len(row["methods"]) == 1]
    if not joint or not alone:
        raise UnsupportedError(f"nothing to compare at {TOGETHER} of the entries")
    pair = max(joint, key=lambda row: row["score"]["accuracy"])
    single = max(alone, key=lambda row: row["score"]["accuracy"])
    if (found := pair["against"].get(single["name"])) is None:
        raise UnsupportedError(f"{pair['name']} was not compared with the best cache alone, {single['name']}")
    if found["low"] is None:
        raise UnsupportedError("one film is too little to compare a pruner and a cache with a cache alone")
    told = f"{points(found['mean'])} points ({points(found['low'])} to {points(found['high'])})"
    work = (
        f"; the language model's work is {giga(pair['costs']['flops']['prefill'])} GFLOP per film instead of "
        f"{giga(single['costs']['flops']['prefill'])}"
    )
    methods = " ".join(f"-m {name}" for name in pair["methods"])
    begun = f"**For one budget in bytes** ({TOGETHER} of the entries): "
    if found["low"] > 0:
        return f"{begun}both, `{methods}`: {told} above the best cache alone, `{single['family']}`{work}."
    if found["high"] < 0:
        return f"{begun}the cache alone, `-m {single['family']}`: `{methods}` is at {told} from it{work}."
    return f"{begun}`{methods}`, which costs less and differs from `{single['family']}` alone by {told}{work}."


def _seeing(results: Results) -> Row:
    """`none`, where it sees more than a blind model: else nothing can be said about what is lost."""
    base, blind = results.row("pruners", "none"), results.row("pruners", "blind")
    if base["score"]["low"] <= blind["score"]["high"]:
        raise UnsupportedError(
            f"without compression {interval(base['score']['low'], base['score']['high'])} are right, over noise "
            f"{interval(blind['score']['low'], blind['score']['high'])}: the model does not see"
        )
    return base


def _guessing(results: Results) -> str | None:
    """Why long films say nothing: uncompressed, the model is not above guessing. None where it is."""
    base, chance = results.row("caches", "none"), results.parts["caches"]["chance"]
    known = [value for value in chance.values() if value is not None]
    if not known or base["score"]["low"] > max(known):
        return None
    right = percent(base["score"]["accuracy"])
    return f"without any compression {right} are right, and guessing gets {percent(max(known))}"


def _thinned(results: Results, by_question: bool) -> list[Row]:
    """Rows that thin tokens before the language model. Rows that leave inside it are not fewer tokens."""
    return [row for row in results.sized("pruners", by_question) if row["costs"]["retention"] < 1]


def _fewest(
    rows: Sequence[Row], tolerance: float, by: Callable[[Row], float] = lambda row: row["costs"]["retention"]
) -> Row | None:
    """The cheapest row within the tolerance; of equally cheap ones (to a percent) the best."""
    good = [row for row in rows if _floor(row) >= -tolerance]
    if not good:
        return None
    least = min(map(by, good))
    return max((row for row in good if by(row) <= 1.05 * least), key=lambda row: row["score"]["accuracy"])


def _with_entries(row: Row) -> str:
    return f"`-m {row['family']}` with {row['size']} of the entries ({volume(row['costs']['kv_bytes_peak'])})"


def _least_lost(rows: Sequence[Row], what: str, named: Callable[[Row], str]) -> str:
    """The best at each size, the largest first, so that a loss can be weighed. named: what a row is called."""
    best: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row["score"]["accuracy"]):
        best[row["size"]] = row
    if not best:
        raise UnsupportedError(f"there is no {what} to advise")
    return "; ".join(
        f"{named(row)}, {percent(row['score']['accuracy'])}, {points(row['score']['difference'])} "
        f"({spread(row['score'])})"
        for row in sorted(best.values(), key=lambda row: -Fraction(row["size"]))
    )


def _floor(row: Row) -> float:
    """The lower end of what it lost, or won; with one film there is none, and nothing is known."""
    low = row["score"]["difference_low"]
    return -1.0 if low is None else float(low)


def _older(row: Row) -> list[int]:
    return [sum(pair[place] for pair in row["ages"][NOW + 1 :]) for place in (0, 1)]


def _share(pair: Sequence[int]) -> float:
    return pair[1] / pair[0]


def _low(pair: Sequence[int]) -> float:
    return wilson(pair[1], pair[0])[0]


def _high(pair: Sequence[int]) -> float:
    return wilson(pair[1], pair[0])[1]


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
