"""The folder of an inspection: a page that holds everything, each picture as PNG, and the numbers as JSON.

What a stage has to show besides frames is one entry of `SECTIONS`: a heading, and a function from what was seen to
figures, which come into the page and stand beside it as files. A section without figures is not there.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import UsageError, VtcError
from vtc_cli.report.inspection.pictures import attention_picture, held_picture, kept_picture, kinds_of
from vtc_cli.report.inspection.plots import draw_course, draw_layers, height_of, on_page, on_paper
from vtc_cli.report.inspection.seen import FrameSeen, Inspected, as_json
from vtc_cli.report.inspection.timeline import timeline_caption, timeline_on_page, timeline_on_paper
from vtc_cli.report.page.canvas import missing
from vtc_cli.report.units import count
from vtc_cli.video.timecode import format_time

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from vtc_cli.memory.timeline import Timeline

NUMBERS, PAGE = "inspect.json", "index.html"
THUMBNAIL = 192  # pixels of an event's picture, the longer side


@dataclass(frozen=True)
class Figure:
    """A figure of the page, and the file of the same picture. svg: markup."""

    name: str
    title: str
    caption: str
    svg: str
    png: bytes


def cache_figures(seen: Inspected) -> list[Figure]:
    """Which moments each layer holds, and how that came about."""
    cache = seen.cache
    if cache is None:
        return []
    policy = f"The cache policy, {cache.policy}, dropped {count(cache.evicted) if cache.evicted else 'no'} entries"
    tall = height_of(cache)
    found = [
        Figure(
            "cache-layers",
            "Moments each layer still holds",
            f"When all was watched: the share of each moment's kept tokens that is in the cache. {policy}.",
            on_page(draw_layers, "cache-layers", cache, tall),
            on_paper(draw_layers, "cache-layers", cache, tall),
        )
    ]
    if cache.course:
        found.append(
            Figure(
                "cache-course",
                "What was held while watching",
                "Bottom to top is watching; each line is what the cache held at that time, the mean over layers.",
                on_page(draw_course, "cache-course", cache, 3.4),
                on_paper(draw_course, "cache-course", cache, 3.4),
            )
        )
    return found


def memory_figures(seen: Inspected) -> list[Figure]:
    """What a memory took in over time."""
    memory = seen.memory
    if memory is None:
        return []
    return [
        Figure(
            "memory-timeline",
            "Clips, events and concepts",
            timeline_caption(memory),
            timeline_on_page("memory-timeline", memory),
            timeline_on_paper("memory-timeline", memory),
        )
    ]


SECTIONS: dict[str, Callable[[Inspected], list[Figure]]] = {"The cache": cache_figures, "The memory": memory_figures}


def check_folder(folder: Path) -> None:
    """Raise UsageError unless pictures can be put there: a new folder, an empty one, or an earlier inspection."""
    if not folder.parent.is_dir():
        raise UsageError(f"the folder {folder.parent} is not there", f"make it first: mkdir -p {folder.parent}")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output {folder} is a file", "name a folder for the pictures")
    if folder.is_dir() and any(folder.iterdir()) and _earlier(folder) is None:
        raise UsageError(f"there are other things in {folder}", "name a new folder with --output")


def write_folder(folder: Path, seen: Inspected) -> tuple[Path, ...]:
    """Write everything; the page comes first in what is returned. Files of an earlier inspection there go.

    Raises MachineError without the libraries of the extra `report`, VtcError where nothing can be written.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError:
        raise missing("jinja2") from None
    colours = kinds_of(seen.frames)
    files: dict[str, bytes] = {}
    frames = [_frame(number, frame, colours, files) for number, frame in enumerate(seen.frames, 1)]
    figures = {name: section(seen) for name, section in SECTIONS.items()}
    files |= {f"{figure.name}.png": figure.png for section in figures.values() for figure in section}
    text = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(
        _file("inspection", "page.jinja")
    )
    page = text.render(
        title=f"vtc inspect: {Path(seen.video).name}",
        methods=seen.methods,
        question=seen.question,
        legend=[(f"rgb{colour}", name) for name, colour in colours.items()],
        style=_file("page", "style.css").strip(),
        about_frames="As the model sees them. Clear: kept. Dimmed: dropped before the language model.",
        frames=frames,
        facts=seen.facts,
        sections=[(name, section) for name, section in figures.items() if section],
        events=_events(seen.memory) if seen.memory is not None else [],
    )
    numbers = json.dumps(as_json(seen, [PAGE, NUMBERS, *files]), ensure_ascii=False, indent=1)
    files |= {NUMBERS: numbers.encode("utf-8", "replace"), PAGE: page.encode("utf-8", "replace")}
    try:
        folder.mkdir(exist_ok=True)
        for name in _earlier(folder) or ():
            (folder / name).unlink(missing_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise VtcError(f"cannot write into {folder}: {error.strerror or error}", "name another --output") from None
    return (folder / PAGE, *(folder / name for name in files if name != PAGE))


def _earlier(folder: Path) -> list[str] | None:
    """Names of the files an earlier inspection left, None where there was none."""
    try:
        names = json.loads((folder / NUMBERS).read_bytes())["files"]
        return [name for name in names if isinstance(name, str) and Path(name).name == name]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _frame(number: int, frame: FrameSeen, colours: Any, files: dict[str, bytes]) -> dict[str, Any]:
    """What the page says of a frame; its pictures are added to `files`."""
    time = format_time(frame.time)
    stem = f"frame-{number:02d}-{time.replace(':', '-')}"
    pictures: list[tuple[str, str, Picture]] = [("kept", _kinds(frame), kept_picture(frame, colours))]
    for layer in frame.attention:
        caption = f"attention received in vision layer {layer}, read for the method"
        pictures.append((f"attention-{layer}", caption, attention_picture(frame, layer)))
    if frame.thinned:
        pictures.append(("held", "what layers and heads of the cache still hold", held_picture(frame)))
    plates = []
    for name, caption, picture in pictures:
        files[f"{stem}-{name}.png"] = _encoded(picture, "PNG")
        plates.append({"data": _link(picture), "alt": f"{time}, {name}", "caption": caption})
    first, last = map(format_time, frame.span)
    waiting = "; its unit was not complete when the video ended" if frame.held is None else ""
    told = f"unit {frame.unit}, {first} to {last}; {len(frame.kept)} of {frame.tokens} tokens kept{waiting}"
    return {"id": stem, "time": time, "told": told, "plates": plates}


def _events(memory: Timeline) -> list[dict[str, Any]]:
    """What the page says of a memory's events."""
    told = []
    for event in memory.events:
        again = f"; shows again what event {max(event.earlier)} showed" if event.earlier else ""
        words = event.summary or ("nothing to see" if event.low_info else "no description")
        picture = _thumbnail(memory.pictures.get(event.id))
        span = f"{format_time(event.t0)} to {format_time(event.t1)}"
        told.append({"id": event.id, "span": f"{span}{again}", "words": words, "picture": picture})
    return told


def _thumbnail(jpeg: bytes | None) -> str | None:
    """A stored picture, small, as a link that holds it; None where there is none, or none that can be read."""
    from PIL import Image, UnidentifiedImageError

    if jpeg is None:
        return None
    try:
        picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    except (UnidentifiedImageError, OSError):
        return None
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return _link(picture)


def _link(picture: Picture) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(_encoded(picture, 'JPEG')).decode('ascii')}"


def _kinds(frame: FrameSeen) -> str:
    return ", ".join(f"{len(indices)} {name}" for name, indices in frame.kinds.items() if indices)


def _encoded(picture: Picture, form: str) -> bytes:
    raw = io.BytesIO()
    picture.save(raw, form, **({"quality": 88, "subsampling": 0} if form == "JPEG" else {}))
    return raw.getvalue()


def _file(*place: str) -> str:
    return resources.files("vtc_cli").joinpath("report", *place).read_text(encoding="utf-8")
