"""Figures that benchmarks define over all answers of a method: F1 of yes and no, all tries right, means of means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vtc_cli.bench.scoring.words import yes_or_no

Line = Mapping[str, Any]
Figures = dict[str, float]


def mean_of_skills(lines: Sequence[Line]) -> Figures:
    """`mean_of_skills`: the mean over skills of the share that is right, so that each counts the same."""
    return {"mean_of_skills": _mean([_right(found) for found in _by(lines, "skill").values()])}


def all_tries(lines: Sequence[Line]) -> Figures:
    """`all_tries`: questions all of whose tries are right, the mean over skills (VNBench)."""
    return {"all_tries": _mean([_whole(found) for found in _by(lines, "skill").values()])}


def circular(lines: Sequence[Line]) -> Figures:
    """`circular`: questions that are right in every order of their options (MMBench)."""
    return {"circular": _whole(lines)}


def points(lines: Sequence[Line]) -> Figures:
    """`vqa_accuracy`: the mean of the points (TextVQA)."""
    return {"vqa_accuracy": _mean([line["points"] for line in lines])}


def yes_no(lines: Sequence[Line]) -> Figures:
    """`f1` with `yes` as the positive class, `accuracy`, `precision`, `recall` and `yes`, the share of yes (POPE).

    Each is the mean over the skills, as its papers average the three ways of choosing what to ask about.
    """
    parts = [_yes_no(found) for found in _by(lines, "skill").values()]
    return {name: _mean([part[name] for part in parts]) for name in parts[0]}


def groups_of_skills(groups: Mapping[str, Sequence[str]]) -> Callable[[Sequence[Line]], Figures]:
    """Figures `NAME` for each group: the mean over its skills; and `mean`, that of several groups (OVO-Bench, MLVU)."""

    def figures(lines: Sequence[Line]) -> Figures:
        found = {skill: _right(part) for skill, part in _by(lines, "skill").items()}
        known = {name: [found[skill] for skill in skills if skill in found] for name, skills in groups.items()}
        means = {name: _mean(shares) for name, shares in known.items() if shares}
        return {**means, "mean": _mean(list(means.values()))} if len(groups) > 1 and means else means

    return figures


def _yes_no(lines: Sequence[Line]) -> Figures:
    pairs = [(yes_or_no(line["answer"] or ""), line["truth"]) for line in lines]
    hits = sum(said == truth == "yes" for said, truth in pairs)
    said_yes, true_yes = sum(said == "yes" for said, _ in pairs), sum(truth == "yes" for _, truth in pairs)
    return {
        "f1": 2 * hits / (said_yes + true_yes) if said_yes + true_yes else 0.0,
        "accuracy": sum(said == truth for said, truth in pairs) / len(pairs),
        "precision": hits / said_yes if said_yes else 0.0,
        "recall": hits / true_yes if true_yes else 0.0,
        "yes": said_yes / len(pairs),
    }


def _by(lines: Sequence[Line], name: str) -> dict[Any, list[Line]]:
    found: dict[Any, list[Line]] = defaultdict(list)
    for line in lines:
        found[line[name]].append(line)
    return found


def _right(lines: Sequence[Line]) -> float:
    return sum(line["right"] for line in lines) / len(lines)


def _whole(lines: Sequence[Line]) -> float:
    """The share of groups of questions about a film that are right as a whole."""
    groups: dict[tuple[str, Any], list[bool]] = defaultdict(list)
    for line in lines:
        groups[line["case"], line["group"]].append(line["right"])
    return _mean([all(found) for found in groups.values()])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
