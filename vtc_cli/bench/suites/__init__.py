"""The suites there are, by name."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from vtc_cli.bench.published.catalog import PUBLISHED
from vtc_cli.errors import UsageError

if TYPE_CHECKING:
    from vtc_cli.bench.suite import Suite
    from vtc_cli.bench.suites.tiny import Wanted

TINY, FILES = "tiny", "files"
SUITES = (TINY, FILES, *PUBLISHED)


@dataclass(frozen=True)
class Place:
    """Where a suite's questions and films lie. Options that a suite has no use for are refused.

    questions, videos: of `files`. root: the folder of a published suite; None for the one it was downloaded to.
    download: fetch it where it is missing. repo: `OWNER/NAME[@REVISION]` on the hub, None for the suite's own.
    """

    questions: Path | None = None
    videos: Path | None = None
    root: Path | None = None
    download: bool = False
    repo: str | None = None


def find_suite(name: str, wanted: Wanted, place: Place | None = None) -> Suite:
    """The suite called `name`. Raises UsageError for an unknown one, and for what it cannot give."""
    place = place or Place()
    if name not in SUITES:
        close = get_close_matches(name.casefold(), SUITES, 1)
        raise UsageError(
            f"there is no suite `{name}`", f"did you mean `{close[0]}`?" if close else f"there are {', '.join(SUITES)}"
        )
    _check_place(name, place)
    if name == TINY:
        from vtc_cli.bench.suites.tiny import TinySuite

        return TinySuite(wanted)
    _check_wanted(name, wanted)
    if name == FILES:
        from vtc_cli.bench.suites.files import files_suite

        if place.questions is None:
            raise UsageError("--suite files asks the questions of a file, and none is named", "add --questions FILE")
        return files_suite(place.questions, place.videos, wanted.skills, wanted.seed or None)
    from vtc_cli.bench.published import published_suite

    return published_suite(name, place, wanted.skills, wanted.seed)


def _check_place(name: str, place: Place) -> None:
    published = name in PUBLISHED
    given = {
        "--questions": (place.questions, name == FILES),
        "--videos": (place.videos, name == FILES),
        "--root": (place.root, published),
        "--download": (place.download, published),
        "--repo": (place.repo, published),
    }
    for flag, (value, fits) in given.items():
        if value and not fits:
            whose = "`files`" if flag in ("--questions", "--videos") else "published suites"
            raise UsageError(f"{flag} belongs to {whose}, and the suite is `{name}`", f"leave {flag} out, or --suite")
    if place.root is not None and (place.download or place.repo):
        raise UsageError("--root names a folder that is there; --download and --repo fetch one", "give one of them")


def _check_wanted(name: str, wanted: Wanted) -> None:
    """What only films that are made on the spot can have."""
    given = {
        "--length": wanted.length is not None,
        "--unseen": wanted.unseen,
        "--choices": wanted.choices,
        "--via": wanted.via != "frames",
    }
    for flag, value in given.items():
        if value:
            raise UsageError(f"{flag} belongs to the suite `{TINY}`, whose films are made on the spot")
