"""StreamingBench (Lin et al., 2024): questions asked while a film runs; only what was shown until then is watched.

Layout: `<Class>.csv`, films as `sample_<number>/video.mp4` in folders named after the class or the kind of question.
Sequential questions are told the questions before them and their true answers, as the authors do. Proactive output
has no moment at which it is asked, and is left out; sound, which Omni-Source questions are also about, is not heard.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from vtc_cli.bench.published.asking import Loaded, by_letter, choice, seconds
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.tables import Row, listed, read_csv
from vtc_cli.bench.table_suite import Item
from vtc_cli.errors import UsageError
from vtc_cli.video import open_clip
from vtc_cli.video.frame import Clip

REAL, SEQUENTIAL = "Real_Time_Visual_Understanding", "Sequential_Question_Answering"
BY_CLASS = (REAL, SEQUENTIAL)  # their films lie in folders of the class
BY_KIND = ("Omni_Source_Understanding", "Contextual_Understanding")  # their films lie in folders of the task type
SHORT = {REAL: ("real",), SEQUENTIAL: ("sqa",)}  # what the authors' own instructions call the folders
_SAMPLE = re.compile(r"_(sample_\d+)_\d+$")


def load(folder: Folder) -> Loaded:
    """Skills are the task types."""
    names = (*BY_CLASS, *BY_KIND)
    tables = {path.stem: path for path in folder.files("*_*ing.csv")}
    items = [item for name in names if name in tables for item in _items(name, list(read_csv(tables[name])))]
    return Loaded(items, partial(_open, folder), "questions at a moment")


def _items(name: str, table: list[Row]) -> Iterator[Item]:
    """The questions of one class, those about a film in the order they are asked."""
    told: dict[str, str] = defaultdict(str)
    for row in sorted(table, key=lambda row: seconds(row, "time_stamp")) if name == SEQUENTIAL else table:
        sample = _SAMPLE.search(row["question_id"])
        if sample is None:
            raise UsageError(f"{row.where}: no sample in {row['question_id']!r}", "is this the published file?")
        kind = row["task_type"] if name in BY_KIND else name
        film, at = f"{kind}/{sample[1]}", seconds(row, "time_stamp")
        options, text = listed(row["options"], row.where), row["question"]
        earlier = told[film] if name == SEQUENTIAL else ""
        item = choice(row, film, earlier + text, options, row["answer"], row["task_type"], row["question_id"], end=at)
        assert item.question.truth is not None
        told[film] += f"Asked at {row['time_stamp']}: {text} Answer: {by_letter(options)[item.question.truth]}\n"
        yield item


def _open(folder: Folder, film: str) -> Clip:
    kind, _, sample = film.rpartition("/")
    return open_clip(str(folder.find(f"{sample}/video", under=(kind, *SHORT.get(kind, ())))))
