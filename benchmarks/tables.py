"""The tables of the page of results, and those of the methods' own pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from benchmarks.condensed import AGES
from benchmarks.figures import (
    Results,
    Row,
    giga,
    interval,
    milliseconds,
    percent,
    points,
    seconds,
    share_of,
    spread,
    table,
    volume,
)

WHOLE = ("count", "when", "duration", "describe", "json")
"""Skills whose answer takes all that is shown, or all the time that something is; the others ask for one thing."""

ANSWERS = ["right", "95 %", "vs none", "95 %"]


def pruners(results: Results, families: Sequence[str] = ()) -> str:
    """Accuracy and costs of what thins tokens, size by size, best first. families: only these, and `none`."""
    head = ["method", "n", *ANSWERS, "tokens kept", "KV peak", "prefill GFLOP", "first token ms"]
    rows = _chosen(results.rows("pruners"), families)
    return table(head, [
        [_name(row), _n(row), *_answers(row), percent(row["costs"]["retention"]),
         volume(row["costs"]["kv_bytes_peak"]), giga(row["costs"]["flops"]["prefill"]),
         _wait(results, "costs-pruners", row)]
        for row in _ordered(rows)
    ])  # fmt: skip


def caches(results: Results, families: Sequence[str] = (), pick: Callable[[Row], bool] = lambda row: True) -> str:
    """Accuracy, bytes, and accuracy by the age of the moment asked about. pick: only such rows, and `none`."""
    head = ["method", "n", *ANSWERS, "KV peak", "first token ms", *map(_age, AGES), "moment gone"]
    rows = [row for row in _chosen(results.rows("caches"), families) if not row["methods"] or pick(row)]
    return table(head, [_cache(results, row) for row in _ordered(rows)])


def caches_asked(results: Results) -> str:
    """The same for caches that look at the question, on the films they were asked about."""
    head = ["method", "n", *ANSWERS, "KV peak", "first token ms", *map(_age, AGES), "moment gone"]
    return table(head, [_cache(results, row) for row in _ordered(results.rows("caches-asked"))])


def costs(results: Results, part: str) -> str:
    """FLOPs by part, seconds by stage, peak memory: nothing shared between rows."""
    flops, times = ("vision", "method", "layers", "prefill", "question", "decode"), ("vision", "method", "prefill")
    head = ["method", *(f"{name} GFLOP" for name in flops), *(f"{name} s" for name in times), "watch s",
            "first token ms", "KV peak", "memory peak"]  # fmt: skip
    return table(head, [
        [_name(row), *(giga(row["costs"]["flops"][name]) for name in flops),
         *(seconds(row["costs"]["seconds"][name]) for name in times), seconds(row["costs"]["seconds"]["watch"]),
         milliseconds(row["costs"]["seconds"]["first_token"]), volume(row["costs"]["kv_bytes_peak"]),
         volume(results.peak(part, row["name"]))]
        for row in _ordered(results.rows(part))
    ])  # fmt: skip


def scaling(results: Results) -> str:
    """Time and memory by length."""
    head = ["length", "methods", "frames", "watch s", "s per minute of video", "first token ms", "KV peak",
            "memory over the model"]  # fmt: skip
    rows = []
    for found in results.parts["scaling"]["rows"]:
        over = None if found["rss_peak"] is None else max(0, found["rss_peak"] - found["rss_after_load"])
        watch = found["seconds"]["watch"]
        rows.append([
            f"{found['minutes']:g} min", _code("+".join(found["methods"]) or "none"), f"{found['frames']:,}",
            seconds(watch, 1), seconds(watch / found["minutes"]), milliseconds(found["seconds"]["first_token"]),
            volume(found["kv_bytes_peak"]), volume(found["gpu_peak"] if found["gpu_peak"] is not None else over),
        ])  # fmt: skip
    return table(head, rows, left=2)


def grid(results: Results, part: str, families: Sequence[str]) -> str:
    """Right answers of methods alone, a column for each size, the largest first."""
    rows = [row for row in results.sized(part) if len(row["methods"]) == 1 and row["size"]]
    sizes = sorted({row["size"] for row in rows}, key=Fraction, reverse=True)
    found = {(row["family"], row["size"]): row["score"]["accuracy"] for row in rows}
    base = percent(results.row(part, "none")["score"]["accuracy"])
    lines = [[_code(name), *(percent(found.get((name, size))) for size in sizes)] for name in families]
    return table([f"without: {base}", *sizes], lines)


def skills(results: Results, names: Sequence[str]) -> str:
    """Right answers by skill, of some rows of the pruners' part."""
    rows = [results.row("pruners", name) for name in names]
    kinds = list(rows[0]["skills"])
    return table(
        ["skill", "n", *(_code(row["name"]) for row in rows)],
        [
            [kind, str(rows[0]["skills"][kind][0]), *(percent(_part(row["skills"].get(kind))) for row in rows)]
            for kind in kinds
        ],
    )


