"""OVO-Bench (Li et al., 2025): backward, real-time and forward questions at a moment of a film; nothing later is seen.

Layout: `ovo_bench_new.json`, whole films below by the paths it names (the clips cut beforehand are not needed).
Forward tasks are asked at each of their moments, in words of our own: counting (REC), whether a step is being done
(SSR), whether enough has been shown (CRR).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from vtc_cli.bench.published.asking import Loaded, choice, open_question, seconds
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.rules import OVOBENCH_GROUPS
from vtc_cli.bench.published.tables import Row, read_json, rows
from vtc_cli.bench.scoring.numbers import within
from vtc_cli.bench.scoring.words import says
from vtc_cli.bench.table_suite import Item
from vtc_cli.errors import UsageError

GROUPS = OVOBENCH_GROUPS


def load(folder: Folder) -> Loaded:
    """Skills are the tasks; the official figure is the mean of three means."""
    path = folder.file("ovo_bench_new.json", "ovo_bench.json")
    items = [item for row in read_json(path) for item in _items(row)]
    return Loaded(items, folder.open, "all moments")


def _items(row: Row) -> Iterator[Item]:
    task, film, name = row["task"], row["video"], str(row["id"])
    if task in GROUPS["forward"]:
        moments = rows(row["test_info"], row.where)
        for number, moment in enumerate(moments):
            yield _forward(row, moment, film, f"{name}-{number}")
    elif task in (*GROUPS["backward"], *GROUPS["realtime"]):
        at = seconds(row, "realtime")
        yield choice(row, film, row["question"], row["options"], row["gt"], task, name, end=at)
    else:
        raise UsageError(f"{row.where}: no task of OVO-Bench is called {task!r}", "is this the published file?")


def _forward(row: Row, moment: Row, film: str, name: str) -> Item:
    task, at = row["task"], seconds(moment, "realtime")
    if task == "REC":
        number = float(moment["count"])
        text = f"How many times in all has anyone been {row['activity']} so far? Answer with a number."
        check = partial(within, low=number, high=number)
        return open_question(row, film, text, f"{number:g}", check, task, name, end=at)
    truth = "yes" if moment["type"] else "no"
    if task == "SSR":
        text = f"Is this step being done right now: {moment['step']}? Answer yes or no."
    else:
        text = f"{row['question']}\nHas enough been shown so far to answer this? Answer yes or no."
    return open_question(row, film, text, truth, partial(says, truth=truth), task, name, end=at, chance=0.5)
