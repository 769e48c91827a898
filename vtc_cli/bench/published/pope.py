"""POPE (Li et al., 2023): is a thing in the picture? Half of the questions ask for things that are not.

Layout: `data/test-*.parquet`, or the authors' `coco_pope_<category>.json` with the pictures of COCO val2014 anywhere
below. An answer is no where its first sentence says no or not, else yes; the official figure is F1.
"""

from __future__ import annotations

from functools import partial

from vtc_cli.bench.published.asking import BRIEFLY, Loaded, open_question
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.pictures import Pictures
from vtc_cli.bench.published.tables import Row, read_json, read_parquet
from vtc_cli.bench.scoring.words import yes_or_no
from vtc_cli.bench.table_suite import Item
from vtc_cli.errors import UsageError


def load(folder: Folder) -> Loaded:
    """Skills are the ways of choosing things: random, popular, adversarial."""
    if any(folder.root.rglob("*.parquet")):
        pictures, items = Pictures(), []
        for row in read_parquet(folder.files("data/test-*.parquet", "Full/*.parquet")):
            pictures.add(row["image_source"], row)
            items.append(_item(row, row["image_source"], row["question"], row["answer"], row["category"]))
        return Loaded(items, pictures.open, "test")
    items = [
        _item(row, row["image"], row["text"], row["label"], path.stem.rpartition("_")[2])
        for path in folder.files("coco_pope_*.json")
        for row in read_json(path)
    ]
    return Loaded(items, folder.picture, "test")


def _item(row: Row, picture: str, text: str, answer: str, category: str) -> Item:
    truth = answer.strip().casefold()
    if truth not in ("yes", "no"):
        raise UsageError(f"{row.where}: the answer {answer!r} is neither yes nor no")
    name = f"{category}-{row['question_id']}"
    return open_question(row, picture, text + BRIEFLY, truth, partial(_right, truth), category, name, chance=0.5)


def _right(truth: str, said: str) -> bool:
    return yes_or_no(said) == truth
