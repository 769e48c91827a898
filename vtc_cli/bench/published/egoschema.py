"""EgoSchema (Mangalam et al., 2023): the 500 questions whose answers are public, about three minutes of film each.

Layout: `Subset/test-*.parquet`, or the authors' `questions.json` with `subset_answers.json`; films anywhere below by
their id.
"""

from __future__ import annotations

from vtc_cli.bench.published.asking import Loaded, choice
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.tables import read_json, read_parquet
from vtc_cli.bench.table_suite import Item

SKILL = "subset"


def load(folder: Folder) -> Loaded:
    """One skill."""
    if any(folder.root.rglob("Subset/*.parquet")):
        items = [
            choice(
                row, row["video_idx"], row["question"], row["option"], int(row["answer"]), SKILL, row["question_idx"]
            )
            for row in read_parquet(folder.files("Subset/*.parquet"))
        ]
    else:
        items = _original(folder)
    return Loaded(items, folder.open, "subset")


def _original(folder: Folder) -> list[Item]:
    answers = read_json(folder.file("subset_answers.json"))[0]
    items = []
    for row in read_json(folder.file("questions.json")):
        name = row["q_uid"]
        if name in answers:
            options = [row[f"option {number}"] for number in range(5)]
            items.append(choice(row, name, row["question"], options, int(answers[name]), SKILL, name))
    return items
