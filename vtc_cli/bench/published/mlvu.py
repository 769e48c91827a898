"""MLVU (Zhou et al., 2024), dev split: long films, seven multiple-choice tasks.

Layout: `json/1_plotQA.json` ... and `video/1_plotQA/<name>.mp4`. The two tasks of free descriptions (8_sub_scene,
9_summary) are judged by another model, and left out.
"""

from __future__ import annotations

from vtc_cli.bench.published.asking import Loaded, choice
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.rules import MLVU_SKILLS
from vtc_cli.bench.published.tables import read_json
from vtc_cli.errors import UsageError

TASKS = {f"{number}_{skill}": skill for number, skill in enumerate(MLVU_SKILLS, 1)}  # file -> skill


def load(folder: Folder) -> Loaded:
    """Skills are the tasks; the official M-Avg is their mean."""
    items = []
    for task, skill in TASKS.items():
        for number, row in enumerate(read_json(folder.file(f"json/{task}.json"))):
            options, answer = row["candidates"], row["answer"]
            if answer not in options:
                raise UsageError(f"{row.where}: the answer {answer!r} is none of the candidates")
            place = options.index(answer)
            items.append(
                choice(row, f"{task}/{row['video']}", row["question"], options, place, skill, f"{task}-{number}")
            )
    return Loaded(items, folder.open, "dev, multiple choice")
