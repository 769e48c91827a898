"""`open_clip`: from what the user named to a clip that can be watched."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.video.frame import Clip
from vtc_cli.video.source import Source, locate

READERS = ("auto", "pyav", "decord", "torchcodec", "frames", "opencv")


def open_clip(source: str, reader: str = "auto") -> Clip:
    """Open a video.

    source: a path, an http(s), rtsp or similar URL, `-` for the standard input, a folder of numbered images
    (`shots` at one image per second, `shots?fps=2`), or `camera:0`.
    reader: `auto` streams with PyAV and looks moments up with decord where that is safe; or one of `READERS`.
    Raises VideoError (nothing readable there, with the reason), UsageError (unknown reader, impossible source),
    MachineError (a library is missing).
    """
    check_reader(reader)
    found = locate(source)
    _check_pair(found, reader)
    if found.kind == "folder":
        from vtc_cli.video.folder_reader import FolderClip

        return FolderClip(found)
    if found.kind == "camera":
        from vtc_cli.video.camera_reader import CameraClip

        return CameraClip(found)
    if found.kind == "stdin":
        return _open_pipe(found, reader)
    return _open_decoded(found, reader)


def check_reader(reader: str) -> None:
    """Raises UsageError for a reader nobody knows, with the closest name."""
    if reader in READERS:
        return
    near = difflib.get_close_matches(reader.lower(), READERS, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Readers are {', '.join(READERS)}."
    raise UsageError(f"there is no reader called {reader!r}", hint)


def _check_pair(source: Source, reader: str) -> None:
    """Raises VideoError where this reader can never serve this kind of source."""
    serves: dict[str, tuple[str, ...]] = {
        "file": ("auto", "pyav", "decord", "torchcodec"),
        "url": ("auto", "pyav"),
        "stdin": ("auto", "pyav"),
        "folder": ("auto", "frames"),
        "camera": ("auto", "opencv"),
    }
    what = {"file": "a file", "url": "a URL", "stdin": "the standard input", "folder": "a folder", "camera": "a camera"}
    able = serves[source.kind]
    if reader not in able:
        raise VideoError(
            f"{source.name}: the {reader} reader cannot serve {what[source.kind]}",
            f"Leave --reader out, or choose {' or '.join(able[1:])}.",
        )


def _open_decoded(source: Source, reader: str, close: Callable[[], None] | None = None) -> Clip:
    from vtc_cli.video.digest import digest_file
    from vtc_cli.video.pyav_reader import PyavClip

    digest = digest_file(Path(source.target)) if source.kind == "file" else None
    base = PyavClip(source, digest, on_close=close)
    if reader == "pyav" or source.kind == "url":
        return base
    if reader == "decord":
        from vtc_cli.video.decord_reader import DecordClip

        return DecordClip(base)
    if reader == "torchcodec":
        from vtc_cli.video.torchcodec_reader import TorchcodecClip

        return TorchcodecClip(base)
    from vtc_cli.video.auto_reader import AutoClip

    return AutoClip(base)


def _open_pipe(source: Source, reader: str, stream: BinaryIO | None = None) -> Clip:
    from vtc_cli.video.pipe import read_pipe
    from vtc_cli.video.pyav_reader import PyavClip

    piped = read_pipe(stream)
    if piped.path is None:
        return PyavClip(source, pipe=piped.stream)
    try:
        return _open_decoded(replace(source, kind="file", target=str(piped.path)), reader, piped.close)
    except BaseException:
        piped.close()
        raise
