"""MMBench (Liu et al., 2023), English dev split: multiple choice about pictures, asked in every order of the options.

Layout: `en/dev-*.parquet`, or `MMBench_DEV_EN.tsv` (or `_V11`) with the pictures in it. A question counts when it is
right in each of the circular shifts of its options; the shifts are made here, and those in the table are passed over.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from string import ascii_uppercase

from vtc_cli.bench.published.asking import Loaded, choice
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.pictures import Pictures
from vtc_cli.bench.published.tables import Row, read_csv, read_parquet
from vtc_cli.bench.still import still
from vtc_cli.bench.table_suite import Item
from vtc_cli.errors import UsageError, VideoError
from vtc_cli.video.frame import Clip

SHIFTED = 1_000_000  # from this index on, the table repeats questions with their options shifted
MISSING = ("", "nan")  # how tables write that there is none


def load(folder: Folder) -> Loaded:
    """Skills are the abilities of the second level."""
    items: list[Item] = []
    if any(folder.root.rglob("*.parquet")):
        pictures = Pictures()
        for row in read_parquet(folder.files("en/dev-*.parquet", "dev-*.parquet")):
            pictures.add(str(row["index"]), row)
            items += _shifts(row)
        return Loaded(items, pictures.open, "dev, English")
    encoded: dict[str, str] = {}
    for row in read_csv(folder.file("MMBench_DEV_EN_V11.tsv", "MMBench_DEV_EN.tsv")):
        encoded[row["index"]] = row["image"]
        items += _shifts(row)
    return Loaded(items, partial(_open, encoded), "dev, English")


def _shifts(row: Row) -> Iterator[Item]:
    """The question once for every circular shift of its options."""
    index = int(row["index"])
    if index >= SHIFTED:
        return
    given = ["" if _missing(row.get(label)) else str(row[label]) for label in "ABCD"]
    options = list(takewhile(bool, given))
    if any(given[len(options) :]):
        raise UsageError(f"{row.where}: option {'ABCD'[len(options)]} is missing, and later ones are there")
    if row["answer"] not in ascii_uppercase[: len(options)]:
        raise UsageError(f"{row.where}: the answer {row['answer']!r} is none of the options")
    skill = row.get("l2-category") or row["L2-category"]
    right, hint = ascii_uppercase.index(row["answer"]), row.get("hint")
    text = row["question"] if _missing(hint) else f"{hint}\n{row['question']}"
    for shift in range(len(options)):
        turned = options[shift:] + options[:shift]
        place, name = (right - shift) % len(options), f"{index}-{shift}"
        yield choice(row, str(index), text, turned, place, skill, name, group=str(index))


def _missing(value: object) -> bool:
    return value is None or str(value).strip().casefold() in MISSING


def _open(encoded: dict[str, str], name: str) -> Clip:
    try:
        return still(base64.b64decode(encoded[name], validate=True), f"MMBench {name}")
    except binascii.Error as error:
        raise VideoError(f"the picture of question {name} cannot be read: {error}") from None
