"""Runs: answers given under the same settings, with what they cost and how many were right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtc_cli.bench.costs import costs
from vtc_cli.bench.summary import score
from vtc_cli.report.page.reading import Comparison, Record, Source

NONE, BLIND = "none", "blind"
SIZES = ("retain", "tokens", "budget")  # options that say how much is kept


@dataclass(frozen=True)
class Run:
    """One row of everything that is shown.

    number: from 1, unique on the page. name: unique on the page. family: the name without sizes; runs of one family
    are drawn as one line. comparison: its place among those of the page, None for answers of `vtc ask`.
    lines: in the form of `vtc bench`, whose `right` and `truth` are None where no truth is known.
    score: None where no truth is known. skills: score by skill. costs: as `vtc bench` counts them.
    """

    number: int
    name: str
    family: str
    source: str
    comparison: int | None
    lines: tuple[Record, ...]
    score: Mapping[str, Any] | None
    skills: Mapping[str, Mapping[str, Any]]
    costs: Mapping[str, Any]

    @property
    def records(self) -> list[Record]:
        """One per answer."""
        return [line["record"] for line in self.lines]

    @property
    def blind(self) -> bool:
        """Whether it saw noise."""
        return self.comparison is not None and self.family == BLIND

    def longest(self) -> Record | None:
        """A record of the longest video it watched that has readings over time; the first of several as long."""
        known = [record for record in self.records if record["timeline"] and record["timeline"].get("time")]
        return max(known, key=lambda record: record["timeline"]["time"][-1], default=None)


def runs_of(sources: Sequence[Source]) -> list[Run]:
    """Every run of the files, in their order: rows of comparisons, and answers by file and settings."""
    found: list[dict[str, Any]] = []
    comparison = 0
    for source in sources:
        for part in source.comparisons:
            found += [{"source": source.path, "comparison": comparison, **row} for row in _rows(part)]
            comparison += 1
        found += [{"source": source.path, "comparison": None, **answers} for answers in _answers(source)]
    names = _names(found)
    return [
        Run(number=number, **{**facts, "name": name})
        for number, (facts, name) in enumerate(zip(found, names, strict=True), 1)
    ]


def video_of(record: Mapping[str, Any]) -> str:
    """What tells its video from another: the digest of the content, else the name."""
    clip = record["clip"] or {}
    return str(clip.get("digest") or record["video"])


def methods_of(record: Mapping[str, Any]) -> str:
    """The methods of a record as they were written: `uniform:retain=1/4+window`; `none` without any."""
    asked = record["settings"].get("method")
    if isinstance(asked, list) and asked:
        return "+".join(str(item) for item in asked)
    return NONE


def family_of(name: str) -> str:
    """A name without what only says how much: `hiprune:retain=1/3` and `hiprune at 1/9` are both `hiprune`."""
    bare = name.rsplit(" at ", 1)[0]
    parts = []
    for part in bare.split("+"):
        method, _, options = part.partition(":")
        kept = [item for item in options.split(",") if item and item.split("=")[0] not in SIZES]
        parts.append(method + (":" + ",".join(kept) if kept else ""))
    return "+".join(parts)


def _rows(part: Comparison) -> list[dict[str, Any]]:
    of_row: dict[str, list[Record]] = {}
    for line in part.lines:
        of_row.setdefault(line["row"], []).append(line)
    base = {(line["case"], line["record"].get("question_id")): line for line in of_row.get(NONE, [])}
    return [
        {
            "name": name,
            "family": family_of(name),
            "lines": tuple(lines),
            "score": _score(name, lines, base),
            "skills": {
                skill: _score(name, [line for line in lines if line["skill"] == skill], base)
                for skill in dict.fromkeys(line["skill"] for line in lines)
            },
            "costs": costs(lines),
        }
        for name, lines in of_row.items()
    ]


def _score(name: str, lines: list[Record], base: Mapping[Any, Record]) -> dict[str, Any] | None:
    """Beside `none` where `none` has answered all of the same questions; a run that was cut may not have."""
    paired = name != NONE and all((line["case"], line["record"].get("question_id")) in base for line in lines)
    return score(lines, dict(base) if paired else None)


def _answers(source: Source) -> list[dict[str, Any]]:
    groups: dict[str, list[Record]] = {}
    for record in source.answers:
        groups.setdefault(str(record["settings"].get("fingerprint")), []).append(record)
    found = []
    for records in groups.values():
        name, watch, lines = methods_of(records[0]), 0, []
        for record in records:
            watch += not record["reused"]  # watched anew: its costs count again
            lines.append(_line(record, f"watch {watch}"))
        facts: dict[str, Any] = {"name": name, "family": family_of(name), "lines": tuple(lines)}
        facts |= {"score": None, "skills": {}}
        found.append({**facts, "costs": costs(lines)})
    return found


def _line(record: Record, case: str) -> Record:
    """A record of `vtc ask` in the form of a line of `vtc bench`: nobody knows whether it is right."""
    unknown = dict.fromkeys(("skill", "truth", "right", "about", "evidence_entries"))
    same = {"question": record["question"], "answer": record["answer"], "by_question": False, "record": record}
    return {**unknown, **same, "row": methods_of(record), "case": case}


def _names(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Unique names: with the file where two runs have the same, then with a count."""
    names = [str(facts["name"]) for facts in found]
    fuller = [
        f"{name} ({Path(str(facts['source'])).stem})" if names.count(name) > 1 else name
        for name, facts in zip(names, found, strict=True)
    ]
    seen: dict[str, int] = {}
    unique = []
    for name in fuller:
        seen[name] = seen.get(name, 0) + 1
        unique.append(f"{name} {seen[name]}" if fuller.count(name) > 1 else name)
    return unique
