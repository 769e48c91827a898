"""What a source string names: a file, a URL, the standard input, a folder of images, a camera."""

from __future__ import annotations

import difflib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from vtc_cli.errors import UsageError, VideoError

Kind = Literal["file", "url", "stdin", "folder", "camera"]

URL_SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp", "tcp")
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class Source:
    """name: what the user wrote. target: path, URL or camera number. rate: frames per second of an image folder."""

    name: str
    kind: Kind
    target: str
    rate: float | None = None


def locate(source: str) -> Source:
    """Find out what `source` names and that it is there.

    `-` is the standard input, `camera:0` a camera, `scheme://...` a URL, anything else a path. A folder may carry
    the rate of its images: `shots?fps=2`.
    Raises VideoError where there is nothing to read, UsageError where the name makes no sense.
    """
    if not source:
        raise UsageError("the name of the video is empty", "Give a file, a URL, a folder of images, or -.")
    if source == "-":
        return Source(source, "stdin", "-")
    if source.startswith("camera:"):
        if not re.fullmatch(r"camera:\d+", source):
            raise UsageError(f"{source}: a camera is named by its number", "Try camera:0.")
        return Source(source, "camera", source.removeprefix("camera:"))
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", source)  # two letters at least: C:/ is a Windows drive
    if scheme:
        return _url(source, scheme[1].lower())
    return _path(source)


def _url(source: str, scheme: str) -> Source:
    if scheme == "file":
        return _path(unquote(urlsplit(source).path))
    if scheme not in URL_SCHEMES:
        raise UsageError(f"{source}: cannot read {scheme}:// addresses", f"Readable are {', '.join(URL_SCHEMES)}.")
    return Source(source, "url", source)


def _path(source: str) -> Source:
    path, rate = _home(source), None
    if "?" in source and not os.path.exists(path):
        head, _, query = source.rpartition("?")
        if _home(head).is_dir():
            path, rate = _home(head), _folder_rate(source, query)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise VideoError(f"{source}: no such file", _closest(path)) from None
    except OSError as error:
        raise VideoError(
            f"{source}: cannot be read ({error.strerror})", "Check the path and its permissions."
        ) from None
    except ValueError:
        raise VideoError(f"{source!r}: not a path: it holds a NUL byte", "Lists separated by NUL need -0.") from None
    if stat.S_ISDIR(mode):
        if not os.access(path, os.R_OK | os.X_OK):
            raise VideoError(f"{source}: no permission to list this folder", "Check its permissions.")
        return Source(source, "folder", str(path), rate)
    if not stat.S_ISREG(mode):
        raise VideoError(f"{source}: not a regular file", f"Pipe it in: cat {source} | vtc ask - ...")
    if not os.access(path, os.R_OK):
        raise VideoError(f"{source}: no permission to read this file", f"Try chmod u+r {source}.")
    if path.stat().st_size == 0:
        raise VideoError(f"{source}: the file is empty", "Was the download or copy interrupted?")
    return Source(source, "file", str(path.absolute()))


def _home(path: str) -> Path:
    """With `~` as a folder; unchanged where there is no such user (pathlib would raise)."""
    return Path(os.path.expanduser(path))


def _folder_rate(source: str, query: str) -> float:
    asked = parse_qs(query, keep_blank_values=True)
    if set(asked) != {"fps"}:
        raise UsageError(f"{source}: a folder takes only ?fps=", "Try shots?fps=2.")
    try:
        rate = float(asked["fps"][-1])
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1000:
        raise UsageError(f"{source}: fps must be a number between 0 and 1000", "Try shots?fps=2.")
    return rate


def _closest(path: Path) -> str:
    """The next step for a name that is not there: near names in the folder, or the part of the path that is wrong."""
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder} either."
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return f"The folder {folder} cannot be listed."
    lower = {name.lower(): name for name in names}
    near = [lower[key] for key in difflib.get_close_matches(path.name.lower(), list(lower), n=3, cutoff=0.6)]
    if near:
        return f"Did you mean {' or '.join(str(folder / name) for name in near)}?"
    try:
        return f"Nothing in {folder.absolute()} has a similar name."
    except FileNotFoundError:
        return "The current folder no longer exists."
