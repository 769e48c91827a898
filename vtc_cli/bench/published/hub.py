"""Fetching a published benchmark: downloaded, unpacked, and marked complete only when all of it is there."""

from __future__ import annotations

import json
import os
import re
import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from typing import Any

from vtc_cli.bench.published.catalog import PUBLISHED, Published
from vtc_cli.errors import MachineError, UsageError

COMPLETE, UNPACKED = ".complete", ".unpacked"
_REPO = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_PART = re.compile(r"(?P<whole>.+\.tar(?:\.gz)?)\.part[._-]?\w+")


def fetch(name: str, repo: str | None, download: bool, cache: Path | None = None) -> Path:
    """The folder of a benchmark on this machine, fetched where `download` allows it.

    repo: `OWNER/NAME[@REVISION]`, None for the usual one. A download that was cut goes on where it stopped; archives
    are unpacked each into a folder of its name, and removed once everything is there.
    Raises MachineError where it is not here, or cannot be fetched.
    """
    about = PUBLISHED[name]
    source, revision = _named(repo, about)
    folder = (cache or cache_folder()) / f"{name}-{source.replace('/', '--')}@{revision.replace('/', '-')}"
    if (folder / COMPLETE).is_file():
        return folder
    if about.elsewhere is not None:
        raise MachineError(
            f"{about.title} cannot be fetched: {about.elsewhere}",
            f"put them and the table from {source} on the hub into one folder, and name it with --root",
        )
    if not download:
        cut = " (a download of it was cut)" if folder.is_dir() else ""
        size = about.size or "its page says how much"
        raise MachineError(
            f"{about.title} is not on this machine{cut}",
            f"name its folder with --root, or add --download: {size}, from {source} on the hub",
        )
    folder.mkdir(parents=True, exist_ok=True)
    _download(source, revision, about, folder)
    archives = unpack(folder)
    written = folder / f"{COMPLETE}.new"
    written.write_text(json.dumps({"repo": source, "revision": revision}) + "\n", encoding="utf-8")
    os.replace(written, folder / COMPLETE)
    for path in archives:
        path.unlink()
    return folder


def cache_folder() -> Path:
    """Where fetched benchmarks are kept."""
    from platformdirs import user_cache_path

    return user_cache_path("vtc", appauthor=False) / "suites"


def unpack(folder: Path) -> list[Path]:
    """Unpack every archive below a folder, each beside itself into a folder of its name, once.

    Parts of one archive (`videos.tar.part.aa`) are read one after the other. Returns the files that are no longer
    needed. Raises MachineError for a damaged one.
    """
    whole: dict[Path, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        part = _PART.fullmatch(path.name)
        if path.is_file() and part:
            whole[path.with_name(part["whole"])].append(path)
        elif path.is_file() and path.name.endswith((".zip", ".tar", ".tar.gz", ".tgz")):
            whole[path].append(path)
    for archive, parts in whole.items():
        done = archive.with_name(f"{archive.name}{UNPACKED}")
        if not done.exists():
            target = archive.with_name(re.sub(r"(\.zip|\.tar|\.tar\.gz|\.tgz)$", "", archive.name))
            _extract(archive, parts, target)
            done.touch()
    return [path for parts in whole.values() for path in parts]


def _extract(archive: Path, parts: list[Path], target: Path) -> None:
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(parts[0]) as packed:
                packed.extractall(target)
            return
        with _Chain(parts) as stream, tarfile.open(fileobj=stream, mode="r|*") as tape:
            tape.extractall(target, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise MachineError(
            f"{archive} is damaged: {error}", "delete its files, and run the same command again to fetch them anew"
        ) from None
    except OSError as error:
        raise MachineError(f"{archive} cannot be unpacked: {error.strerror or error}", "make room there") from None


class _Chain(RawIOBase):
    """Files read as one."""

    def __init__(self, paths: list[Path]):
        self._left = list(reversed(paths))
        self._file = None if not self._left else open(self._left.pop(), "rb")  # noqa: SIM115 (closed by `close`)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._file is not None:
            count = self._file.readinto(buffer)
            if count:
                return count
            self._file.close()
            self._file = open(self._left.pop(), "rb") if self._left else None  # noqa: SIM115
        return 0

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()


def _named(repo: str | None, about: Published) -> tuple[str, str]:
    if repo is None:
        return about.repo, about.revision
    found = _REPO.fullmatch(repo)
    if found is None:
        raise UsageError(f"--repo {repo!r} is no data set on the hub", f"like --repo {about.repo}")
    return found["repo"], found["revision"] or about.revision


def _download(repo: str, revision: str, about: Published, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    with _plain_words(repo, revision, about):
        snapshot_download(
            repo, repo_type="dataset", revision=revision, local_dir=folder, allow_patterns=list(about.files)
        )


@contextmanager
def _plain_words(repo: str, revision: str, about: Published) -> Iterator[None]:
    from huggingface_hub import constants, errors

    root = "or name a folder that has it with --root"
    try:
        yield
    except errors.GatedRepoError as error:
        raise MachineError(
            f"{about.title} asks for its terms to be accepted",
            f"accept them on the page of {repo}, set HF_TOKEN, {root}",
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise MachineError(
            f"the hub has no data set {repo} at {revision}, or it is private", f"give another with --repo, {root}"
        ) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError) as error:
        reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else str(error).splitlines()[0]
        raise MachineError(
            f"{about.title} cannot be fetched: {reason}", f"the same command goes on where it stopped; {root}"
        ) from error
