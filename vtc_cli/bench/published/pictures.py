"""Pictures inside parquet files, read one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vtc_cli.bench.published.tables import Row, pyarrow_parquet
from vtc_cli.bench.still import still
from vtc_cli.errors import VideoError
from vtc_cli.video.frame import Clip

COLUMN = "image"


class Pictures:
    """Pictures by name, each of a row of `read_parquet`. One group of rows is held at a time."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Path, int]] = {}
        self._held: tuple[Path, int, Any] | None = None

    def add(self, name: str, row: Row) -> None:
        """Call the picture of a row `name`. The first of a name stays."""
        self._rows.setdefault(name, (row["file"], row["row"]))

    def open(self, name: str) -> Clip:
        """The picture as a film of one frame. Raises VideoError."""
        if name not in self._rows:
            raise VideoError(f"there is no picture {name}", "was everything fetched?")
        content = self._content(*self._rows[name])
        if not content:
            raise VideoError(f"the picture {name} is empty", "was everything fetched?")
        return still(content, name)

    def _content(self, path: Path, row: int) -> bytes | None:
        if self._held is not None and self._held[0] == path:
            _, first, column = self._held
            if first <= row < first + len(column):
                return _bytes(column, row - first)
        with pyarrow_parquet().ParquetFile(path) as file:
            first = 0
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                if row < first + count:
                    column = file.read_row_group(group, columns=[COLUMN])[COLUMN]
                    self._held = (path, first, column)
                    return _bytes(column, row - first)
                first += count
        return None


def _bytes(column: Any, index: int) -> bytes | None:
    cell = column[index].as_py()
    return cell["bytes"] if isinstance(cell, dict) else cell
