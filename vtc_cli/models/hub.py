"""From a model's name to a folder on this machine: a local folder, the hub's cache, or a download."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.catalog import TINY_FOLDER, read_config
from vtc_cli.models.quiet import quiet
from vtc_cli.models.registry import TINY, names, no_checkpoint
from vtc_cli.models.weights import stored_weights

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
WANTED = ("*.json", "*.jinja", "*.txt", "*.model", "*.safetensors")
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
    folder = Path(os.path.expanduser(name))  # unchanged for `~nobody`, where pathlib would raise
    if folder.is_dir():
        return _local(name, folder, revision, check)
    if folder.is_file():
        raise UsageError(f"{name} is a file; a model is a folder or a hub id.", "Name the folder the file is in.")
    if name.startswith((".", "~", os.sep)) or name.count("/") > 1 or "\\" in name:
        raise UsageError(f"there is no model folder {name}.", "Check the path.")
    if wrong := no_checkpoint(name):
        raise UsageError(*wrong)
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
    """A hub id, from the cache where it is whole, else by download.

    A cached model is used without asking the hub: runs repeat, and work offline. Naming a branch or tag asks the hub
    what it points to now.
    """
    moving = revision is not None and not _COMMIT.fullmatch(revision)
    cached = _cached(name, revision, check)
    if cached and not moving:
        return cached
    if not online():
        if cached:
            return cached
        raise absent(name, _at(revision))
    return download(name, revision, check)


def _cached(name: str, revision: str | None, check: Check) -> Source | None:
    """The model as the cache holds it, or None when anything is missing."""
    from huggingface_hub import constants, errors, hf_hub_download

    try:
        config = Path(
            hf_hub_download(
                name, "config.json", revision=revision, cache_dir=constants.HF_HUB_CACHE, local_files_only=True
            )
        )
    except errors.EntryNotFoundError:
        return None
    check(read_config(config.parent))
    try:
        stored_weights(config.parent)
    except MachineError:
        return None  # an interrupted download: the hub resumes it
    return _source(name, config.parent)


def download(name: str, revision: str | None, check: Check, *, force: bool = False) -> Source:
    """Ask the hub what `revision` is now, and fetch what is not here yet. force: fetch also what is.

    A download that was cut goes on where it stopped. Raises MachineError, and what `check` raises.
    """
    from huggingface_hub import constants, hf_hub_download, snapshot_download

    cache = constants.HF_HUB_CACHE
    with hub_errors(name, revision), quiet():
        config = Path(hf_hub_download(name, "config.json", revision=revision, cache_dir=cache))
        check(read_config(config.parent))  # before gigabytes are fetched
        # Only the top folder: some repositories keep the weights a second time, in another format, below it.
        folder = Path(
            snapshot_download(
                name,
                revision=config.parent.name,
                cache_dir=cache,
                allow_patterns=list(WANTED),
                ignore_patterns=["*/*"],
                force_download=force,
            )
        )
    if not any(folder.glob("*.safetensors")):
        raise MachineError(
            f"{name}{_at(revision)} publishes no safetensors weights; other formats are pickles that can run code.",
            "Convert a copy once where you trust it (load it with transformers, then save_pretrained(folder)) "
            "and name that folder.",
        )
    return _source(name, folder)


@contextmanager
def hub_errors(name: str, revision: str | None) -> Iterator[None]:
    """What the hub's client raises in the block, as a MachineError that says what to do."""
    from huggingface_hub import constants, errors

    at = _at(revision)
    try:
        yield
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
        raise absent(name, at) from error
    except errors.EntryNotFoundError as error:
        raise MachineError(f"{name}{at} holds no config.json, so it is not a checkpoint.", "Check the name.") from error
    except OSError as error:
        if isinstance(error, errors.HfHubHTTPError):
            raise MachineError(f"the hub refused {name}{at}: {_one_line(error)}", "Try again later.") from error
        if error.filename:
            raise MachineError(
                f"{name}{at} cannot be stored in {constants.HF_HUB_CACHE}: {_one_line(error)}",
                "Free space, or set HF_HOME.",
            ) from error
        raise absent(name, at) from error


def _at(revision: str | None) -> str:
    return f" at revision {revision}" if revision else ""


def _source(name: str, folder: Path) -> Source:
    return Source(name, folder, folder.name if _COMMIT.fullmatch(folder.name) else None)


def online() -> bool:
    """Whether the hub may be asked, and answers."""
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE and _reachable(constants.ENDPOINT)


def _reachable(endpoint: str, timeout: float = 5.0) -> bool:
    """Whether something answers at the hub's address: the client itself would retry for half a minute in silence."""
    url = urlsplit(endpoint)
    host = url.hostname or ""
    if url.scheme in getproxies() and not proxy_bypass(host):
        return True  # the proxy knows; the client will find out
    try:
        socket.create_connection((host, url.port or (80 if url.scheme == "http" else 443)), timeout).close()
    except OSError:
        return False
    return True


def absent(name: str, at: str = "") -> MachineError:
    """The error for a model that is neither here nor to be had."""
    from huggingface_hub import constants

    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
    return MachineError(
        f"{name}{at} is not in the cache ({constants.HF_HUB_CACHE}) and cannot be downloaded: {why}.",
        f"Connect (with HF_HUB_OFFLINE unset) or fill the cache where there is a network (`vtc models pull {name}`); "
        "to use vtc without a download take --model tiny.",
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
