"""LongVideoBench (Wu et al., 2024), validation split: films of up to an hour; without subtitles.

Layout: `lvb_val.json`, films as `videos/<name>.mp4`.
"""

from __future__ import annotations

from vtc_cli.bench.published.asking import Loaded, choice
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.tables import read_json

LENGTHS = {15: "8-15 s", 60: "15-60 s", 600: "3-10 min", 3600: "15-60 min"}  # by `duration_group`


def load(folder: Folder) -> Loaded:
    """Skills are the length classes."""
    items = [
        choice(
            row,
            f"videos/{row['video_path']}",
            row["question"],
            row["candidates"],
            row["correct_choice"],
            LENGTHS.get(row["duration_group"], f"{row['duration_group']} s"),
            row["id"],
        )
        for row in read_json(folder.file("lvb_val.json"))
    ]
    return Loaded(items, folder.open, "validation, without subtitles")
