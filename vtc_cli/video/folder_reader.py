"""The frames reader: a folder of numbered images as a video."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from vtc_cli.errors import VideoError
from vtc_cli.video.container import open_container, reason
from vtc_cli.video.decoding import Trouble, pictures
from vtc_cli.video.digest import digest_files
from vtc_cli.video.frame import ClipInfo, Damage, Frame
from vtc_cli.video.orientation import orientation_of, upright
from vtc_cli.video.sampling import ON_TIME, Pacer
from vtc_cli.video.source import IMAGE_SUFFIXES, Source

DEFAULT_RATE = 1.0  # images per second when the source does not say (`folder?fps=2`)


def natural_key(path: Path) -> tuple[object, ...]:
    """Sorts `shot2` before `shot10`."""
    parts = re.split(r"(\d+)", path.name.lower())
    return (*((int(part), "") if part.isdigit() else (-1, part) for part in parts), path.name)


class FolderClip:
    """Images of a folder in natural order, at an assumed rate: one per second unless `?fps=` says otherwise.

    An image that cannot be read is left out and reported as damage; its time stays empty.
    Raises VideoError for a folder without images, or whose first image cannot be read.
    """

    damage: Damage | None = None

    def __init__(self, source: Source):
        self._source = source
        self._rate = source.rate or DEFAULT_RATE
        entries = [path for path in Path(source.target).iterdir() if path.is_file()]
        self._images = sorted(
            (path for path in entries if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")),
            key=natural_key,
        )
        if not self._images:
            raise VideoError(
                f"{source.name}: a folder without images ({len(entries)} other files)",
                "Give a video file, or a folder of numbered .jpg or .png images.",
            )
        first = self._frame(0)
        self.info = ClipInfo(
            source=source.name,
            digest=digest_files(self._images),
            duration=len(self._images) / self._rate,
            size=(first.image.shape[2], first.image.shape[1]),
            codec=self._images[0].suffix.lower().lstrip(".").replace("jpg", "jpeg"),
            fps=self._rate,
            reader=f"frames (pyav {version('av')})",
            times="assumed",
        )

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`."""
        return self._watch(Pacer(fps, start, end))

    def _watch(self, pacer: Pacer) -> Iterator[Frame]:
        self.damage = None
        last = 0.0
        for number in range(len(self._images)):
            time = number / self._rate
            if pacer.over(time):
                return
            if not pacer.wants(time):
                continue
            try:
                frame = self._frame(number)
            except VideoError as error:
                self.damage = self.damage or Damage(last, f"{self._images[number].name} left out: {error.message}")
                continue
            last = time
            yield frame

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """See `Clip.at`."""
        stamps = [number / self._rate - ON_TIME for number in range(len(self._images))]
        for time in times:
            yield self._frame(max(bisect.bisect_right(stamps, time) - 1, 0))

    def close(self) -> None:
        """See `Clip.close`. Nothing stays open."""

    def _frame(self, number: int) -> Frame:
        path = self._images[number]
        if path.stat().st_size == 0:
            raise VideoError(f"{path}: the file is empty")
        opened, trouble = open_container(Source(str(path), "file", str(path.absolute()))), Trouble()
        try:
            picture = next(pictures(opened, trouble), None)
            if picture is None:
                raise VideoError(f"{path}: not a readable image ({trouble.reason or 'no picture in it'})")
            return Frame(number / self._rate, upright(picture, orientation_of(picture)))
        except OSError as error:
            raise VideoError(f"{path}: cannot be read ({reason(error)})") from None
        finally:
            opened.close()
