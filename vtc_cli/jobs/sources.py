"""From what the user named to the list of videos: folders, globs, lists of paths, URLs, stdin."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.video.source import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "m2ts", "mts", "mpg", "mpeg"),
        *("wmv", "flv", "3gp", "ogv", "gif", "h264", "hevc"),
    )
)
_NOT_A_PATH = re.compile(r"^(-$|camera:|[a-z][a-z0-9+.-]*://)", re.IGNORECASE)


def is_path(source: str) -> bool:
    """False for `-`, `camera:0` and URLs."""
    return not _NOT_A_PATH.match(source)


def is_live(source: str) -> bool:
    """True where the end is not known: a camera or a network stream that has none."""
    return source.startswith("camera:") or source.lower().startswith(("rtsp://", "rtsps://", "rtmp://", "udp://"))


def natural(name: str) -> list[tuple[int, int | str]]:
    """Sort key that puts `clip2` before `clip10`."""
    return [(0, int(part)) if part.isdigit() else (1, part.casefold()) for part in re.split(r"(\d+)", name) if part]


def expand(named: Sequence[str]) -> list[str]:
    """The videos named, in the order given; what a folder or glob brings is in natural order; no video twice.

    A folder of videos stands for them (not for those in folders below; `folder/**/*.mp4` does that); a folder of
    images is one video. A missing path stays in the list: opening it tells the user, and a batch goes on without it.
    Raises UsageError for a folder or glob that brings nothing.
    """
    found: dict[str, str] = {}
    for name in named:
        for source in _expand_one(name):
            found.setdefault(_place(source) if is_path(source) else source, source)
    return list(found.values())


def split_list(text: str, null: bool, shown: str = "the list") -> list[str]:
    """Paths of a list: one per line, or separated by NUL as from `find -print0`.

    shown: the list's name in messages. Raises UsageError for lines with NUL in them: they are no paths.
    """
    text = text.removeprefix("\ufeff")
    if not null and "\0" in text:
        raise UsageError(
            f"{shown} is not a list of paths, one per line: it holds NUL bytes",
            "paths separated by NUL need -0; a video itself is named without --files",
        )
    parts: Iterable[str] = text.split("\0") if null else (line.rstrip("\r") for line in text.split("\n"))
    return [part for part in parts if part.strip()]


def _place(path: str) -> str:
    """Where a path leads; the path itself where that cannot be found out (no current folder, a loop of links)."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path


def _home(path: str) -> str:
    """`~` and `~name` as folders; unchanged where there is no such user (pathlib would raise)."""
    return os.path.expanduser(path)


def _expand_one(name: str) -> list[str]:
    if not name.strip():
        raise UsageError("the name of a video is empty", "is a variable in the command empty?")
    if not is_path(name) or "?fps=" in name:  # `shots?fps=2` is a folder of images with its rate, not a pattern
        return [name]
    path = _home(name)
    if os.path.isdir(path):
        return _folder(Path(path))
    if glob.has_magic(name) and not os.path.lexists(path):
        return _glob(path)
    return [path]


def _folder(folder: Path) -> list[str]:
    try:
        files = [item for item in folder.iterdir() if item.is_file() and not item.name.startswith(".")]
    except OSError as error:
        raise VideoError(
            f"cannot list the folder {folder}: {error.strerror or error}", "check its permissions"
        ) from None
    videos = [item for item in files if item.suffix.lower() in VIDEO_SUFFIXES]
    if videos:
        return [str(item) for item in sorted(videos, key=lambda item: natural(item.name))]
    if any(item.suffix.lower() in IMAGE_SUFFIXES for item in files):
        return [str(folder)]
    raise UsageError(f"no videos in the folder {folder}", f"to look below it too, name '{folder}/**/*.mp4'")


def _glob(pattern: str) -> list[str]:
    matches = [Path(item) for item in glob.glob(pattern, recursive=True)]
    # An explicit pattern may name a suffix we do not know; a bare `*` should not bring the subtitles.
    chosen = [item for item in matches if item.is_file() and _wanted(item, pattern)]
    if not chosen:
        raise UsageError(f"nothing matches {pattern}", "check the pattern and the folder it starts from")
    return [str(item) for item in sorted(chosen, key=lambda item: natural(str(item)))]


def _wanted(item: Path, pattern: str) -> bool:
    suffix = Path(pattern).suffix
    return item.suffix.lower() in VIDEO_SUFFIXES or (bool(suffix) and not glob.has_magic(suffix))
