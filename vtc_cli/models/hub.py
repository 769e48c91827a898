"""From a model's name to a folder on this machine: a local folder, the hub's cache, or a download."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.catalog import TINY_FOLDER, read_config
from vtc_cli.models.registry import TINY, names

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WANTED = ("*.json", "*.jinja", "*.txt", "*.model", "*.safetensors")
_DIGEST_LIMIT = 256 * 1024 * 1024

Check = Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True)
class Source:
    """A checkpoint on this machine. revision: hub commit, `blake2b:<hex>` of a small local folder, or None."""

    name: str
    folder: Path
    revision: str | None


def locate(name: str, revision: str | None = None, check: Check = lambda config: None) -> Source:
    """Find or fetch the checkpoint called `name` (never `auto`, which is resolved before).

    check: called with config.json before any weight is downloaded; what it raises passes through.
    Raises UsageError on a name that can be nothing, MachineError when a model is not here and cannot be fetched.
    """
    if name == TINY:
        if not (TINY_FOLDER / "config.json").is_file():
            raise MachineError(
                f"the bundled model is missing from this installation ({TINY_FOLDER}).",
                "Reinstall vtc-cli, or name another model.",
            )
        return _local(name, TINY_FOLDER, revision, check)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _local(name, folder, revision, check)
    if folder.is_file():
        raise UsageError(f"{name} is a file; a model is a folder or a hub id.", "Name the folder the file is in.")
    if name.startswith((".", "~", os.sep)) or name.count("/") > 1 or "\\" in name:
        raise UsageError(f"there is no model folder {name}.", "Check the path.")
    if not _HUB_ID.fullmatch(name):
        close = difflib.get_close_matches(name.lower(), [known.lower() for known in names()], n=3, cutoff=0.4)
        near = [known for known in names() if known.lower() in close]
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known names: {', '.join(names())}."
        raise UsageError(f"unknown model {name!r}: not a reserved name, a folder or a hub id (owner/name).", hint)
    return _fetch(name, revision, check)


def _local(name: str, folder: Path, revision: str | None, check: Check) -> Source:
    if revision is not None:
        raise UsageError(f"--revision means a hub id; {name} is a folder on this machine.", "Leave out --revision.")
    check(read_config(folder))
    if folder.resolve().parent.name == "snapshots" and _COMMIT.fullmatch(folder.resolve().name):
        return Source(name, folder, folder.resolve().name)
    return Source(name, folder, _digest(folder))


def _digest(folder: Path) -> str | None:
    """Content digest of config and weights; None above 256 MB, where reading it all costs more than it tells."""
    files = sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")])
    if sum(path.stat().st_size for path in files) > _DIGEST_LIMIT:
        return None
    state = hashlib.blake2b(digest_size=16)
    for path in files:
        state.update(path.name.encode() + b"\0")
        state.update(path.read_bytes())
    return f"blake2b:{state.hexdigest()}"


def _fetch(name: str, revision: str | None, check: Check) -> Source:
    from huggingface_hub import constants, errors, hf_hub_download, snapshot_download

    cache = Path(constants.HF_HUB_CACHE)
    at = f" at revision {revision}" if revision else ""
    try:
        config = Path(hf_hub_download(name, "config.json", revision=revision))
        check(json.loads(config.read_text(encoding="utf-8")))
        commit = config.parent.name
        # Only the top folder: some repositories keep a second copy of the weights in another format below it.
        folder = snapshot_download(name, revision=commit, allow_patterns=list(_WANTED), ignore_patterns=["*/*"])
    except errors.GatedRepoError as error:
        raise MachineError(
            f"{name} asks for its terms to be accepted on the hub.",
            "Accept them on its page, then set HF_TOKEN or run `hf auth login`.",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise MachineError(
            f"the hub has no model {name}, or it is private.", "Check the name; for a private model set HF_TOKEN."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise MachineError(f"{name} has no revision {revision}.", "Check --revision.") from error
    except errors.LocalEntryNotFoundError as error:
        raise _unreachable(name + at, cache) from error
    except errors.EntryNotFoundError as error:
        raise MachineError(f"{name}{at} holds no config.json, so it is not a checkpoint.", "Check the name.") from error
    except ValueError as error:
        raise MachineError(f"config.json of {name}{at} cannot be read: {error}.", "Try again later.") from error
    except OSError as error:  # connection errors and the hub's own HTTP errors
        if isinstance(error, errors.HfHubHTTPError):
            raise MachineError(f"the hub refused {name}{at}: {_one_line(error)}", "Try again later.") from error
        if getattr(error, "filename", None):
            raise MachineError(
                f"{name}{at} cannot be stored in {cache}: {_one_line(error)}", "Free space, or set HF_HOME."
            ) from error
        raise _unreachable(name + at, cache) from error
    return Source(name, Path(folder), commit if _COMMIT.fullmatch(commit) else None)


def _unreachable(what: str, cache: Path) -> MachineError:
    from huggingface_hub import constants

    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
    return MachineError(
        f"{what} is not in the cache ({cache}) and cannot be downloaded: {why}.",
        f"Connect (and unset HF_HUB_OFFLINE) or copy the model into the cache (`hf download {what.split()[0]}`); "
        "to try vtc without it use --model tiny.",
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