def reach(results: Results, families: Sequence[str] = ()) -> str:
    """Right answers of the pruners' part where one thing is asked for, and where everything is (`WHOLE`).

    families: only these, and `none`. Kept: of what `none` has right.
    """
    rows = [row for row in _ordered(_chosen(results.rows("pruners"), families)) if not row["blind"]]
    base = results.row("pruners", "none")
    cells = []
    for row in rows:
        line = [_name(row)]
        for whole in (False, True):
            found, most = _summed(row, whole), _summed(base, whole)
            line += [share_of(found), percent(found[1] / most[1]) if most[1] else ""]
        cells.append(line)
    one, all_of = (_summed(base, whole)[0] for whole in (False, True))
    return table(["method", f"one thing, n {one:,}", "kept", f"everything, n {all_of:,}", "kept"], cells)


def _summed(row: Row, whole: bool) -> list[int]:
    """[n, right] over the skills of one sort."""
    pairs = [pair for skill, pair in row["skills"].items() if (skill in WHOLE) == whole]
    return [sum(pair[place] for pair in pairs) for place in (0, 1)]


def _wait(results: Results, part: str, row: Row) -> str:
    """For the first token, in milliseconds, where it was measured with nothing else running; empty where it was not."""
    timed = next((one for one in results.rows(part) if one["name"] == row["name"]), None)
    return "" if timed is None else milliseconds(timed["costs"]["seconds"]["first_token"])


def _cache(results: Results, row: Row) -> list[str]:
    ages = row["ages"] or [None] * len(AGES)
    gone = (row["evidence"] or {}).get("gone")
    return [_name(row), _n(row), *_answers(row), volume(row["costs"]["kv_bytes_peak"]),
            _wait(results, "costs-caches", row), *map(share_of, ages),
            f"{gone[1]} of {gone[0]}" if gone and gone[0] else ""]  # fmt: skip


def _chosen(rows: Iterable[Row], families: Sequence[str]) -> list[Row]:
    return [row for row in rows if not families or row["family"] in families or row["name"] == "none"]


def _ordered(rows: Iterable[Row]) -> list[Row]:
    """`none`, noise, then size by size, the largest first, the best of each first."""

    def place(row: Row) -> tuple[bool, bool, float, float]:
        size = float(Fraction(row["size"])) if row["size"] else 0.0
        return bool(row["methods"]), bool(row["blind"]), -size, -row["score"]["accuracy"]

    return sorted(rows, key=place)


def _answers(row: Row) -> list[str]:
    score = row["score"]
    return [percent(score["accuracy"]), interval(score["low"], score["high"]), points(score["difference"]),
            spread(score)]  # fmt: skip


def _name(row: Row) -> str:
    return _code(row["name"]) + (" *" if row["costs"]["by_question"] else "")


def _code(name: str) -> str:
    return f"`{name}`"


def _n(row: Row) -> str:
    return f"{row['score']['n']:,}"


def _part(pair: Sequence[int] | None) -> float | None:
    return None if not pair or not pair[0] else pair[1] / pair[0]


def _age(bounds: tuple[float, float | None]) -> str:
    youngest, oldest = bounds
    return f"last {oldest:g} s" if not youngest else f"{youngest:g} s and more" if oldest is None else (
        f"{youngest:g} to {oldest:g} s")  # fmt: skip
