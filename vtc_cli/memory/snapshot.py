"""What a model still had in view when it had watched a video, kept beside the video's memory.

A file of tensors in the memory's folder and a row that names it: large, bounded by the cache's budget, and never
needed. It is good for one model's weights; its digest says whether it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.memory.rows import SnapshotRow
from vtc_cli.memory.store import MemoryStore

if TYPE_CHECKING:
    from vtc_cli.engine.kept import KeptCache

FOLDER = "kv"
AGAIN = "`vtc index --snapshot` makes it anew"


def snapshot_of(store: MemoryStore) -> SnapshotRow | None:
    """The snapshot that a memory names, None where it has none. Its file may be gone."""
    found = store.rows(SnapshotRow, "", (), "t DESC LIMIT 1")
    return found[0] if found else None


def snapshot_bytes(store: MemoryStore) -> int | None:
    """The size of its file; None where there is none."""
    row = snapshot_of(store)
    path = None if row is None else store.path.parent / row.path
    return path.stat().st_size if path is not None and path.is_file() else None


def save_snapshot(store: MemoryStore, kept: KeptCache, *, time: float, model: str, watching: Mapping[str, Any]) -> None:
    """Put what was kept at `time` seconds in place of the snapshot there is. The store is open for writing.

    model: key of the weights. watching: the settings it was watched with. The file is whole before the row names it.
    Raises MachineError where it cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    folder = store.path.parent / FOLDER
    words = json.dumps({"facts": dict(kept.facts), "watching": dict(watching)}, sort_keys=True, ensure_ascii=False)
    partial = folder / "partial"
    try:
        folder.mkdir(exist_ok=True)
        save_file({name: value.contiguous() for name, value in kept.tensors.items()}, partial, {"vtc": words})
        sha = _digest(partial)
        path = folder / f"{sha[:16]}.safetensors"
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise MachineError(
            f"the snapshot cannot be written to {folder}: {getattr(error, 'strerror', None) or error}",
            "make room, or lower --budget; the memory itself is whole",
        ) from None
    row = SnapshotRow(time, f"{FOLDER}/{path.name}", kept.entries, kept.dtype, model, sha)
    with store.transaction():
        store.run("DELETE FROM kv_snapshot")
        store.add(row)
    for other in folder.iterdir():
        if other != path:
            with suppress(OSError):  # what is left over is in nobody's way
                other.unlink()


def load_snapshot(store: MemoryStore) -> tuple[KeptCache, Mapping[str, Any]]:
    """What was kept, and the settings it was watched with. Raises UsageError where there is none that is whole."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    from vtc_cli.engine.kept import KeptCache

    row = snapshot_of(store)
    if row is None:
        raise UsageError("no snapshot was kept with this memory", AGAIN)
    path = store.path.parent / row.path
    try:
        if _digest(path) != row.sha:
            raise UsageError(f"the snapshot {path} is damaged", AGAIN)
        with safe_open(path, framework="pt") as file:
            words = store.parsed((file.metadata() or {}).get("vtc"))
        return KeptCache(words["facts"], load_file(path)), words["watching"]
    except (OSError, SafetensorError) as error:
        why = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UsageError(f"the snapshot {path} {why}", AGAIN) from None


def drop_snapshots(folder: Path) -> None:
    """Of a memory that is about to be made anew."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
