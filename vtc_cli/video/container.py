"""Opening containers with libav: which track is the picture, and what a failure means in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import av
from av.stream import Disposition

from vtc_cli.errors import VideoError
from vtc_cli.video.boxes import index_place
from vtc_cli.video.source import Source

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

CONNECT_SECONDS = 15.0
READ_SECONDS = 30.0

# libav will happily render text files as pictures of text.
_TEXT_FORMATS = frozenset({"adf", "bin", "idf", "tty", "xbin"})


@dataclass
class Opened:
    """An open container and its picture track."""

    source: Source
    container: InputContainer
    track: VideoStream

    def rewind(self) -> None:
        """Start again from the first packet. Opening anew works for every container; seeking to zero does not."""
        self.container.close()
        fresh = open_container(self.source)
        self.container, self.track = fresh.container, fresh.track

    def close(self) -> None:
        self.container.close()


def open_container(source: Source, pipe: BinaryIO | None = None) -> Opened:
    """Open a file, a URL, or `pipe` (the standard input), ready to decode with all threads.

    libav stays quiet: PyAV discards its log unless a program asks for it, and exceptions carry the reason.
    Raises VideoError: not a video, damaged before its first picture, no picture track, no connection.
    """
    options: dict[str, str] = {}
    if source.target.startswith(("rtsp:", "rtsps:")):
        options["rtsp_transport"] = "tcp"  # over UDP, cameras lose packets as soon as the network is busy
    arguments: dict[str, Any] = {"metadata_errors": "replace", "options": options}
    if source.kind == "url":
        arguments["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
    with plain_words(source):
        container = av.open(pipe if pipe is not None else source.target, "r", **arguments)
    try:
        if container.format.name in _TEXT_FORMATS:
            raise VideoError(f"{source.name}: this is text, not a video")
        track = _picture_track(source, container)
        track.thread_type = "AUTO"
    except BaseException:
        container.close()
        raise
    return Opened(source, container, track)


@contextmanager
def plain_words(source: Source) -> Iterator[None]:
    """Turn what libav raises into a VideoError that says what, where and what next."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise VideoError(*_explain(source, error)) from error


def reason(error: BaseException) -> str:
    """The decoder's words, short, without number and address."""
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return words[:1].lower() + words[1:]


def _explain(source: Source, error: av.error.FFmpegError) -> tuple[str, str]:
    if source.kind == "url":
        hint = "Check the address and the network; for a web page with a player, pipe: yt-dlp -o - URL | vtc ask - ..."
        return f"{source.name}: cannot be opened ({reason(error)})", hint
    if source.kind == "file" and index_place(source.target) == "missing":
        return (
            f"{source.name}: the index (moov) is missing, so no picture can be found",
            "The recording or copy was interrupted. Copy it again, or rebuild the index with a tool such as untrunc.",
        )
    if isinstance(error, (av.error.InvalidDataError, av.error.EOFError)):
        return f"{source.name}: not a video, or damaged from the start ({reason(error)})", "Try vtc probe on it."
    return f"{source.name}: cannot be opened ({reason(error)})", "Try vtc probe on it."


def _picture_track(source: Source, container: InputContainer) -> VideoStream:
    tracks = container.streams.video
    moving = [track for track in tracks if not track.disposition & Disposition.attached_pic]
    best = container.streams.best("video")
    if moving:
        return next((track for track in moving if best is not None and track.index == best.index), moving[0])
    counts = ((len(container.streams.audio), "audio"), (len(container.streams.subtitles), "subtitle"))
    found = [f"{count} {what} track{'s' if count > 1 else ''}" for count, what in counts if count]
    if tracks:
        found.append("a cover image")
    raise VideoError(
        f"{source.name}: no picture track; {' and '.join(found) or 'no track at all'}",
        "Answers come from pictures; give a file that has video in it.",
    )
