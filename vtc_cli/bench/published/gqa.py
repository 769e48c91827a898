"""GQA (Hudson and Manning, 2019), testdev balanced: questions about pictures, one word or a few as the answer.

Layout: `testdev_balanced_instructions/*.parquet` and `testdev_balanced_images/*.parquet`, or the authors'
`testdev_balanced_questions.json` with pictures anywhere below by their id. Right is the same words, whatever the case
and the punctuation.
"""

from __future__ import annotations

from functools import partial

from vtc_cli.bench.published.asking import BRIEFLY, Loaded, open_question
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.pictures import Pictures
from vtc_cli.bench.published.tables import Row, read_json, read_parquet
from vtc_cli.bench.scoring.words import same_words
from vtc_cli.bench.table_suite import Item

SPLIT = "testdev balanced"


def load(folder: Folder) -> Loaded:
    """Skills are the structural types: verify, query, choose, logical, compare."""
    if any(folder.root.rglob("testdev_balanced_instructions/*.parquet")):
        pictures = Pictures()
        for row in read_parquet(folder.files("testdev_balanced_images/*.parquet")):
            pictures.add(row["id"], row)
        table = read_parquet(folder.files("testdev_balanced_instructions/*.parquet"))
        return Loaded([_item(row, row["id"]) for row in table], pictures.open, SPLIT)
    path = folder.file("testdev_balanced_questions.json")
    found = read_json(path)[0]
    items = [_item(Row(fields, f"{path}, {name}"), name) for name, fields in found.items()]
    return Loaded(items, folder.picture, SPLIT)


def _item(row: Row, name: str) -> Item:
    answer, kinds = row["answer"], row.get("types") or {}
    right = partial(same_words, truth=answer, articles=True)
    text = row["question"] + BRIEFLY
    return open_question(row, row["imageId"], text, answer, right, kinds.get("structural") or "question", name)
