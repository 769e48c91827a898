"""A published benchmark on disk: its tables by pattern, its films wherever an archive has put them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.jobs.sources import VIDEO_SUFFIXES
from vtc_cli.video import open_clip
from vtc_cli.video.frame import Clip
from vtc_cli.video.source import IMAGE_SUFFIXES

MEDIA = VIDEO_SUFFIXES | IMAGE_SUFFIXES


class Folder:
    """root: the folder. The tree below it is walked once, when the first film is wanted."""

    def __init__(self, root: Path):
        self.root = root

    def files(self, *patterns: str) -> list[Path]:
        """The files of the first pattern that matches any, in order; patterns are looked for at every depth.

        Raises UsageError where none does.
        """
        for pattern in patterns:
            found = sorted(path for path in self.root.rglob(pattern) if path.is_file())
            if found:
                return found
        raise UsageError(
            f"{self.root} has none of the files it should: {', '.join(patterns)}",
            "--root names the folder that the published files were put into",
        )

    def file(self, *patterns: str) -> Path:
        """The one file of the first pattern that matches. Raises UsageError for none and for several."""
        found = self.files(*patterns)
        if len(found) > 1:
            raise UsageError(f"{found[0]} and {found[1]} are both there", "--root names a folder with one of them")
        return found[0]

    def find(self, *wanted: str, under: Sequence[str] = ()) -> Path:
        """The film or folder of pictures whose path ends in `wanted`, whatever its suffix; of several, the first there.

        under: where names come twice, one of the folders above it begins like one of these, ignoring case and marks.
        Raises VideoError when it is not there, or twice.
        """
        for name in wanted:
            places = self._ending(name)
            if under:
                starts = tuple(map(_bare, under))
                above = {path: (self.root.name, *path.parts[:-1]) for path in places}
                places = [path for path in places if any(_bare(part).startswith(starts) for part in above[path])]
            if len(places) > 1:
                raise VideoError(f"{name} is in {self.root} twice: {places[0]} and {places[1]}", "leave one of them")
            if places:
                return self.root / places[0]
        raise VideoError(f"{wanted[0]} is not in {self.root}", "was it unpacked there?")

    def has(self, wanted: str) -> bool:
        """Whether there is a film or a folder whose path ends so."""
        return bool(self._ending(wanted))

    def open(self, wanted: str) -> Clip:
        """The film whose path ends in `wanted`. Raises VideoError."""
        return open_clip(str(self.find(wanted)))

    def picture(self, wanted: str) -> Clip:
        """The picture whose path ends in `wanted`, as a film of one frame. Raises VideoError."""
        from vtc_cli.bench.still import still

        path = self.find(wanted)
        return still(path.read_bytes(), str(path))

    def _ending(self, wanted: str) -> list[Path]:
        tail = _tail(wanted)
        return [path for path in self._places.get(tail[-1], ()) if _tail(path.as_posix())[-len(tail) :] == tail]

    @cached_property
    def _places(self) -> dict[str, list[Path]]:
        """Films, pictures and folders below the root by their names without suffix, as paths relative to it."""
        found: dict[str, list[Path]] = defaultdict(list)
        for folder, names, files in os.walk(self.root):
            names[:] = sorted(name for name in names if not name.startswith((".", "__MACOSX")))
            here = Path(folder).relative_to(self.root)
            for name in [*names, *(name for name in sorted(files) if Path(name).suffix.lower() in MEDIA)]:
                if not name.startswith("."):
                    found[_stem(name)].append(here / name)
        return found


def _tail(path: str) -> tuple[str, ...]:
    """The parts of a path, without `.`, a root and the suffix of a film or picture."""
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".", "..")]
    return (*parts[:-1], _stem(parts[-1])) if parts else ("",)


def _stem(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in MEDIA else name


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
