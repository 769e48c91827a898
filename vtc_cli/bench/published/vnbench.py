"""VNBench (Zhao et al., 2024): needles in films; every question four times, its options in another order.

Layout: `VNBench-main-4try.json`, films anywhere below by name. A question counts when all four tries are right.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from vtc_cli.bench.published.asking import Loaded, choice
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.tables import read_json
from vtc_cli.errors import UsageError


def load(folder: Folder) -> Loaded:
    """Skills are the needles: ret_edit, ret_insert, ord_edit, ord_insert, cnt_edit, cnt_insert, each of two kinds."""
    items = []
    for row in read_json(folder.file("VNBench-main-4try.json", "VNBench*4try*.json")):
        options, answer = row["options"], row["gt"]
        if answer not in options:
            raise UsageError(f"{row.where}: the answer {answer!r} is none of the options")
        film = PurePosixPath(row["video"]).name
        place, skill, name = options.index(answer), row["type"], f"{film} try {row['try']}"
        items.append(
            choice(row, film, row["question"], options, place, skill, name, group=f"{skill} {row['question']}")
        )
    return Loaded(items, folder.open, "main, four tries")
