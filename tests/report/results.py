"""Files of results as vtc writes them, small and known by heart. Figures are invented; shapes are real."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.report.example import CLIP, SETTINGS, facts
from vtc_cli.bench.lines import HEAD, LINE
from vtc_cli.report.facts import Asked, CacheFacts, Evidence, MethodFacts, Outcome
from vtc_cli.report.memory import MemoryUse, Sample
from vtc_cli.report.record import build_record, to_json

Record = dict[str, Any]
NASTY = '<script>alert("1")</script> & </style> $x^2$ \\ "quoted"'
READINGS = (  # seconds, RSS, KV, tokens seen, tokens kept
    (0.0, 1_000_000, 0, 0, 0),
    (1.0, 1_100_000, 5_000, 196, 98),
    (2.0, 1_100_000, 5_000, 196, 98),
    (3.0, 1_150_000, 9_000, 392, 120),
)


def answer(question: str = "When?", said: str = "at 2 s", **changes: Any) -> Record:
    """A record with readings over four seconds, of a video that is not there."""
    memory = MemoryUse(
        rss_after_load=900_000, rss_peak=1_200_000, timeline=tuple(Sample(*reading) for reading in READINGS)
    )
    found = facts(
        asked=Asked(question), outcome=Outcome(said, finish="stop", evidence=(Evidence(2.5, 0.4), Evidence(0.5, 0.1))),
        memory=memory,
    )  # fmt: skip
    return build_record(**(found | changes))


def methods(*specs: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    """What a record says of methods: (stage, name, options) each."""
    written = tuple(name + "".join(f":{key}={value}" for key, value in options.items()) for _, name, options in specs)
    return {
        "methods": tuple(MethodFacts(stage, name, options, "vtc-cli", "0.1.0") for stage, name, options in specs),
        "settings": {**SETTINGS, "method": written},
    }


def compared(
    rows: Sequence[str] = ("none", "uniform:retain=1/2", "uniform:retain=1/4"), films: int = 3
) -> list[Record]:
    """A comparison of `films` films with two questions each: the first row knows all, each next one a question less."""
    head = {"schema": HEAD, "fingerprint": "0" * 32, "facts": {"suite": "tiny", "seed": 0, "skills": ["a", "b"]}}
    lines: list[Record] = [head]
    for film in range(films):
        for place, row in enumerate(rows):
            for number, skill in enumerate(("a", "b")):
                right = 2 * film + number >= place
                cache = CacheFacts("window", 800, 8000, "as asked", 700 - 100 * place, 7000 - 1000 * place, 0, 0)
                record = answer(
                    f"{skill} of film {film}?", "yes" if right else "no", cache=cache, reused=number > 0,
                    video=f"tiny:0/film-{film}", clip=replace(CLIP, digest=None),
                    **methods(*([] if row == "none" else [("pruner", row.split(":")[0], {"retain": row[-3:]})])),
                )  # fmt: skip
                record["question_id"] = skill
                record["tokens"] |= {"visual_in": 392, "visual_kept": 392 // (place + 1)}
                lines.append(
                    {
                        "schema": LINE, "key": f"{row}{film}{skill}", "row": row, "case": f"film-{film}",
                        "skill": skill, "question": record["question"], "truth": "yes", "answer": record["answer"],
                        "right": right, "chance": 0.5, "tolerance": None, "about": None, "evidence_entries": None,
                        "by_question": False, "record": record,
                    }
                )  # fmt: skip
    return lines


def write(path: Path, records: Sequence[Record]) -> Path:
    path.write_text("".join(to_json(record) + "\n" for record in records), encoding="utf-8")
    return path


def read(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
