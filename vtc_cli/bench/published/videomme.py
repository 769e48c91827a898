"""Video-MME (Fu et al., 2024): 900 films of three lengths, three questions each; without subtitles.

Layout: `videomme/test-*.parquet`, films anywhere below as `<videoID>.mp4`.
"""

from __future__ import annotations

from vtc_cli.bench.published.asking import Loaded, choice
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.tables import read_parquet


def load(folder: Folder) -> Loaded:
    """Skills are the length classes: short, medium, long, which are reported apart."""
    items = [
        choice(row, row["videoID"], row["question"], row["options"], row["answer"], row["duration"], row["question_id"])
        for row in read_parquet(folder.files("videomme/*.parquet", "test-*.parquet"))
    ]
    return Loaded(items, folder.open, "test, without subtitles")
