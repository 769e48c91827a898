"""Subtitles: from a file, from one lying beside the video, or from a track inside it."""

from __future__ import annotations

import codecs
import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vtc_cli.errors import UsageError
from vtc_cli.video.source import locate

SUFFIXES = (".srt", ".vtt")
LOOKED_AT = 65_536
"""Bytes from the beginning that tell a text from anything else, so that a film given by mistake is not read whole."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""What a file in UTF-16 begins with."""
_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_LINE = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}")
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_ASS = re.compile(r"^(?:[^,]*,){8}")


@dataclass(frozen=True)
class Subtitle:
    """Words on [t0, t1) seconds."""

    t0: float
    t1: float
    text: str


def find_subtitles(source: str, named: str | None = None) -> tuple[list[Subtitle], str | None]:
    """The subtitles of a video, in time order, and where they come from (None: there are none).

    named: a file to take. Else a file beside the video with its name (`clip.srt`, `clip.en.vtt`), else the first text
    track inside it. Raises UsageError when a file cannot be read, is not text, or holds no subtitle.
    """
    if named is not None:
        return read_subtitles(Path(named).expanduser()), named
    found = locate(source)
    if found.kind != "file":
        return [], None
    beside = sidecar(Path(found.target))
    if beside is not None:
        return read_subtitles(beside), beside.name
    track = embedded(found.target)
    return (track, "a track of the video") if track else ([], None)


def sidecar(video: Path) -> Path | None:
    """The subtitle file that goes with a video by its name; the shortest name wins."""
    try:
        names = [
            item
            for item in video.parent.iterdir()
            if item.suffix.lower() in SUFFIXES and (item.stem == video.stem or item.stem.startswith(f"{video.stem}."))
        ]
    except OSError:
        return None
    return min(names, key=lambda item: (len(item.name), item.name), default=None)


def read_subtitles(path: Path) -> list[Subtitle]:
    """An SRT or WebVTT file, in time order. UTF-8 and UTF-16 (with a mark) are read; anything else is refused rather
    than guessed at. Raises UsageError."""
    try:
        with path.open("rb") as file:
            data = file.read(LOOKED_AT)
            if not _is_text(data):
                raise UsageError(
                    f"{path} is no subtitle file: it does not hold text",
                    "SRT and WebVTT files are read, in UTF-8 or in UTF-16 with a mark",
                )
            data += file.read()
    except OSError as error:
        raise UsageError(f"cannot read the subtitles {path}: {error.strerror or error}") from None
    coding = "utf-16" if data[:2] in UTF_16 else "utf-8-sig"
    try:
        text = data.decode(coding)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the subtitles {path} are not UTF-8 (byte {error.start:,})",
            f"convert them: iconv -f latin1 -t utf-8 {path.name} > new{path.suffix}",
        ) from None
    found = parse_subtitles(text)
    if not found:
        raise UsageError(f"there is no subtitle in {path}", "SRT and WebVTT files are read")
    return found


def parse_subtitles(text: str) -> list[Subtitle]:
    """The cues of an SRT or WebVTT text; markup is left out, and so are cues without words or without length."""
    found: list[Subtitle] = []
    times: tuple[float, float] | None = None
    words: list[str] = []
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        match = _LINE.match(line)
        if match:
            times, words = (_seconds(match.groups()[:4]), _seconds(match.groups()[4:])), []
        elif line.strip():
            words.append(line)
        elif times is not None:
            found.append(Subtitle(*times, clean(words)))
            times = None
    return _sorted(found)


def embedded(path: str) -> list[Subtitle]:
    """The first text subtitle track of a file; pictures of text are left out."""
    import av

    found = []
    try:
        with av.open(path, metadata_errors="replace") as container:
            for track in container.streams.subtitles:
                for packet in container.demux(track):
                    found += _cues(packet)
                if found:
                    break
    except (av.error.FFmpegError, OSError):
        return _sorted(found)
    return _sorted(found)


def digest(subtitles: Sequence[Subtitle]) -> str | None:
    """What tells two sets of subtitles apart; None without any."""
    if not subtitles:
        return None
    text = "\n".join(f"{item.t0:.3f} {item.t1:.3f} {item.text}" for item in subtitles)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def clean(lines: Iterable[str]) -> str:
    """Words without markup, on one line."""
    return " ".join(" ".join(html.unescape(_TAG.sub("", line)).replace("\\N", " ").split()) for line in lines).strip()


def _is_text(data: bytes) -> bool:
    """Whether a file that begins so may be text: that of pictures or sound has zeros, and no coding reads it."""
    if b"\0" not in data or data[:2] in UTF_16:
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)  # a letter may be cut in two where the bytes end
    except UnicodeDecodeError:
        return False
    return True


def _cues(packet: object) -> list[Subtitle]:
    """Cues of one packet. Text tracks hold their words as bytes, in ASS with eight fields before them."""
    pts, duration, base = packet.pts, packet.duration, packet.time_base  # type: ignore[attr-defined]
    if pts is None or not duration:
        return []
    codec = packet.stream.codec_context.name  # type: ignore[attr-defined]
    data = bytes(packet)  # type: ignore[call-overload]
    if codec == "mov_text":
        data = data[2 : 2 + int.from_bytes(data[:2], "big")]
    elif codec not in ("subrip", "srt", "webvtt", "ass", "ssa", "text"):
        return []
    text = data.decode("utf-8", "replace")
    text = _ASS.sub("", text) if codec in ("ass", "ssa") else text
    return [Subtitle(float(pts * base), float((pts + duration) * base), clean(text.splitlines()))]


def _sorted(found: list[Subtitle]) -> list[Subtitle]:
    return sorted((item for item in found if item.text and item.t1 > item.t0), key=lambda item: (item.t0, item.t1))


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction}")
