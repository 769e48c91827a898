"""Fetching a checkpoint from the hub on purpose, and comparing every file with what the hub says it holds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.hub import WANTED, Check, absent, download, hub_errors, online
from vtc_cli.models.registry import AUTO, TINY, no_checkpoint
from vtc_cli.models.weights import stored_weights


@dataclass(frozen=True)
class Pulled:
    """A checkpoint that was fetched and found whole. revision: the commit. files, bytes: in its folder, all verified.

    parameters: count. dtype: in which most of them are stored.
    """

    name: str
    revision: str
    folder: Path
    files: int
    bytes: int
    parameters: int
    dtype: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**self.__dict__, "folder": str(self.folder)}


def pull(name: str, revision: str | None, check: Check, *, force: bool = False) -> Pulled:
    """Fetch what is missing of a hub model into the hub's cache, then compare sizes and checksums of all of it.

    revision: branch, tag or commit. check: called with config.json before any weight is fetched; what it raises passes
    through. force: fetch everything again. Raises UsageError for a name that is not a hub id, MachineError when the
    model cannot be had, or when a file is not what the hub says.
    """
    if name in (AUTO, TINY) or os.path.isdir(os.path.expanduser(name)):
        where = "chooses among models" if name == AUTO else "is on this machine already"
        raise UsageError(f"{name} {where}; a hub id (owner/name) is pulled.", "`vtc models` lists some.")
    if wrong := no_checkpoint(name):
        raise UsageError(*wrong)
    if not online():
        raise absent(name)
    source = download(name, revision, check, force=force)
    assert source.revision is not None, "the hub's cache names its folders by commit"
    _verify(name, source.revision)
    weights = stored_weights(source.folder)
    files = [path for path in source.folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return Pulled(name, source.revision, source.folder, len(files), size, weights.parameters, weights.dtype)


def _verify(name: str, commit: str) -> None:
    """Raise MachineError for a file that is missing, or whose checksum is not the hub's."""
    from huggingface_hub import HfApi, constants

    with hub_errors(name, commit):
        found = HfApi().verify_repo_checksums(name, revision=commit, cache_dir=constants.HF_HUB_CACHE)
    wrong = [item["path"] for item in found.mismatches]
    wrong += [path for path in found.missing_paths if "/" not in path and any(fnmatch(path, kind) for kind in WANTED)]
    if wrong:
        raise MachineError(
            f"{len(wrong)} of the files of {name} are not what the hub holds ({wrong[0]}), in {found.verified_path}.",
            f"Fetch them again: vtc models pull {name} --revision {commit} --force",
        )
