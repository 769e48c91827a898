"""TextVQA (Singh et al., 2019), validation split: questions about words in pictures, with ten human answers each.

Layout: `data/validation-*.parquet`, or the authors' `TextVQA_0.5.1_val.json` with pictures anywhere below by their id.
The official figure is the mean VQA accuracy; an answer is called right here when at least two of ten people gave it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from vtc_cli.bench.published.asking import BRIEFLY, Loaded, open_question
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.pictures import Pictures
from vtc_cli.bench.published.tables import Row, listed, read_json, read_parquet, rows
from vtc_cli.bench.scoring.vqa import vqa_accuracy
from vtc_cli.bench.table_suite import Item

SKILL, ENOUGH = "text", 0.5


def load(folder: Folder) -> Loaded:
    """One skill."""
    if any(folder.root.rglob("validation-*.parquet")):
        pictures, items = Pictures(), []
        for row in read_parquet(folder.files("validation-*.parquet")):
            pictures.add(row["image_id"], row)
            items.append(_item(row))
        return Loaded(items, pictures.open, "validation")
    path = folder.file("TextVQA_0.5.1_val.json")
    items = [_item(row) for row in rows(read_json(path)[0]["data"], path)]
    return Loaded(items, folder.picture, "validation")


def _item(row: Row) -> Item:
    answers = listed(row["answers"], row.where)
    truth = Counter(answers).most_common(1)[0][0]
    graded, right = partial(vqa_accuracy, answers=answers), partial(_right, answers)
    name, text = str(row["question_id"]), row["question"] + BRIEFLY
    return open_question(row, row["image_id"], text, truth, right, SKILL, name, points=graded)


def _right(answers: Sequence[str], said: str) -> bool:
    return vqa_accuracy(said, answers) > ENOUGH
