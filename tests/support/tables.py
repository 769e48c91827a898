"""Writing the kinds of files that benchmarks are published as."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.support.clips import write_clip


def picture(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (48, 32), colour).save(out, "PNG")
    return out.getvalue()


RED, BLUE = picture((200, 20, 20)), picture((20, 20, 200))


def as_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def as_csv(path: Path, rows: Sequence[dict[str, Any]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def as_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """One row per group, so that a reader has to find the right one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=1)


def films(root: Path, *names: str) -> None:
    """The same four seconds of film under every name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if name == names[0]:
            write_clip(root / name)
        else:
            shutil.copy(root / names[0], root / name)
