"""Each published benchmark's own figures, where it has a rule beyond right and wrong.

Needs nothing but lines of results, so that they can be worked out from a file long after the questions were asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vtc_cli.bench.scoring.official import all_tries, circular, groups_of_skills, mean_of_skills, points, yes_no

MLVU_SKILLS = ("plotQA", "needle", "ego", "count", "order", "anomaly_reco", "topic_reasoning")
OVOBENCH_GROUPS = {
    "backward": ("EPM", "ASI", "HLD"),
    "realtime": ("OCR", "ACR", "ATR", "STU", "FPD", "OJR"),
    "forward": ("REC", "SSR", "CRR"),
}
RULES = {
    "mlvu": groups_of_skills({"m_avg": MLVU_SKILLS}),
    "vnbench": all_tries,
    "mvbench": mean_of_skills,
    "ovobench": groups_of_skills(OVOBENCH_GROUPS),
    "pope": yes_no,
    "textvqa": points,
    "mmbench": circular,
}


def official(suite: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The figures of a suite's own rule for the lines of one row; empty where it has none, or there is no line."""
    rule = RULES.get(suite)
    return rule(lines) if rule is not None and lines else {}
