"""Two stretches of a part put together: figures of earlier films, whose answers may be gone, and those of later films.

Counts add up. A difference is the mean of the two by questions, and its interval comes from theirs, which are of films
that no question shares (the variance estimates recovered from two intervals: Zou and Donner 2008, Statistics in
Medicine 27, 1693). Means of costs are weighted by films or by questions, as they were taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

from benchmarks.figures import MissingResultError
from vtc_cli.bench.costs import PER_QUESTION_FLOPS, PER_QUESTION_SECONDS
from vtc_cli.bench.statistics import mcnemar, wilson

Result = dict[str, Any]
MUST_AGREE = ("schema", "part", "about", "facts")
PER_WATCH = ("retention", "frames", "visual_in", "visual_kept", "rows", "evicted", "compactions")
PEAKS = ("entries_peak", "budget_entries", "kv_bytes_peak")
TOLD = ("films", "questions", "machine", "versions", "date", "command")  # of each stretch


def pool(early: Mapping[str, Any], late: Mapping[str, Any]) -> Result:
    """The figures of both. late: of films after those of `early`, as `condense` leaves them.

    Raises MissingResultError where they are not of the same rows, facts and weights.
    """
    for name in MUST_AGREE:
        if early[name] != late[name]:
            raise MissingResultError(f"{early['part']}: two stretches with another `{name}` cannot be put together")
    if early["model"]["revision"] != late["model"]["revision"]:
        raise MissingResultError(f"{early['part']}: two stretches by different weights cannot be put together")
    first, second = ({row["name"]: row for row in part["rows"]} for part in (early, late))
    if list(first) != list(second):
        other = sorted(set(first) ^ set(second)) or ["their order"]
        raise MissingResultError(f"{early['part']}: two stretches with other rows: {', '.join(other)}")
    sizes = early["questions"], late["questions"]
    return {
        **late,
        "planned": early["questions"] + late["planned"],
        "films": early["films"] + late["films"],
        "questions": sum(sizes),
        "chance": {skill: _mean(early["chance"].get(skill), chance, sizes) for skill, chance in late["chance"].items()},
        "left_out": [*early["left_out"], *late["left_out"]],
        "stretches": [*_stretches(early), *_stretches(late)],
        "rows": [_row(first[name], second[name]) for name in first],
    }


def _stretches(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    return part.get("stretches") or [{name: part[name] for name in TOLD if name in part}]


def _row(early: Mapping[str, Any], late: Mapping[str, Any]) -> Result:
    if not (early["score"] and late["score"]):
        return dict(early if early["error"] else late)  # it failed in one of them: it has no figures then
    sizes = early["score"]["n"], late["score"]["n"]
    return {
        **late,
        "score": _score(early["score"], late["score"]),
        "skills": _added(early["skills"], late["skills"]),
        "evidence": _added(early["evidence"], late["evidence"]),
        "ages": early["ages"] and [_sum(*pair) for pair in zip(early["ages"], late["ages"], strict=True)],
        "against": {
            other: _difference(difference, late["against"][other], "mean", sizes)
            for other, difference in early["against"].items()
        },
        "costs": _costs(early["costs"], late["costs"], sizes),
    }


def _score(early: Mapping[str, Any], late: Mapping[str, Any]) -> Result:
    n, right = early["n"] + late["n"], early["right"] + late["right"]
    low, high = wilson(right, n)
    found = {"n": n, "right": right, "accuracy": right / n, "low": low, "high": high}
    if early["difference"] is None:
        return {**late, **found}
    won, lost = early["won"] + late["won"], early["lost"] + late["lost"]
    paired = _difference(early, late, "difference", (early["n"], late["n"]))
    return {**found, **paired, "difference": (won - lost) / n, "won": won, "lost": lost, "p": mcnemar(won, lost)}


def _difference(early: Mapping[str, Any], late: Mapping[str, Any], name: str, sizes: tuple[int, int]) -> Result:
    """A paired difference over both. name: what its middle is called; its ends are `<name>_low`, or `low` of a mean."""
    low, high = (f"{name}_low", f"{name}_high") if name == "difference" else ("low", "high")
    shares = [size / sum(sizes) for size in sizes]
    both = list(zip(shares, (early, late), strict=True))
    middle = sum(share * part[name] for share, part in both)
    if any(part[end] is None for _, part in both for end in (low, high)):
        return {name: middle, low: None, high: None}
    below = sqrt(sum((share * (part[name] - part[low])) ** 2 for share, part in both))
    above = sqrt(sum((share * (part[high] - part[name])) ** 2 for share, part in both))
    return {name: middle, low: middle - below, high: middle + above}


def _added(early: Mapping[str, Any] | None, late: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Counts [n, right] by name."""
    if early is None or late is None:
        return None
    return {name: _sum(early.get(name, [0, 0]), late.get(name, [0, 0])) for name in {**early, **late}}


def _sum(early: list[int], late: list[int]) -> list[int]:
    return [one + other for one, other in zip(early, late, strict=True)]


def _costs(early: Mapping[str, Any], late: Mapping[str, Any], sizes: tuple[int, int]) -> Result:
    watches = early["watches"], late["watches"]

    def part(name: str, asked: tuple[str, ...]) -> dict[str, Any]:
        return {
            key: _mean(early[name].get(key), value, sizes if key in asked else watches)
            for key, value in late[name].items()
        }

    return {
        **late,
        **{key: _mean(early[key], late[key], watches) for key in PER_WATCH},
        **{key: _most(early[key], late[key]) for key in PEAKS},
        "entries": _mean(early["entries"], late["entries"], sizes),
        "watches": sum(watches),
        "flops": part("flops", (*PER_QUESTION_FLOPS, "answer")),
        "seconds": part("seconds", PER_QUESTION_SECONDS),
        "memory": {key: _most(early["memory"].get(key), value) for key, value in late["memory"].items()},
    }


def _mean(early: float | None, late: float | None, sizes: tuple[int, int]) -> float | None:
    """Of two means; None where either was not measured."""
    if early is None or late is None:
        return None
    return (sizes[0] * early + sizes[1] * late) / sum(sizes)


def _most(early: float | None, late: float | None) -> float | None:
    return max((value for value in (early, late) if value is not None), default=None)
