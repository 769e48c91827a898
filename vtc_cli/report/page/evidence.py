"""Pictures of the moments answers looked at, from videos that are still at hand."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import VideoError, VtcError
from vtc_cli.report.page.canvas import missing
from vtc_cli.report.page.reading import Record
from vtc_cli.report.page.runs import Run, video_of

if TYPE_CHECKING:
    from vtc_cli.video.frame import Clip

WIDTH = 192  # pixels of a thumbnail
QUALITY = 72
Find = Callable[[Record], "Clip | str"]
Key = tuple[str, float]  # a video, and a time in it


@dataclass(frozen=True)
class Looked:
    """An answer with the moments it looked at, in time order. pictures: `data:` URLs."""

    run: int
    line: Record
    times: tuple[float, ...]
    scores: tuple[float | None, ...]
    pictures: tuple[str, ...]


@dataclass(frozen=True)
class Album:
    """answers: those whose video is at hand, wrong ones first, as far as the allowance of pictures reached.

    left_out: how many came after that. absent: reason -> names of the videos that are not at hand because of it.
    """

    answers: tuple[Looked, ...] = ()
    left_out: int = 0
    absent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def album(runs: Sequence[Run], find: Find, most: int) -> Album:
    """Pictures of evidence, at most `most` of them.

    find: the video of a record, or why it is not at hand. Each video is opened once and read at the times needed.
    """
    wanted = [
        (run.number, line)
        for run in runs
        for line in run.lines
        if line["record"]["evidence"] and line["record"]["error"] is None
    ]
    wanted.sort(key=lambda pair: (pair[1]["right"] is True, pair[1]["right"] is None))  # stable: wrong first
    clips: dict[str, Clip | str] = {}
    absent: dict[str, dict[str, None]] = {}
    with ExitStack() as open_clips:
        there, left_out, taken = [], 0, 0
        for number, line in wanted:
            record = line["record"]
            if video_of(record) not in clips:
                clips[video_of(record)] = found = find(record)
                if not isinstance(found, str):
                    open_clips.callback(found.close)
            clip = clips[video_of(record)]
            if isinstance(clip, str):
                absent.setdefault(clip, {})[record["video"]] = None
            elif left_out or taken + len(record["evidence"]) > most:
                left_out += 1
            else:
                taken += len(record["evidence"])
                there.append((number, line))
        shown, broken = _pictures([line["record"] for _, line in there], clips)
    answers = [
        _looked(number, line, shown) for number, line in there if all(key in shown for key in _keys(line["record"]))
    ]
    for video, reason in broken.items():
        absent.setdefault(reason, {})[video] = None
    return Album(tuple(answers), left_out, {reason: tuple(names) for reason, names in absent.items()})


def _looked(number: int, line: Record, shown: Mapping[Key, str]) -> Looked:
    moments = sorted(line["record"]["evidence"], key=lambda item: item["time"])
    return Looked(
        number,
        line,
        tuple(item["time"] for item in moments),
        tuple(item["score"] for item in moments),
        tuple(shown[key] for key in _keys(line["record"])),
    )


def _keys(record: Record) -> list[Key]:
    """Video and time of each picture a record needs, in time order."""
    return [(video_of(record), time) for time in sorted(item["time"] for item in record["evidence"])]


def at_hand(record: Record, folders: Sequence[Path]) -> Clip | str:
    """The video of a record, opened, or why it cannot be: it is not a local file, not there, or another one now."""
    from vtc_cli.bench.span import part_of

    named = part_of(record["video"])
    name, part = (record["video"], None) if named is None else (named[0], named[1:])
    digest = (record["clip"] or {}).get("digest")
    for place in (Path(name), *(folder / Path(name).name for folder in folders)):
        try:
            if not place.exists():
                continue
        except (OSError, ValueError):  # no name a file could have
            continue
        try:
            for clip in _readings(place, str(record["settings"].get("reader") or "auto"), part):
                if digest in (None, clip.info.digest):
                    return clip
                clip.close()
        except VtcError as error:
            return error.message
        return "the file there now has other content"
    return "not a file at hand"


def _readings(place: Path, reader: str, part: tuple[float, float | None] | None) -> Iterator[Clip]:
    """The clips that a file can have been: as `vtc ask` opens it, and a picture as `vtc bench` does."""
    from vtc_cli.bench.span import ClipSpan
    from vtc_cli.bench.still import still
    from vtc_cli.video import open_clip
    from vtc_cli.video.source import IMAGE_SUFFIXES

    clip = open_clip(str(place), reader)
    yield clip if part is None else ClipSpan(clip, *part)
    if part is None and place.suffix.lower() in IMAGE_SUFFIXES and place.is_file():
        yield still(place.read_bytes(), str(place))


def _pictures(records: Sequence[Record], clips: Mapping[str, Clip | str]) -> tuple[dict[Key, str], dict[str, str]]:
    """(pictures, and why a video's could not be read, by its name)."""
    times: dict[str, set[float]] = {}
    for record in records:
        for video, time in _keys(record):
            times.setdefault(video, set()).add(time)
    shown: dict[Key, str] = {}
    broken: dict[str, str] = {}
    for video, moments in times.items():
        clip = clips[video]
        assert not isinstance(clip, str), "only videos at hand are asked for"
        wanted = sorted(moments)
        try:
            for time, frame in zip(wanted, clip.at(wanted), strict=False):
                shown[video, time] = as_jpeg(frame.image)
        except VideoError as error:
            broken[clip.info.source] = error.message
    return shown, broken


def as_jpeg(image: Any, width: int = WIDTH) -> str:
    """A `data:` URL of a picture. image: uint8 [3, H, W], RGB. Raises MachineError without what writes JPEG."""
    try:
        from PIL import Image
    except ImportError:
        raise missing("pillow") from None
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    if picture.width > width:
        picture = picture.resize((width, max(1, round(picture.height * width / picture.width))))
    raw = io.BytesIO()
    picture.save(raw, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(raw.getvalue()).decode("ascii")
